"""One table of the metrics of a ranking: a number per day, and how a run's days become its figure.

The training metrics and the evaluation both read `RANKING_METRICS`, so a new metric is a function of a day's
cross-section and a row here. A day is rankable when it has at least two valid stocks with unequal targets, and
lost when it is rankable but its scores are constant or not finite. Up to 5 % of lost days are left out; of a
run with more, every figure is NaN, since the mean over the other days would flatter it.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from atft.cross_section import (
    PerDay,
    PerStock,
    StockMask,
    decile_spread,
    hit_rate,
    is_constant,
    known_values,
    pearson,
    spearman,
)
from atft.day_series import MAX_LOST_SHARE, Series, annual_factor, mean, mean_over_std
from atft.shared_results import sharing_results

Statistic = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Function of score, target and valid, ``[*batch, stocks]`` each, to one number per cross-section."""


class RankingMetric(NamedTuple):
    """A figure of a run."""

    statistic: Statistic
    """Measures each day."""
    over_days: Callable[[Series], float] = mean
    """Makes one figure of the days: `mean` or `mean_over_std`."""
    heading: str = ""
    """Column of the comparison table; without one the figure is in the files only."""
    digits: int = 4
    """Decimals in that column."""
    annualised: bool = False
    """Multiplied by the square root of the trades in a year: 252 days over the horizon."""

    def factor(self, horizon: int) -> float:
        """What the figure of the days, and its error, is multiplied by."""
        return annual_factor(horizon) if self.annualised else 1.0

    def value(self, days: Mapping[str, Series], horizon: int) -> float:
        """The figure of days measured at one horizon; see `MeasuredDays.counted`."""
        return self.over_days(days[self.statistic.__name__]) * self.factor(horizon)


RANKING_METRICS = {
    "rank_ic": RankingMetric(spearman, mean, "RankIC"),
    "ic": RankingMetric(pearson, mean, "IC"),
    "rank_icir": RankingMetric(spearman, mean_over_std, "RankICIR", 2),
    "icir": RankingMetric(pearson, mean_over_std),
    "sharpe": RankingMetric(decile_spread, mean_over_std, "Sharpe", 3),
    "sharpe_annual": RankingMetric(decile_spread, mean_over_std, "annualised Sharpe", 2, annualised=True),
    "hit_rate": RankingMetric(hit_rate),
}
"""The columns of the comparison table are in this order."""


def day_statistics(metrics: Mapping[str, RankingMetric] = RANKING_METRICS) -> dict[str, Statistic]:
    """The functions that metrics are made of, by their names."""
    return {metric.statistic.__name__: metric.statistic for metric in metrics.values()}


class MeasuredDays(NamedTuple):
    """What is known of each cross-section."""

    statistics: dict[str, PerDay]
    """By the function's name; NaN where the day is not rankable or the statistic is not defined."""
    rankable: Bool[Tensor, "*batch"]
    lost: Bool[Tensor, "*batch"]

    def counted(self) -> dict[str, Series]:
        """The days that a run's figures are made of: all NaN where more than 5 % of the rankable days are lost."""
        few_lost = int(self.lost.sum()) <= MAX_LOST_SHARE * int(self.rankable.sum())
        series = {name: values.double().cpu().numpy() for name, values in self.statistics.items()}
        return series if few_lost else {name: np.full_like(s, np.nan) for name, s in series.items()}


def measure_days(
    score: PerStock, target: PerStock, valid: StockMask, statistics: Mapping[str, Statistic]
) -> MeasuredDays:
    """Measure each day's cross-section of scores and raw forward returns; see `PerStock` and `StockMask`."""
    with sharing_results():
        # Elsewhere an epoch has the network's scores and the predictions NaN: a statistic is the same for both.
        score, target = known_values(score, valid), known_values(target, valid)
        rankable = ~is_constant(target, valid)
        lost = rankable & (is_constant(score, valid) | score.isnan().any(-1))
        values = {name: statistic(score, target, valid) for name, statistic in statistics.items()}
    return MeasuredDays({n: torch.where(rankable, v, torch.nan) for n, v in values.items()}, rankable, lost)
