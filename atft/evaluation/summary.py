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

from atft.day_series import Series, mean, mean_over_std
from atft.day_statistics import RANKING_METRICS, MeasuredDays, RankingMetric, day_statistics, measure_days
from atft.evaluation.day_measures import without_thin_days
from atft.evaluation.newey_west import mean_error, ratio_error
from atft.evaluation.predictions import HorizonScores, Mask, Scores, prediction_horizons, read_horizon

DAYS_AT_ONCE = 64
Metrics = Mapping[str, RankingMetric]
"""By name: ours, or a run's with those of the user's own."""
ERRORS: dict[Callable[[Series], float], Callable[[Series, int], float]] = {
    mean: mean_error,
    mean_over_std: ratio_error,
}
"""The standard error of each way to make a figure of days."""


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
    """By the names of the metrics: `atft.day_statistics.RANKING_METRICS`, and those of the user's own."""


def score_days(
    score: Scores,
    target: Scores,
    valid: Mask,
    min_stocks: int = 2,
    metrics: Metrics = RANKING_METRICS,
    skip_unscored: bool = False,
) -> tuple[MeasuredDays, int]:
    """Measure each day's cross-section, and count the days left out, since too few targets are known.

    Rows count that are ``valid`` and whose target, the raw forward return, is known. A day with a NaN score among
    them is lost; with ``skip_unscored`` it is measured without these rows, where enough others are left.
    """
    known = valid & np.isfinite(target)
    count = known.sum(axis=1)
    thin = (count > 0) & (count < min_stocks)
    known &= ~thin[:, None]
    if skip_unscored:
        known = without_thin_days(known & np.isfinite(score), min_stocks)
    statistics = day_statistics(metrics)
    parts = []
    for first in range(0, max(len(score), 1), DAYS_AT_ONCE):
        days = slice(first, first + DAYS_AT_ONCE)
        scores, targets = (torch.from_numpy(np.array(a[days], dtype=np.float32)) for a in (score, target))
        parts.append(measure_days(scores, targets, torch.from_numpy(known[days]), statistics))
    measured = MeasuredDays(
        {name: torch.cat([part.statistics[name] for part in parts]) for name in statistics},
        torch.cat([part.rankable for part in parts]),
        torch.cat([part.lost for part in parts]),
    )
    return measured, int(thin.sum())


def summarise_scorers(
    scorers: Mapping[str, Scores],
    table: HorizonScores,
    min_stocks: int = 2,
    metrics: Metrics = RANKING_METRICS,
    skip_unscored: bool = False,
) -> list[SummaryRow]:
    """Measure several scorers on the rows of one horizon with a trade at the day's close, then one a close later.

    All figures are NaN without a rankable day, or where more than 5 % of them are lost. Days with fewer than
    ``min_stocks`` known targets are left out. ``skip_unscored``: see `score_days`.
    """
    rows = []
    for scorer, score in scorers.items():
        for lag, target in enumerate(("target", "target_lag1")):
            if target in table.columns:
                days, thin = score_days(
                    score, table.columns[target], table.present, min_stocks, metrics, skip_unscored
                )
                ranked = int((days.rankable & ~days.lost).sum())
                figures = estimate_figures(days.counted(), table.horizon, metrics)
                rows.append(SummaryRow(scorer, table.horizon, lag, ranked, thin, figures))
    return rows


def summarise_predictions(
    path: str | Path,
    split: str | None = None,
    min_stocks: int = 2,
    metrics: Metrics = RANKING_METRICS,
) -> list[SummaryRow]:
    """Measure a predictions file, or one split of it: the network, and the oracle of a simulated market."""
    rows = []
    for horizon in prediction_horizons(path):
        table = read_horizon(path, horizon, split)
        scorers = {"network": table.columns["score"]}
        if "oracle" in table.columns:
            scorers["oracle"] = table.columns["oracle"]
        rows += summarise_scorers(scorers, table, min_stocks, metrics)
    return rows


def estimate_figures(
    days: Mapping[str, Series], horizon: int, metrics: Metrics = RANKING_METRICS
) -> dict[str, Estimate]:
    """Make the figures of a run of each day's statistics, by the names of the metrics; NaN without a known day."""
    figures = {}
    for name, metric in metrics.items():
        error = ERRORS[metric.over_days](days[metric.statistic.__name__], horizon - 1)
        figures[name] = Estimate(metric.value(days, horizon), error * metric.factor(horizon))
    return figures
