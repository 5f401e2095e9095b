"""The table of terms: the name in the YAML, the function, and the tensors it reads.

Adding a term is one pure function ``[*batch, stocks] -> [*batch]`` and one row here; the objective hands it
exactly what its row names. Its options are the function's own keyword arguments, set beside its weight:
``terms: {ic: 0.3, ndcg: {weight: 0.1, temperature: 0.2}}``.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from inspect import Parameter, signature

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
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Least and largest value of an option; one that is not named must be above 0."""
    kept: Mapping[str, float] = field(default_factory=dict)
    """Options of what the objective keeps between blocks for the term, with their defaults."""
    hinge: bool = False
    """The term is 0, without a gradient, while all is well: it is never dead."""

    @property
    def arguments(self) -> dict[str, float]:
        """The function's options with their defaults."""
        parameters = signature(self.function).parameters.values()
        return {p.name: p.default for p in parameters if p.default is not Parameter.empty}


_RANK_IC = Term(
    rank_ic_loss,
    ("score", "target", "valid"),
    "One minus the soft Spearman correlation across the day: teaches the order, all stocks alike.",
    {"anchors": (2, math.inf)},
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
    ),
    "listnet": Term(
        listnet,
        ("score", "target", "valid"),
        "Divergence from the softmax of the day's best targets: teaches who belongs to the top.",
        {"top": (0, 1)},
    ),
    "ndcg": Term(
        ndcg,
        ("score", "target", "valid"),
        "One minus the soft discounted cumulative gain of the day's list, on a correlation's scale: teaches the "
        "order, the list's first places most.",
        {"anchors": (2, math.inf)},
    ),
    "sharpe": Term(
        sharpe_loss,
        ("score", "realised", "valid", "return_mean", "return_square"),
        "Minus the day's effect on the running Sharpe ratio of a dollar-neutral book, on an IC's scale: "
        "teaches what pays.",
        kept={"half_life_days": 250.0},
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
    ),
    "scale_floor": Term(
        scale_floor,
        ("score", "target", "valid"),
        "Penalty while the scores spread less than a fraction of the targets: keeps a collapse from "
        "settling.",
        hinge=True,
    ),
}


def find_term(name: str) -> Term:
    """Find a term by its name in the YAML.

    Raises:
        InputError: there is none of that name; the message names the nearest, or some that there are.
    """
    if name not in TERMS:
        raise InputError(f"objective.terms has no term {name!r:.60}{nearest(name, TERMS)}")
    return TERMS[name]


def weights_of(terms: Mapping[str, float | Mapping[str, float]]) -> dict[str, float]:
    """The weight of each term, by name, of settings as they stand in the YAML.

    Raises:
        InputError: there is no term of a name, or its setting has no weight.
    """
    weights = {}
    for name, setting in terms.items():
        find_term(name)
        if isinstance(setting, Mapping) and "weight" not in setting:
            raise InputError(
                f"objective.terms.{name} needs a weight beside {', '.join(setting) or 'nothing'}"
            )
        weights[name] = float(setting["weight"] if isinstance(setting, Mapping) else setting)
    return weights


def options_of(name: str, setting: float | Mapping[str, float]) -> dict[str, float]:
    """All options of a term, defaults filled in: those of its function and those of what is kept for it.

    Args:
        name: in the table.
        setting: its weight, or its weight and options by name.

    Raises:
        InputError: the term has no option of a name, or a value out of range.
    """
    row = find_term(name)
    options = {**row.arguments, **row.kept}
    for option, value in setting.items() if isinstance(setting, Mapping) else ():
        if option == "weight":
            continue
        place = f"objective.terms.{name}.{option}"
        if option not in options:
            raise InputError(f"{place}: the term has no such option{nearest(option, ['weight', *options])}")
        whole = isinstance(options[option], int)
        if whole and value % 1:
            raise InputError(f"{place} must be a whole number, got {value}")
        least, most = row.bounds.get(option, (0, math.inf))
        if not (math.isfinite(value) and value > 0 and least <= value <= most):
            limits = f"above {least}" if least == 0 else f"at least {least}"
            raise InputError(
                f"{place} must be {limits}{f' and at most {most}' * (most < math.inf)}, got {value}"
            )
        options[option] = int(value) if whole else float(value)
    return options
