"""On which days neighbours are chosen anew, counted in weekdays from a fixed date.

A refresh belongs to the calendar, not to the panel: whatever row a file begins with, the same days have the same
graph. A period of ``refresh_days`` weekdays has its refresh on its first trading day; the first day of a panel
has one too, so that every day has a graph.
"""

from collections.abc import Sequence
from datetime import date

import numpy as np

MONDAY = date(1970, 1, 5)
Indices = np.ndarray[tuple[int], np.dtype[np.int64]]


def weekday_number(day: date) -> int:
    """Count the weekdays from Monday 1970-01-05 to ``day``; a weekend counts as the Friday before it."""
    weeks, weekday = divmod((day - MONDAY).days, 7)
    return 5 * weeks + min(weekday, 4)


def refresh_indices(dates: Sequence[date], universe_rows: Sequence[int], refresh_days: int) -> Indices:
    """Find the calendar indices of the refreshes, ascending; the first is 0.

    Args:
        dates: the calendar.
        universe_rows: stocks in the universe per day. A day with fewer than two has no neighbours to choose, so
            the next day of its period is the refresh.
        refresh_days: weekdays of one period.
    """
    found = [0]
    period = weekday_number(dates[0]) // refresh_days if universe_rows[0] > 1 else None
    for index, (day, stocks) in enumerate(zip(dates, universe_rows, strict=True)):
        now = weekday_number(day) // refresh_days
        if stocks > 1 and now != period:
            period = now
            if index:
                found.append(index)
    return np.array(found, dtype=np.int64)


def days_in_window(observed_rows: Sequence[int], refreshes: Indices, window: int) -> Indices:
    """Count the days with rows that each refresh's window holds: ``window`` where the history is whole."""
    days = np.concatenate([[0], np.cumsum(np.array(observed_rows, dtype=np.int64) > 0)])
    counted: Indices = days[refreshes + 1] - days[np.maximum(refreshes + 1 - window, 0)]
    return counted
