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
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from atft.metrics.interval_ends import level_pairs

ROUNDING = 1e-9
"""Of a sum of days' weights."""


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
        # Rows that do not count stay, as NaN: leaving them out here would make the CPU wait for a GPU.
        self.score.append(scores.flatten(0, 1))
        self.day.append(day[:, None].expand(valid.shape[:2]).flatten())

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
