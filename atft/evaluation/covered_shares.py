"""The share of targets inside the prediction intervals of a file, over all days and by period.

An interval is two columns, ``interval_low80`` and ``interval_high80``, in the unit of ``interval_target``, or of
``target`` where the file lacks that. The quantiles that intervals were made of (``q10`` and ``q90``) stand beside
them. A day counts by its share, so that a day of many stocks weighs as much as any other.
"""

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from atft.evaluation.any_file import QUANTILE
from atft.evaluation.intervals import Interval, intervals
from atft.evaluation.predictions import HorizonScores

LOW, HIGH = re.compile(r"interval_low(\d\d)"), "interval_high"
TARGET = "interval_target"
MAX_QUARTERS = 8
"""Quarters that are periods; a longer file has years."""


class PeriodShare(NamedTuple):
    """The days of a year or a quarter."""

    period: str
    days: int
    share: Interval
    """Mean over the days of the share of their stocks that is inside."""


class CoveredShare(NamedTuple):
    """What a prediction interval covered."""

    name: str
    """``80 %``, or the quantiles of an interval that was not calibrated: ``q10 to q90``."""
    level: float
    """Nominal coverage, a fraction."""
    calibrated: bool
    days: int
    share: Interval
    width: float
    """Mean distance of its ends, in the unit of what it covers."""
    periods: list[PeriodShare]


def covered_shares(table: HorizonScores, draws: int, seed: int) -> list[CoveredShare]:
    """Measure the intervals of a horizon, the widest first, each with the quantiles that it was made of behind it.

    Args:
        table: with the columns of the intervals; a row whose target or end is unknown does not count.

    Returns:
        Nothing where the file has no interval, or no target of one is known.
    """
    target = table.columns.get(TARGET, table.columns["target"])
    measured = [_measured(table, target, ends, draws, seed) for ends in interval_columns(list(table.columns))]
    return [share for share in measured if share is not None]


class IntervalColumns(NamedTuple):
    """The columns of an interval."""

    name: str
    level: float
    calibrated: bool
    low: str
    high: str


def interval_columns(names: list[str]) -> list[IntervalColumns]:
    """Intervals that a file has by its columns' names, the widest first, quantiles behind the calibrated one."""
    pairs = []
    for name in names:
        match = LOW.fullmatch(name)
        if match and f"{HIGH}{match[1]}" in names:
            level = int(match[1])
            pairs.append(IntervalColumns(f"{level} %", level / 100, True, name, f"{HIGH}{match[1]}"))
    if TARGET in names:
        levels = sorted(int(match[1]) for name in names if (match := QUANTILE.fullmatch(name)))
        for low, high in zip(levels[: len(levels) // 2], levels[::-1], strict=False):
            ends = f"q{low:02d}", f"q{high:02d}"
            pairs.append(IntervalColumns(" to ".join(ends), (high - low) / 100, False, *ends))
    return sorted(pairs, key=lambda pair: (-pair.level, not pair.calibrated))


def _measured(
    table: HorizonScores, target: NDArray[np.float32], columns: IntervalColumns, draws: int, seed: int
) -> CoveredShare | None:
    low, high = table.columns[columns.low], table.columns[columns.high]
    known = table.present & np.isfinite(target) & np.isfinite(low) & np.isfinite(high)
    days = known.any(axis=1)
    if not days.any():
        return None
    with np.errstate(invalid="ignore"):
        inside = known & (low <= target) & (target <= high)
        share = np.where(days, inside.sum(axis=1) / known.sum(axis=1), np.nan)
        width = np.where(known, high - low, 0).sum(axis=1) / known.sum(axis=1)
    period = periods_of(table.dates)
    series = {name: np.where(period == name, share, np.nan) for name in np.unique(period[days]).tolist()}
    shares = intervals({"": share} | series, table.horizon - 1, draws=draws, seed=seed)
    # A t is against 0, which is no share to compare with.
    shares = {name: found.without_t() for name, found in shares.items()}
    return CoveredShare(
        name=columns.name,
        level=columns.level,
        calibrated=columns.calibrated,
        days=int(days.sum()),
        share=shares[""],
        width=float(width[days].mean()),
        periods=[
            PeriodShare(name, int(np.isfinite(values).sum()), shares[name]) for name, values in series.items()
        ],
    )


def periods_of(dates: NDArray[np.datetime64]) -> NDArray[np.str_]:
    """The year of each date, or its quarter, ``2015 Q1``, where there are few quarters."""
    years = dates.astype("datetime64[Y]").astype(str)
    month = dates.astype("datetime64[M]").astype(np.int64) % 12
    quarters = np.char.add(np.char.add(years, " Q"), (month // 3 + 1).astype(str))
    return quarters if len(np.unique(quarters)) <= MAX_QUARTERS else years
