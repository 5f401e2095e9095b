"""Does a file leave out days here and there? If they were chosen by their result, every figure is too good.

Noise whose worst tenth of days is left out has a t of 3.7. The days of a context are a calendar; without one, the
weekdays on which the file trades are, and of those holidays take some. One or two long stretches may be the purge
between periods.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from atft.day_series import MAX_LOST_SHARE
from atft.errors import counted

HOLIDAY_SHARE = 0.12
"""Of a year's weekdays, more than are holidays anywhere: Tokyo had 22 of 261 in 2019."""
MIN_PLACES, PURGES = 6, 2
"""Stretches of missing days from which on they are no purges; of the stretches, the longest ones, which may be."""
RARE_WEEKDAY = 0.2
"""Of the days of the commonest weekday, below which a weekday is none of the market's."""


def missing_day_warnings(dates: NDArray[Any], calendar: NDArray[Any] | None = None) -> list[str]:
    """Say that a file of daily dates leaves out days in many places.

    Args:
        dates: of the file, datetime64[D], ascending.
        calendar: days of the market, ascending; None: the file's weekdays, holidays included.
    """
    if calendar is None:
        days, what, usual = _weekdays(dates), "weekdays", HOLIDAY_SHARE
    else:
        days = calendar[(calendar >= dates[0]) & (calendar <= dates[-1])]
        what, usual = "days of the context", MAX_LOST_SHARE
    there = np.isin(days, dates)
    lengths = stretches(~there)
    if not has_neighbours(there) or len(lengths) < MIN_PLACES or lengths[:-PURGES].sum() <= usual * len(days):
        return []
    return [
        f"{lengths.sum():,} of {len(days):,} {what} from {dates[0]} to {dates[-1]} have no row, in "
        f"{counted(len(lengths), 'place')}: if they were left out by their result, every figure is too good"
    ]


def has_neighbours(there: NDArray[np.bool_]) -> bool:
    """Whether a file has most days of a calendar; scores of every fifth day leave out the others on purpose."""
    steps = np.diff(np.flatnonzero(there))
    return bool(len(steps)) and bool(np.median(steps) == 1)


def stretches(missing: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Lengths of the stretches of missing days, ascending."""
    begins = missing & ~np.concatenate([[False], missing[:-1]])
    return np.sort(np.bincount(begins.cumsum()[missing])[1:])


def _weekdays(dates: NDArray[Any]) -> NDArray[Any]:
    """Every day from the first date to the last on a weekday that the file has often."""
    every = np.arange(dates[0], dates[-1] + 1)
    # Day 0 of NumPy's calendar was a Thursday; only equal weekdays matter.
    often = np.bincount(dates.astype(np.int64) % 7, minlength=7)
    chosen: NDArray[Any] = every[(often > RARE_WEEKDAY * often.max())[every.astype(np.int64) % 7]]
    return chosen
