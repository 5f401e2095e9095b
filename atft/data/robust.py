"""Median and interquartile range of the training days, for features that the cache stores raw.

They depend on a split, so they are buffers of the network and not in the cache: all folds share one cache, and
a checkpoint predicts without a side file. At most `MAX_DAYS` evenly spaced training days are read, a million values
a feature at 4,100 stocks, some 10 ms each: far below the error of taking last decade's quantiles for this one's.
"""

from functools import lru_cache

import numpy as np

from atft.data.cache import MAX_OPEN_CACHES, DayCache
from atft.data.day_record import Array
from atft.errors import InputError

MAX_DAYS = 250
BYTES_IN_MEMORY = 256 << 20


def robust_statistics(cache: DayCache, train_days: Array) -> tuple[Array, Array]:
    """Compute per feature the median and the interquartile range over the training days' universes.

    ``(x - median) / iqr`` is scikit-learn's ``RobustScaler``: an iqr of 0 (at least half of the values are one
    number, as for flags) becomes 1. A feature that the cache already scaled per day, or that is never known on
    these days, gets median 0 and iqr 1. Both are float32 [features]; computed once per open cache and set of days.

    Raises:
        InputError: no training day.
    """
    if len(train_days) == 0:
        raise InputError("robust scaling needs at least one training day; check split.train")
    places = np.linspace(0, len(train_days) - 1, min(MAX_DAYS, len(train_days))).round().astype(int)
    return _statistics(cache, tuple(np.unique(np.asarray(train_days)[places]).tolist()))


@lru_cache(maxsize=MAX_OPEN_CACHES)
def _statistics(cache: DayCache, days: tuple[int, ...]) -> tuple[Array, Array]:
    manifest = cache.manifest
    median = np.zeros(len(manifest.features), dtype=np.float32)
    iqr = np.ones(len(manifest.features), dtype=np.float32)
    # Raw features are stored as float32, in their own order, one after another.
    raw = np.flatnonzero(~np.array(manifest.scaled))
    full = np.flatnonzero(~np.array(manifest.half))
    column = np.searchsorted(full, raw)
    rows = sum(manifest.universe_rows[d] for d in days)
    group = max(1, BYTES_IN_MEMORY // (4 * max(rows, 1)))
    for start in range(0, len(raw), group):
        columns = column[start : start + group]
        values = np.empty((len(columns), rows), dtype=np.float32)
        end = 0
        for day in days:
            view = cache.day(day)
            inside = view.features[np.flatnonzero(view.universe)[:, None], columns[None, :]]
            values[:, end : end + len(inside)] = inside.T
            end += len(inside)
        for feature, column_values in zip(raw[start : start + group], values, strict=True):
            known = column_values[~np.isnan(column_values)]
            if len(known):
                low, middle, high = np.percentile(known, [25, 50, 75])
                median[feature] = middle
                iqr[feature] = high - low if high > low else 1
    return median, iqr
