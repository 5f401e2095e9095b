"""A second run of a process uses what the first has opened, and gets the same numbers."""

from pathlib import Path
from typing import Any

import numpy as np

from atft.data.cache import DayCache
from atft.data.opened import KEPT, OpenedCaches
from atft.data.robust import robust_statistics


def built(tiny_run: Any) -> Path:
    return next(p for p in (tiny_run.folder / "cache").iterdir() if p.is_dir())


def test_a_cache_is_opened_once(tiny_run: Any) -> None:
    opened = OpenedCaches()
    first = opened.cache(built(tiny_run))
    assert opened.cache(built(tiny_run)) is first
    assert OpenedCaches().cache(built(tiny_run)) is not first


def test_statistics_are_those_of_the_training_days(tiny_run: Any) -> None:
    opened, cache = OpenedCaches(), DayCache(built(tiny_run))
    early, late = np.arange(10, 20), np.arange(30, 45)
    for days in (early, late, early):
        shared = opened.robust_statistics(cache, days)
        for ours, plain in zip(shared, robust_statistics(cache, days), strict=True):
            np.testing.assert_array_equal(ours, plain)
    assert opened.robust_statistics(cache, early)[0] is opened.robust_statistics(cache, early)[0]


def test_only_the_latest_are_kept(tiny_run: Any) -> None:
    opened, cache = OpenedCaches(), DayCache(built(tiny_run))
    first = opened.robust_statistics(cache, np.arange(5, 10))
    for last in range(11, 11 + KEPT):
        opened.robust_statistics(cache, np.arange(5, last))
    assert len(opened._statistics) == KEPT
    assert opened.robust_statistics(cache, np.arange(5, 10))[0] is not first[0]
