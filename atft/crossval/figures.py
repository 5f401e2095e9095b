"""Measure the runs of a cross-validation: each fold and seed, each seed over all folds, the mean rank of the seeds.

All is made of one number a day and run. Over all folds a day counts once, as the mean over the folds that test it:
combinatorial folds test each day several times, and a day that counted twice would make errors too small.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import nan, sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atft.crossval.plan import FoldRun
from atft.day_series import Series
from atft.day_statistics import RANKING_METRICS
from atft.errors import InputError
from atft.evaluation.predictions import HorizonScores, Scores, prediction_horizons, read_horizon
from atft.evaluation.rank_blend import mean_rank
from atft.evaluation.summary import Estimate, Metrics, SummaryRow, estimate_figures, score_days

MEAN_RANK = "mean rank"
"""In place of a seed: the mean rank of the day over all seeds, an ensemble."""


@dataclass(frozen=True)
class RunDays:
    """Each day's figures of one run, or of the mean rank over the seeds, on the scored days of one fold or all."""

    fold: int | None
    """None over all folds, and of the plain split."""
    seed: int | str
    """A seed, or `MEAN_RANK`."""
    horizon: int
    lag: int
    dates: NDArray[Any]
    """datetime64[D] ``[days]``, ascending."""
    days: Mapping[str, Series]
    """Statistic -> ``[days]``, NaN where a day cannot be ranked."""
    thin_days: int

    def row(self, scorer: str, metrics: Metrics = RANKING_METRICS) -> SummaryRow:
        """The figures of these days, under a name."""
        ranked = int(np.isfinite(self.days["spearman"]).sum())
        figures = estimate_figures(self.days, self.horizon, metrics)
        return SummaryRow(scorer, self.horizon, self.lag, ranked, self.thin_days, figures)


def measure_runs(
    files: Mapping[FoldRun, Path],
    split: str,
    min_stocks: Mapping[int | None, int],
    metrics: Metrics,
    until_known: Callable[[HorizonScores], HorizonScores] = lambda table: table,
) -> list[RunDays]:
    """Measure each run's test or val predictions, and the mean rank over the seeds of each fold with several.

    Args:
        min_stocks: by fold, the known targets below which a day does not count.
        until_known: a table without the returns that must not count, as `atft.runs.comparison.trades_until_known`.

    Raises:
        InputError: a file cannot be used, or the seeds of a fold scored other days or stocks.
    """
    measured = []
    for fold in dict.fromkeys(run.fold for run in files):
        runs = [run for run in files if run.fold == fold]
        for horizon in prediction_horizons(files[runs[0]]):
            table = until_known(read_horizon(files[runs[0]], horizon, split))
            scores: dict[int | str, Scores] = {run.seed: _scores_on(files[run], split, table) for run in runs}
            if len(runs) > 1:
                scores[MEAN_RANK] = mean_rank(list(scores.values()), table.present)
            for seed, score in scores.items():
                for lag, target in enumerate(("target", "target_lag1")):
                    if target in table.columns:
                        days, thin = score_days(
                            score, table.columns[target], table.present, min_stocks[fold], metrics
                        )
                        measured.append(RunDays(fold, seed, horizon, lag, table.dates, days.counted(), thin))
    return measured


def _scores_on(path: Path, split: str, table: HorizonScores) -> Scores:
    """Scores of a file on the days and stocks of another one of the same fold."""
    other = read_horizon(path, table.horizon, split, ("score",))
    same = other.codes == table.codes and np.array_equal(other.dates, table.dates)
    if not same or not np.array_equal(other.present, table.present):
        raise InputError(f"{path}: other rows than the fold's first seed; the panel has changed, train again")
    return other.columns["score"]


def over_folds(parts: Sequence[RunDays]) -> RunDays:
    """Join the days of several folds, of one seed, horizon and lag; a day of several folds is their mean."""
    dates, day_of = np.unique(np.concatenate([part.dates for part in parts]), return_inverse=True)
    days = {}
    for name in parts[0].days:
        values = np.concatenate([part.days[name] for part in parts])
        known = np.isfinite(values)
        total = np.bincount(day_of, np.where(known, values, 0), len(dates))
        count = np.bincount(day_of[known], minlength=len(dates))
        days[name] = np.where(count > 0, total / np.maximum(count, 1), nan)
    first, thin = parts[0], sum(part.thin_days for part in parts)
    return RunDays(None, first.seed, first.horizon, first.lag, dates, days, thin)


def mean_row(scorer: str, rows: Sequence[SummaryRow]) -> SummaryRow:
    """The mean of several runs of the same days, with the mean of their errors: what a single one of them has."""
    return _combined(scorer, rows, lambda values, errors: (values.mean(), errors.mean()), rows[0].days)


def row_over_folds(scorer: str, rows: Sequence[SummaryRow], folds_a_day: float = 1.0) -> SummaryRow:
    r"""The mean over folds with its standard error, NaN of one fold.

    Of C folds that test each day once it is that of a mean of C draws. Combinatorial folds share test days, so they
    differ less than their mean errs: where each day is in m folds, :math:`s / \sqrt C` is multiplied by
    :math:`\sqrt{m (C - 1) / (C - m)}`, which makes it that of a mean over the parts that folds are made of.
    """

    def mean(values: Series, _: Series) -> tuple[float, float]:
        folds = len(values)
        shared = sqrt(folds_a_day * (folds - 1) / (folds - folds_a_day)) if folds > 1 else nan
        return values.mean(), shared * standard_error(values)

    return _combined(scorer, rows, mean, round(sum(row.days for row in rows) / folds_a_day))


def folds_a_day(parts: Sequence[RunDays]) -> float:
    """How many folds test a day, the mean over days; ``parts`` are the folds of one seed, horizon and lag."""
    dates = np.concatenate([part.dates for part in parts])
    return len(dates) / len(np.unique(dates))


def row_between_seeds(scorer: str, rows: Sequence[SummaryRow]) -> SummaryRow:
    """The standard deviation of a figure between seeds, with its own standard error, s / sqrt(2 (n - 1))."""

    def deviation(values: Series, _: Series) -> tuple[float, float]:
        std = float(values.std(ddof=1)) if len(values) > 1 else nan
        return std, std / sqrt(2 * max(len(values) - 1, 1))

    return _combined(scorer, rows, deviation, rows[0].days)


def standard_error(values: Series) -> float:
    """Sample standard deviation over the root of their number; NaN of fewer than two."""
    return float(values.std(ddof=1) / sqrt(len(values))) if len(values) > 1 else nan


def _combined(
    scorer: str,
    rows: Sequence[SummaryRow],
    combine: Callable[[Series, Series], tuple[float, float]],
    days: int,
) -> SummaryRow:
    first = rows[0]
    figures = {}
    for name in first.figures:
        values, errors = (np.array([row.figures[name][i] for row in rows]) for i in (0, 1))
        value, error = combine(values, errors)
        figures[name] = Estimate(float(value), float(error))
    return SummaryRow(scorer, first.horizon, first.lag, days, max(r.thin_days for r in rows), figures)
