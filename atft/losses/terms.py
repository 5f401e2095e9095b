"""The table of terms: the name in the YAML, the function, and the tensors and options it reads.

Adding a term is one pure function ``[*batch, stocks] -> [*batch]`` and one row here; the objective hands it
exactly what its row names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from torch import Tensor

from atft.errors import InputError, nearest
from atft.losses.correlation import ic_loss, rank_ic_loss
from atft.losses.pointwise import huber, mse, pinball
from atft.losses.portfolio import sharpe_loss, turnover
from atft.losses.ranking import listnet, ndcg, ranknet
from atft.losses.risk import exposure_share
from atft.losses.spread import scale_floor

READABLE = {
    "score": "network output, [days, horizons, stocks]",
    "target": "transformed forward return, [days, horizons, stocks]",
    "realised": "raw forward return, a fraction, [days, horizons, stocks]",
    "valid": "stocks to count, [days, horizons, stocks]",
    "earned": "the score's own book return, a fraction, without a gradient, [days, horizons]",
    "return_mean": "running mean of the score's book return, [1, horizons]",
    "return_square": "running mean of its square, [1, horizons]",
    "quantiles": "network output at each level, [days, horizons, levels, stocks]",
    "previous": "score of the day before in the block, without a gradient, [days, horizons, stocks]",
    "previous_valid": "stocks that counted the day before, none on a block's first, [days, horizons, stocks]",
    "exposure": "risk exposures known that day, NaN where unknown, [days, horizons, exposures, stocks]",
    "sector": "index of each stock's sector, -1 for none, [days, horizons, stocks]",
    "levels": "share of targets meant to lie below each quantile, [levels]",
}
"""The tensors that a term may name, as the objective provides them; those that no term names are not made."""


@dataclass(frozen=True)
class Term:
    """One row of the table."""

    function: Callable[..., Tensor]
    """Pure; positional arguments in the order of ``reads``, returns ``[days, horizons]``."""
    reads: tuple[str, ...]
    """Keys of ``READABLE``."""
    says: str
    """What the term teaches, in a sentence."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Keyword of the function -> field of ``ObjectiveOptions``."""
    hinge: bool = False
    """The term rests, without a gradient, while all is well: it is never dead."""


_RANK_IC = Term(
    rank_ic_loss,
    ("score", "target", "valid"),
    "One minus the soft Spearman correlation across the day: teaches the order, all stocks alike.",
    {"anchors": "anchors", "temperature": "temperature"},
)

TERMS: dict[str, Term] = {
    "mse": Term(
        mse,
        ("score", "target", "valid"),
        "Squared distance of score and transformed target: teaches scale and level, far stocks most.",
    ),
    "huber": Term(
        huber,
        ("score", "target", "valid"),
        "Distance of score and transformed target: teaches scale and level.",
        {"delta": "huber_delta"},
    ),
    "pinball": Term(
        pinball,
        ("quantiles", "levels", "target", "valid"),
        "Pinball distance of the quantiles and the transformed target: teaches how sure a forecast is.",
    ),
    "ic": Term(
        ic_loss,
        ("score", "target", "valid"),
        "One minus the Pearson correlation across the day: teaches the order, large returns most.",
    ),
    "rank_ic": _RANK_IC,
    "spearman": replace(_RANK_IC, says="Another name of rank_ic, kept for older configurations."),
    "ranknet": Term(
        ranknet,
        ("score", "target", "valid"),
        "Logistic distance over sampled pairs of stocks: teaches which of two is the better one.",
        {"pairs": "ranknet_pairs"},
    ),
    "listnet": Term(
        listnet,
        ("score", "target", "valid"),
        "Divergence from the softmax of the day's best targets: teaches who belongs to the top.",
        {"top": "listnet_top", "temperature": "listnet_temperature"},
    ),
    "ndcg": Term(
        ndcg,
        ("score", "target", "valid"),
        "One minus the soft discounted cumulative gain of the day's list, on a correlation's scale: teaches the "
        "order, the list's first places most.",
        {"anchors": "anchors", "temperature": "temperature", "grades": "ndcg_grades"},
    ),
    "sharpe": Term(
        sharpe_loss,
        ("score", "realised", "valid", "return_mean", "return_square"),
        "Minus the day's effect on the running Sharpe ratio of a dollar-neutral book, on an IC's scale: "
        "teaches what pays.",
    ),
    "turnover": Term(
        turnover,
        ("score", "valid", "previous", "previous_valid"),
        "Share of a dollar-neutral book that trades since the day before: teaches to hold.",
    ),
    "exposure": Term(
        exposure_share,
        ("score", "valid", "exposure", "sector"),
        "Share of the scores' variance that the day's exposures and sectors explain: teaches to hedge.",
        {"ridge": "exposure_ridge"},
    ),
    "scale_floor": Term(
        scale_floor,
        ("score", "target", "valid"),
        "Penalty while the scores spread less than a fraction of the targets: keeps a collapse from "
        "settling.",
        {"floor": "scale_floor"},
        hinge=True,
    ),
}


def find_term(name: str) -> Term:
    """Find a term by its name in the YAML.

    Raises:
        InputError: there is none of that name; the message lists the known ones.
    """
    if name not in TERMS:
        hint = nearest(name, TERMS)
        known = "" if "known" in hint else f"; known: {', '.join(sorted(TERMS))}"
        raise InputError(f"objective.terms has no term {name!r}{hint}{known}")
    return TERMS[name]
