"""What several runs of one process share of a cache: the mapped files, their checked days, their statistics.

A cache is immutable and named by its digest, so a second run may use what the first has opened: it checks no day
again and computes no quantile twice. Costs the views of the days that were read, some hundred bytes each; the
bytes themselves are the page cache's. A process that runs once shares with nobody.
"""

from pathlib import Path
from typing import TypeVar

from atft.data.cache import DayCache
from atft.data.day_record import Array
from atft.data.robust import robust_statistics

Key = TypeVar("Key")
Value = TypeVar("Value")

KEPT = 8
"""Caches, and sets of training days, that are kept: a search over graph options would gather them without end."""


class OpenedCaches:
    """Caches that this process has open, and the robust statistics that it has computed."""

    def __init__(self) -> None:
        self._caches: dict[Path, DayCache] = {}
        self._statistics: dict[tuple[Path, bytes], tuple[Array, Array]] = {}

    def cache(self, path: Path) -> DayCache:
        """The cache at a path, opened once."""
        path = path.resolve()
        if path not in self._caches:
            _keep(self._caches, path, DayCache(path))
        return self._caches[path]

    def robust_statistics(self, cache: DayCache, train_days: Array) -> tuple[Array, Array]:
        """Median and interquartile range of the training days; see `atft.data.robust.robust_statistics`."""
        key = (cache.path, train_days.tobytes())
        if key not in self._statistics:
            _keep(self._statistics, key, robust_statistics(cache, train_days))
        return self._statistics[key]


def _keep(held: dict[Key, Value], key: Key, value: Value) -> None:
    while len(held) >= KEPT:
        del held[next(iter(held))]
    held[key] = value
