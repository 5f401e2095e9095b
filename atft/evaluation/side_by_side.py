"""Several predictions files on the rows that all of them have, beside their blend, null controls and chance.

A difference between two scorers says something only on the same stocks and days, with the same returns. So the
rows that all files score are measured, the others are counted, and all intervals of a horizon are of the same drawn
days. One horizon at a time is dense.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from atft.day_series import MAX_LOST_SHARE, Series, annual_factor
from atft.errors import InputError, counted, listed, nearest
from atft.evaluation.common_rows import common_rows
from atft.evaluation.day_measures import measure_scores, measure_table, without_thin_days
from atft.evaluation.intervals import Interval, block_length, intervals, ratio_intervals
from atft.evaluation.missing_days import missing_day_warnings
from atft.evaluation.null_controls import (
    CONTROL_MEASURES,
    CONTROLS,
    Band,
    control_scores,
    verdicts,
)
from atft.evaluation.options import MAX_DRAWS, check_horizon
from atft.evaluation.paired import PAIRED_FIGURES, PairedDifference, best_baseline, paired_differences
from atft.evaluation.predictions import HorizonScores, Scores
from atft.evaluation.random_scores import random_band
from atft.evaluation.rank_blend import mean_rank
from atft.evaluation.score_rows import ScoreRows, dense_horizon, read_scores
from atft.evaluation.target_checks import target_warnings
from atft.option_types import check_least, check_option_types

BLEND = "blend"
EFFECTS = CONTROLS[2:]
"""Controls that rank by a known effect: the best of them is a baseline."""
LAGS = {0: "target", 1: "target_lag1"}
"""Closes between a score and the trade -> the column with that trade's return."""
Measured = dict[tuple[str, int], dict[str, Series]]
"""(scorer, lag) -> measure -> one value a day."""


@dataclass(frozen=True)
class CompareOptions:
    """What of the files is compared, and how.

    Args:
        split: compare rows of this split; default: those of ``test`` if a file has it, else all rows.
        horizon: compare rows of this horizon, in trading days; in a file without that column, the horizon of its
            rows. Default: all that the files share; 1 without the column.
        blend: add the mean rank of all files as a scorer.
        baselines: files that are baselines, by their names in the tables: a list such as [ridge, trees].
        min_stocks: a day with fewer known targets does not count.
        draws: number of bootstrap samples.
        seed: seed of the bootstrap and of the random controls.
    """

    split: str | None = None
    horizon: int | None = None
    blend: bool = True
    baselines: list[str] = field(default_factory=list)
    min_stocks: int = 20
    draws: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        check_option_types("compare", self)
        check_least("", self, min_stocks=2, seed=0)
        check_least("", self, MAX_DRAWS, draws=2)
        check_horizon(self.horizon)


@dataclass(frozen=True)
class ComparedScorer:
    """One scorer at one horizon and lag."""

    scorer: str
    lag: int
    days: int
    """Days that were ranked."""
    figures: dict[str, Interval]
    """``rank_ic``, ``ic``, ``spread`` (a fraction), ``rank_icir``, ``sharpe_annual``."""


@dataclass(frozen=True)
class ComparedHorizon:
    """All scorers of one horizon, on the same rows."""

    horizon: int
    first: str
    last: str
    """Dates, ISO, of the days that all files score."""
    days: int
    rows: int
    """Rows with a score in all files."""
    dropped: dict[str, tuple[int, int]]
    """File -> its rows, and its days, that not all files have."""
    thin_days: int
    """Days left out for fewer than ``min_stocks`` known targets."""
    scorers: list[ComparedScorer]
    """Files in their order, the blend, controls; lag 1 where the files know its returns."""
    bands: dict[int, dict[str, Band]]
    """Lag -> figure -> what random scores reach."""
    differences: dict[tuple[int, str], list[PairedDifference]]
    """(lag, figure) -> each scorer minus the first, and each minus the best baseline; a pair is there once."""
    absent: dict[str, str]
    """Control -> why it is not there."""
    notes: list[str]
    warnings: list[str]


@dataclass(frozen=True)
class SideBySide:
    """Files side by side."""

    files: dict[str, str]
    """Name in the tables -> path."""
    options: CompareOptions
    horizons: list[ComparedHorizon]
    notes: list[str]
    """What was decided for the reader, a sentence each."""
    warnings: list[str]
    """What makes all figures of a file doubtful."""


def compare_files(paths: Mapping[str, Path], options: CompareOptions | None = None) -> SideBySide:
    """Measure files on the rows that all of them have, horizon by horizon.

    Args:
        paths: name -> a file that `atft.evaluation.score_rows.read_scores` reads, with several seeds or overlapping
            folds as their mean rank; the first is what the others are compared with.

    Raises:
        InputError: a file cannot be read, none has the name of a baseline, or there is no horizon, or no row, that
            all files have.
    """
    options = options or CompareOptions()
    for name in options.baselines:
        if name not in paths:
            raise InputError(f"baselines: no file is called {name!r}{nearest(name, paths)}")
    read = {name: read_scores(path, options.split, options.horizon) for name, path in paths.items()}
    notes = [f"{name}: {note}" for name, scores in read.items() for note in scores.notes]
    warnings = [
        f"{name}: trained after days that it scores (causal is false)"
        for name, scores in read.items()
        if scores.causal is False
    ]
    shared = sorted(set.intersection(*(set(scores.horizons) for scores in read.values())))
    if not shared:
        known = "; ".join(f"{name} has {listed(map(str, s.horizons))}" for name, s in read.items())
        raise InputError(f"no horizon is in all files: {known}")
    for name, scores in read.items():
        further = sorted(set(scores.horizons) - set(shared))
        if further:
            notes.append(
                f"{name}: horizons {listed(map(str, further))} are not in all files and are left out"
            )
    horizons = [_compare_horizon(read, horizon, options) for horizon in shared]
    return SideBySide({name: str(path) for name, path in paths.items()}, options, horizons, notes, warnings)


def _compare_horizon(read: Mapping[str, ScoreRows], horizon: int, options: CompareOptions) -> ComparedHorizon:
    table, scores, dropped, notes = common_rows(
        {name: dense_horizon(rows, horizon).table for name, rows in read.items()}
    )
    if options.blend and len(scores) > 1:
        scores[BLEND] = mean_rank(list(scores.values()), table.present)
    controls, absent = control_scores(table, options.seed)
    series, bands, thin, warnings = _measure_all(scores, controls, table, options.min_stocks)
    days = {key: int(np.isfinite(measures["rank_ic"]).sum()) for key, measures in series.items()}
    if not any(days.values()):
        raise InputError(
            f"horizon {horizon}: no common day has {options.min_stocks} stocks with known, unequal targets; "
            f"lower min_stocks"
        )
    warnings += target_warnings(table.columns["target"], table.valid(), horizon)
    warnings += missing_day_warnings(table.dates)
    figures = _figures(series, scores, horizon, options)
    for name in scores:
        measured = figures[name, 0]
        warnings += [
            f"{name}: {sentence}"
            for sentence in verdicts(measured["rank_ic"], bands[0]["rank_ic"], horizon, measured["ic"].value)
        ]
    baselines = [name for name in (*options.baselines, *EFFECTS) if (name, 0) in series]
    best = best_baseline({name: series[name, 0]["rank_ic"] for name in baselines}, baselines)
    # One baseline for all figures of the horizon: the best by RankIC.
    compared = list(dict.fromkeys((*scores, *([best] if best else []))))
    return ComparedHorizon(
        horizon=horizon,
        first=str(table.dates[0]),
        last=str(table.dates[-1]),
        days=len(table.dates),
        rows=int(table.present.sum()),
        dropped=dropped,
        thin_days=thin,
        scorers=[ComparedScorer(*key, days[key], figures[key]) for key in series],
        bands=bands,
        differences={
            (lag, measure): paired_differences(
                {name: series[name, lag][measure] for name in compared},
                horizon - 1,
                [best] if best else [],
                options.draws,
                options.seed,
            )
            for lag in bands
            for measure in PAIRED_FIGURES
        },
        absent=absent,
        notes=notes,
        warnings=warnings,
    )


def _measure_all(
    scores: Mapping[str, Scores], controls: Mapping[str, Scores], table: HorizonScores, min_stocks: int
) -> tuple[Measured, dict[int, dict[str, Band]], int, list[str]]:
    """Measure each day of all scorers at each lag; the band of chance, the days that are too thin, warnings."""
    series: Measured = {}
    bands, warnings, thin = {}, [], 0
    for lag, column in LAGS.items():
        if column not in table.columns:
            continue
        known = table.valid(column)
        number = known.sum(axis=1)
        thin = max(thin, int(((number > 0) & (number < min_stocks)).sum()))
        counts = without_thin_days(known, min_stocks)
        bands[lag] = random_band(table.columns[column], counts, table.horizon)
        target = table.columns[column]
        # A file scores every row; a control that reads history is measured where it has one.
        measured = {
            n: measure_table(score, target, counts, names=CONTROL_MEASURES) for n, score in scores.items()
        }
        measured |= measure_scores(controls, target, counts, CONTROL_MEASURES, min_stocks)
        for name, days in measured.items():
            lost = int(days.lost.sum())
            series[name, lag] = {measure: days.series[measure] for measure in CONTROL_MEASURES}
            if lost > MAX_LOST_SHARE * int(days.rankable.sum()):
                series[name, lag] = {m: np.full(len(counts), np.nan) for m in CONTROL_MEASURES}
                warnings.append(
                    f"{name}, lag {lag}: scores are constant on {counted(lost, 'day')}, so no figure is shown"
                )
    return series, bands, thin, warnings


def _figures(
    series: Measured, scorers: Iterable[str], horizon: int, options: CompareOptions
) -> dict[tuple[str, int], dict[str, Interval]]:
    """Figures of each scorer and lag, all of the same drawn days."""
    flat = {(lag, measure, name): days for (name, lag), of in series.items() for measure, days in of.items()}
    # Blocks are as long as the scorers in question need; a control such as size may depend on itself for months.
    block = block_length({name: series[name, 0]["rank_ic"] for name in scorers}, horizon - 1)
    means, ratios = (
        over_days(flat, horizon - 1, options.draws, options.seed, block)
        for over_days in (intervals, ratio_intervals)
    )
    return {
        (name, lag): {
            **{measure: means[lag, measure, name] for measure in CONTROL_MEASURES},
            "rank_icir": ratios[lag, "rank_ic", name],
            "sharpe_annual": ratios[lag, "spread", name].scaled(annual_factor(horizon)),
        }
        for name, lag in series
    }
