"""What the scores are compared with: the day's forward returns, transformed across its valid stocks.

Raw returns have fat tails, so a few stocks of a day decide the loss; ``rank_normal``, the default, gives every
stock the same influence and every day the same scale; ``rank`` does too, and weighs the tails less than
``rank_normal``. Portfolio terms read raw returns whatever is chosen here.
"""

from collections.abc import Callable

from torch import Tensor, where

from atft.cross_section import rank_normal, rank_uniform, winsorise, zscore
from atft.errors import InputError, nearest


def raw(target: Tensor, valid: Tensor) -> Tensor:
    """Leave the returns as they are, fractions; 0 where invalid."""
    return where(valid, target, 0)


def winsorised(target: Tensor, valid: Tensor) -> Tensor:
    """Clip the day's outer 1 % of each tail, then z-score; 0 where invalid."""
    return zscore(winsorise(target, valid, limit=0.01), valid)


TARGETS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "raw": raw,
    "winsorised": winsorised,
    "zscore": zscore,
    "rank": rank_uniform,
    "rank_normal": rank_normal,
}
"""Transform by its name in the YAML, each ``[*batch, stocks] -> [*batch, stocks]`` with 0 where invalid."""


def target_transform(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    """Find a target transform by name."""
    if name not in TARGETS:
        raise InputError(f"model.objective.target {name!r} is not known{nearest(name, TARGETS)}")
    return TARGETS[name]
