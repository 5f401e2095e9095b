"""The table of terms: the name in the YAML, the function, and the tensors and options it reads.

Adding a term is one pure function ``[*batch, stocks] -> [*batch]`` and one row here; the objective hands it
exactly what its row names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from atft.errors import InputError, nearest
from atft.losses.correlation import ic_loss, rank_ic_loss
from atft.losses.pointwise import huber
from atft.losses.portfolio import sharpe_loss

READABLE = {
    "score": "network output, [days, horizons, stocks]",
    "target": "transformed forward return, [days, horizons, stocks]",
    "realised": "raw forward return, a fraction, [days, horizons, stocks]",
    "valid": "stocks to count, [days, horizons, stocks]",
    "earned": "the score's own book return, a fraction, without a gradient, [days, horizons]",
    "return_mean": "running mean of the score's book return, [1, horizons]",
    "return_square": "running mean of its square, [1, horizons]",
}
"""The tensors that a term may name, as the objective provides them."""


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


TERMS: dict[str, Term] = {
    "huber": Term(
        huber,
        ("score", "target", "valid"),
        "Distance of score and transformed target: teaches scale and level.",
        {"delta": "huber_delta"},
    ),
    "ic": Term(
        ic_loss,
        ("score", "target", "valid"),
        "One minus the Pearson correlation across the day: teaches the order, large returns most.",
    ),
    "rank_ic": Term(
        rank_ic_loss,
        ("score", "target", "valid"),
        "One minus the soft Spearman correlation across the day: teaches the order, all stocks alike.",
        {"anchors": "anchors", "temperature": "temperature"},
    ),
    "sharpe": Term(
        sharpe_loss,
        ("score", "realised", "valid", "return_mean", "return_square"),
        "Minus the day's effect on the running Sharpe ratio of a dollar-neutral book, on an IC's scale: "
        "teaches what pays.",
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
