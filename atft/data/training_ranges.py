"""The range of each input over the training days, which a checkpoint carries so that drift shows on later days.

Of a feature the first and the last step of its quantiles (0.4 and 99.6 %) and the share of the universe that knows
it; of a market-wide column its minimum and maximum, for it has one value a day. At most `MAX_DAYS` evenly spaced
days count what is known: a tenth of a second at 900 stocks and 170 features.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from atft.data.cache import DayCache
from atft.data.day_features import day_features
from atft.data.scaling import evenly_spaced, feature_quantiles
from atft.data.split import Days

MAX_DAYS = 60


class TrainingRange(NamedTuple):
    """What the training days know of one input."""

    low: float
    high: float
    """In the unit of the cache: a rank or z-score of the day where it stores one."""
    known: float
    """Share of the universe's rows, or of the days of a market-wide column, that know it; in [0, 1]."""


class TrainingRanges(NamedTuple):
    """The inputs of a network by name."""

    features: dict[str, TrainingRange]
    regimes: dict[str, TrainingRange]
    """Of market-wide columns."""

    def content(self) -> dict[str, dict[str, list[float]]]:
        """The same as plain values that a checkpoint keeps, which `read_ranges` reads."""
        return {kind: {name: list(r) for name, r in of.items()} for kind, of in self._asdict().items()}


def training_ranges(cache: DayCache, train_days: Days) -> TrainingRanges:
    """Measure the inputs over the training days; an input that is never known there has a known share of 0."""
    manifest = cache.manifest
    quantiles = feature_quantiles(cache, train_days)
    shares = [known_shares(cache, int(day)) for day in evenly_spaced(train_days, MAX_DAYS)]
    known = np.mean(shares, axis=0)
    features = {
        name: TrainingRange(float(grid[1]), float(grid[-2]), float(share))
        for name, grid, share in zip(manifest.features, quantiles, known, strict=True)
    }
    regimes = {}
    for name, values in zip(manifest.regimes, cache.regime[train_days].T, strict=True):
        seen = values[~np.isnan(values)]
        ends = (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 0.0)
        regimes[name] = TrainingRange(*ends, len(seen) / len(values))
    return TrainingRanges(features, regimes)


def known_shares(cache: DayCache, day: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The share of a day's universe that knows each feature, ``[features]``; 0 on a day without a universe."""
    values = day_features(cache, day, cache.day(day).ranked)
    return np.asarray((~np.isnan(values)).sum(axis=0) / max(len(values), 1))


def read_ranges(content: Mapping[str, Any]) -> TrainingRanges:
    """Read what `TrainingRanges.content` wrote; raises ValueError, KeyError or TypeError at anything else."""
    of_kind = [
        {str(name): TrainingRange(*map(float, ends)) for name, ends in content[kind].items()}
        for kind in TrainingRanges._fields
    ]
    return TrainingRanges(*of_kind)
