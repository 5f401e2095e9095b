"""Which days have the history that they read, and in words which of those asked for do not.

A day needs ``lookback`` days of features and a graph whose window is complete. A panel that begins later scores a
day with the same bits only where both are there.
"""

from collections.abc import Sequence
from datetime import date

import numpy as np

from atft.data.cache import DayCache
from atft.data.split import Days, parse_period
from atft.data.training_checks import quoted
from atft.errors import InputError
from atft.panel import day_index


def days_to_score(cache: DayCache, key: str, asked: Sequence[str], lookback: int) -> tuple[Days, Days]:
    """Find the days of a period that can be scored, and those that lack the lookback.

    Args:
        cache: where the days are.
        key: the option that names the period, for messages.
        asked: first and last date, ISO.
        lookback: days of history that a day reads, itself included.

    Raises:
        InputError: no day of the panel in the period has enough history.
    """
    manifest = cache.manifest
    first, last = parse_period(key, asked)
    start, stop = day_index(manifest.dates, first, "from"), day_index(manifest.dates, last, "to")
    days = np.arange(start, stop + 1, dtype=np.int64)
    days = days[np.array(manifest.universe_rows, dtype=np.int64)[days] > 0] if len(days) else days
    scored = days[days >= lookback - 1]
    if not len(scored):
        raise InputError(
            f"predict: no day from {first} to {last} with {lookback} days of history; the panel runs "
            f"{manifest.dates[0]} to {manifest.dates[-1]} ({len(manifest.dates)} days); set data.predict"
        )
    return scored, days[days < lookback - 1]


def history_lines(cache: DayCache, days: Days, short: Days, lookback: int) -> list[str]:
    """Say which days have no score, which read a graph of fewer days than its window, and what none of them knows.

    ``days`` are read; the ``short`` ones lack the ``lookback``.
    """
    manifest, lines = cache.manifest, []
    if len(short):
        lines.append(f"no score for {_span(manifest.dates, short)}: a day needs {lookback} days of history")
    if manifest.graph is not None:
        observed = cache.graph_days[np.searchsorted(cache.refreshes, days, side="right") - 1]
        window = int(manifest.graph["window"])
        few = observed[observed < window]
        if len(few):
            lines.append(
                f"graph of fewer days than its window of {window} ({few.min()} to {few.max()}) on "
                f"{_span(manifest.dates, days[observed < window])}: with more history before them their scores "
                f"would differ"
            )
    known = manifest.known_days(days)
    unknown = [n for n in manifest.features if not known[n]]
    if unknown:
        lines.append(f"{quoted(unknown)} is unknown on all of {_span(manifest.dates, days)}")
    return lines


def _span(dates: Sequence[date], days: Days) -> str:
    first, last = dates[days[0]], dates[days[-1]]
    return f"{len(days)} days ({first} to {last})" if len(days) > 1 else f"1 day ({first})"
