"""From scores and targets to the figures of a report, each with its standard error.

A scorer is anything that gives ``[days, stocks]`` scores: the network, a baseline, the oracle of a simulated
market. All are measured on the same rows by the functions that training uses, at lag 0 and, where the file
knows the delayed target, at lag 1.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from atft.day_statistics import (
    RANKING_METRICS,
    Series,
    counted_days,
    day_statistics,
    mean,
    mean_over_std,
    measure_days,
)
from atft.evaluation.newey_west import mean_error, ratio_error
from atft.evaluation.predictions import prediction_horizons, read_horizon

DAYS_AT_ONCE = 64
ERRORS: dict[Callable[[Series], float], Callable[[Series, int], float]] = {
    mean: mean_error,
    mean_over_std: ratio_error,
}
"""The standard error of each way to make a figure of days."""


@dataclass(frozen=True)
class DayScores:
    """One scorer's statistics of each day at one horizon."""

    horizon: int
    statistics: dict[str, Series]
    """``[days]`` by name, see `atft.day_statistics`; NaN where a day cannot be ranked."""
    rankable: NDArray[np.bool_]
    """``[days]``; at least two valid stocks with unequal targets."""
    lost: NDArray[np.bool_]
    """``[days]``; rankable, but the scores are all equal or not finite."""
    thin: NDArray[np.bool_]
    """``[days]``; left out, since too few stocks have a known target."""


class Estimate(NamedTuple):
    """A figure and its Newey-West standard error with ``horizon - 1`` lags."""

    value: float
    error: float


@dataclass(frozen=True)
class SummaryRow:
    """One scorer at one horizon and lag."""

    scorer: str
    horizon: int
    lag: int
    days: int
    """Days that were ranked."""
    thin_days: int
    """Days left out, since too few stocks had a known target."""
    figures: dict[str, Estimate]
    """By the names of `atft.day_statistics.RANKING_METRICS`."""


def score_days(
    score: NDArray[np.floating],
    target: NDArray[np.floating],
    valid: NDArray[np.bool_],
    horizon: int,
    min_stocks: int = 2,
) -> DayScores:
    """Measure each day's cross-section.

    Args:
        score: ``[days, stocks]``; any unit, higher is better.
        target: ``[days, stocks]``; raw forward returns, fractions.
        valid: ``[days, stocks]``; rows to count. Unknown targets are left out whatever it says.
        horizon: trading days ahead.
        min_stocks: days with fewer known targets are left out.
    """
    known = valid & np.isfinite(target)
    count = known.sum(axis=1)
    thin = (count > 0) & (count < min_stocks)
    known &= ~thin[:, None]
    statistics = day_statistics()
    parts = [np.zeros((len(statistics) + 2, 0))]
    for first in range(0, len(score), DAYS_AT_ONCE):
        days = slice(first, first + DAYS_AT_ONCE)
        scores, targets = (torch.from_numpy(np.array(a[days], dtype=np.float32)) for a in (score, target))
        measured = measure_days(scores, targets, torch.from_numpy(known[days]), statistics)
        columns = [*measured.statistics.values(), measured.rankable, measured.lost]
        parts.append(torch.stack([c.double() for c in columns]).numpy())
    *series, rankable, lost = np.concatenate(parts, axis=1)
    return DayScores(horizon, dict(zip(statistics, series, strict=True)), rankable > 0, lost > 0, thin)


def summarise(days: DayScores, scorer: str, lag: int = 0) -> SummaryRow:
    """Reduce days to figures; all NaN without a rankable day, or where more than 5 % of them are lost."""
    counted = counted_days(days.statistics, days.rankable, days.lost)
    figures = {}
    for name, metric in RANKING_METRICS.items():
        error = ERRORS[metric.over_days](counted[metric.statistic.__name__], days.horizon - 1)
        figures[name] = Estimate(metric.value(counted, days.horizon), error * metric.factor(days.horizon))
    ranked = int((days.rankable & ~days.lost).sum())
    return SummaryRow(scorer, days.horizon, lag, ranked, int(days.thin.sum()), figures)


def summarise_scorers(
    scorers: Mapping[str, NDArray[np.floating]],
    target: NDArray[np.floating],
    valid: NDArray[np.bool_],
    horizon: int,
    delayed_target: NDArray[np.floating] | None = None,
    min_stocks: int = 2,
) -> list[SummaryRow]:
    """Measure several scorers on the same rows of one horizon.

    Args:
        scorers: name -> ``[days, stocks]`` scores.
        target: ``[days, stocks]``; forward returns of a trade at the day's close.
        valid: ``[days, stocks]``; rows to count.
        horizon: trading days ahead.
        delayed_target: the same for a trade that waits one more close; adds rows of lag 1.
        min_stocks: days with fewer known targets are left out.

    Returns:
        Rows in the order of the scorers, lag 0 before lag 1.
    """
    targets = {0: target} if delayed_target is None else {0: target, 1: delayed_target}
    return [
        summarise(score_days(score, known, valid, horizon, min_stocks), name, lag)
        for name, score in scorers.items()
        for lag, known in targets.items()
    ]


def summarise_predictions(
    path: str | Path, split: str | None = None, min_stocks: int = 2
) -> list[SummaryRow]:
    """Measure a predictions file: the network, and the oracle where the market is simulated.

    Args:
        path: a predictions file.
        split: only rows of this split; null takes all.
        min_stocks: days with fewer known targets are left out.

    Raises:
        InputError: the file cannot be used; see `atft.evaluation.predictions`.
    """
    rows: list[SummaryRow] = []
    for horizon in prediction_horizons(path):
        table = read_horizon(path, horizon, split)
        scorers = {"network": table.columns["score"]}
        if "oracle" in table.columns:
            scorers["oracle"] = table.columns["oracle"]
        delayed = table.columns.get("target_lag1")
        target = table.columns["target"]
        rows += summarise_scorers(scorers, target, table.present, horizon, delayed, min_stocks)
    return rows
