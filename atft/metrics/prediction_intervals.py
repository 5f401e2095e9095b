r"""Intervals of the quantile heads, made wider or narrower until they covered the validation days: split conformal.

Conformalised quantile regression (Romano, Patterson and Candes 2019) moves both ends of an interval outwards by
one number :math:`Q`, the level's quantile of :math:`\max(q_{low} - y, y - q_{high})` over the validation rows.
Stocks of one day share its news and are not exchangeable, so a **day** is the unit: each of the K days weighs
:math:`1 / (K + 1)`, whatever its number of stocks, and the rest of the weight is at infinity (hierarchical
conformal prediction: Dunn, Wasserman and Ramdas 2023; Lee, Barber and Willett 2023).

What that guarantees: were a new day exchangeable with the validation days, a stock drawn from it would be inside
with at least the interval's level. What it does not: days are a time series. A market that changes, or days whose
labels overlap, may be covered less or more; an evaluation measures the share that was covered, by period.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from atft.errors import InputError

ROUNDING = 1e-9
"""Of a sum of days' weights."""


class LevelPair(NamedTuple):
    """Two levels of the quantile heads, the ends of an interval."""

    low: int
    high: int
    level: float
    """Share of the targets that the interval is to cover: the difference of its ends' levels."""

    @property
    def percent(self) -> str:
        """The level as columns name it: ``80``."""
        return f"{round(100 * self.level):02d}"


def level_pairs(levels: Sequence[float]) -> list[LevelPair]:
    """Pair the lowest level with the highest, the next with the next: intervals from the widest to the narrowest.

    A middle level has no pair; fewer than two levels have no interval.
    """
    last = len(levels) - 1
    return [LevelPair(i, last - i, levels[last - i] - levels[i]) for i in range((last + 1) // 2)]


def conformal_width(scores: Float[Tensor, " rows"], day: Int[Tensor, " rows"], level: float) -> float:
    r"""Find what moves both ends of an interval outwards so that it covers its share of the days.

    The smallest s with :math:`\frac{1}{K + 1} \sum_k F_k(s) \ge level`, where :math:`F_k(s)` is the share of day
    k's scores that are at most s. Negative where the interval was too wide.

    Args:
        scores: ``max(low - y, y - high)`` of each row: how far its target is outside; negative inside.
        day: which day each row is of, any numbers.
        level: share to cover, in (0, 1).

    Returns:
        In the unit of the scores; infinite with fewer than ``level / (1 - level)`` days, which cannot show it.
    """
    if not len(scores):
        return math.inf
    _, index, stocks = np.unique(day.numpy(), return_inverse=True, return_counts=True)
    rows_of_day = torch.from_numpy(stocks[index]).double()
    order = scores.argsort()
    covered = (1 / rows_of_day[order]).cumsum(0) / (len(stocks) + 1)
    enough = (covered >= level - ROUNDING).nonzero()
    return float(scores[order][enough[0, 0]]) if len(enough) else math.inf


class ConformalWidths(Metric):
    """How much the intervals of quantile heads have to be widened, by horizon; exact over devices.

    Memory is 4 bytes a row, horizon and interval: 3 MB for 250 days of 1,000 stocks, 3 horizons and an interval.

    Args:
        horizons: trading days ahead, in the order of the quantiles' axis.
        levels: of the quantile heads, ascending.
    """

    full_state_update = False
    score: list[Tensor]
    day: list[Tensor]

    def __init__(self, horizons: Sequence[int], levels: Sequence[float]) -> None:
        super().__init__()
        self.horizons, self.pairs = tuple(horizons), level_pairs(levels)
        self.add_state("score", default=[], dist_reduce_fx="cat")
        self.add_state("day", default=[], dist_reduce_fx="cat")

    def update(
        self,
        quantiles: Float[Tensor, "days stocks horizons levels"],
        target: Float[Tensor, "days stocks horizons"],
        valid: Bool[Tensor, "days stocks horizons"],
        day: Int[Tensor, " days"],
    ) -> None:
        """Add a block of days. A day that comes again weighs as one day.

        Args:
            quantiles: ascending along the last axis.
            target: in the unit of the quantiles; anything where invalid.
            valid: rows that count.
            day: index of each day on the calendar.
        """
        outside = [
            torch.maximum(quantiles[..., pair.low] - target, target - quantiles[..., pair.high])
            for pair in self.pairs
        ]
        if not outside:
            return
        scores = torch.where(valid[..., None], torch.stack(outside, dim=-1), torch.nan)
        rows = valid.any(-1)
        self.score.append(scores[rows])
        self.day.append(day[:, None].expand(rows.shape)[rows])

    def compute(self) -> dict[int, list[float]]:
        """The width of each horizon and interval, the widest interval first; empty where nothing was added."""
        if not len(self.score):
            return {}
        scores, day = dim_zero_cat(self.score).cpu(), dim_zero_cat(self.day).cpu()
        widths: dict[int, list[float]] = {}
        for i, horizon in enumerate(self.horizons):
            known = ~scores[:, i, 0].isnan()
            of_day = day[known]
            widths[horizon] = [
                conformal_width(scores[known, i, p], of_day, pair.level) for p, pair in enumerate(self.pairs)
            ]
        return widths


def known_widths(
    content: Mapping[str, Any], horizons: Sequence[int], levels: Sequence[float]
) -> dict[int, list[float]]:
    """Read the widths that a checkpoint carries, by horizon; empty where it carries none.

    Args:
        content: by horizon as text, in the order of the horizons.
        horizons: of the network.
        levels: of its quantile heads.

    Raises:
        InputError: they are of other horizons or intervals, or are no numbers.
    """
    intervals = len(level_pairs(levels))
    fits = not content or list(content) == [str(horizon) for horizon in horizons]
    for widths in content.values():
        numbers = all(isinstance(width, float) and not math.isnan(width) for width in widths)
        fits = fits and numbers and len(widths) == intervals
    if not fits:
        raise InputError(
            f"checkpoint: its widths of intervals are not those of horizons {', '.join(map(str, horizons))} and of "
            f"{intervals} intervals; name another checkpoint"
        )
    return {int(horizon): list(widths) for horizon, widths in content.items()}


def calibrated_intervals(
    quantiles: Float[Tensor, "*rows horizons levels"],
    widths: Mapping[int, Sequence[float]],
    pairs: Sequence[LevelPair],
) -> Float[Tensor, "*rows horizons intervals 2"]:
    """Move the ends of each interval outwards by its width, and nest the intervals.

    Ends that would cross meet in the middle, and an interval reaches at least as far as the narrower ones: both
    only widen it, so that what it covers is not less.

    Args:
        quantiles: of the heads, ascending along the last axis.
        widths: of each horizon, ascending, as `ConformalWidths` gives them.
        pairs: of the heads' levels, the widest first.

    Returns:
        Low and high end, in the unit of the quantiles.
    """
    wider = quantiles.new_tensor([list(widths[horizon]) for horizon in sorted(widths)])
    ends: list[Tensor] = []
    for i in reversed(range(len(pairs))):
        low, high = quantiles[..., pairs[i].low], quantiles[..., pairs[i].high]
        middle = (low + high) / 2
        low, high = torch.minimum(low - wider[:, i], middle), torch.maximum(high + wider[:, i], middle)
        if ends:
            low, high = torch.minimum(low, ends[-1][..., 0]), torch.maximum(high, ends[-1][..., 1])
        ends.append(torch.stack((low, high), dim=-1))
    return torch.stack(ends[::-1], dim=-2)
