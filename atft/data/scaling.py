"""Scale features: per day in the cache (ranks, z-scores), or by the training days in the network (robust).

A day's cross-section is scaled against its universe: the universe's stocks alone set the scale, and every observed
stock is placed on it, so that the history of a stock before it joined reads in the same unit. Only the day's own
rows are used, hence no split and no future. Ranks of scores in a loss or metric are in `atft.cross_section`. About
30 ns per cell for ranks, 10 ns for z-scores.

Medians and interquartile ranges depend on a split, so they are buffers of the network and not in the cache: all
folds share one cache, and a checkpoint predicts without a side file. At most `MAX_DAYS` evenly spaced training days
are read, a million values a feature at 4,100 stocks, some 50 ms each: far below the error of taking last decade's
quantiles for this one's.
"""

import math
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float32

from atft.data.cache import MAX_OPEN_CACHES, DayCache
from atft.data.records import Array
from atft.errors import InputError
from atft.network import Scaling

MAX_ZSCORE = 10.0
"""Z-scores are cut there: beyond it are errors of the data, and float16 stays finite."""
UNIFORM_WIDTH = math.sqrt(12)
"""Of a uniform variable with std 1."""
MAX_DAYS = 250
LEVELS = 240
"""Steps between the quantiles of a feature: 2 to 6, 8, 10, 12, 15, 16, 20, 24, ... bins have edges at steps."""
BYTES_IN_MEMORY = 256 << 20


def universe_ranks(
    values: Float32[np.ndarray, "features stocks"], universe: Bool[np.ndarray, " stocks"]
) -> Float32[np.ndarray, "features stocks"]:
    r"""Map values to their average rank in the universe, as a uniform variable of mean 0 and std 1.

    :math:`\sqrt{12}\,((r - 1/2) / n - 1/2)` with r the average rank among the n known values of the universe:
    -1.73 is the lowest, +1.73 the highest. A stock outside the universe gets the rank that its value would
    have, (number below + half the number equal) / n. NaN stays NaN; a single known value is 0; with none known,
    all are NaN. A constant feature is 0 everywhere.
    """
    # One sort per feature; the universe's counts along the order give every stock's rank.
    order = np.argsort(values, axis=1)
    ascending = np.take_along_axis(values, order, axis=1)
    known = ~np.isnan(ascending)
    member = universe[order] & known
    upto = np.cumsum(member, axis=1, dtype=np.int32)
    total = upto[:, -1:].astype(np.float32)
    below = upto - member
    rises = ascending[:, 1:] != ascending[:, :-1]
    if not rises.all():
        # Counts never fall along a row, so a running extreme carries a tie group's first and last count.
        flat = np.zeros((len(values), 1), dtype=bool)
        below = np.maximum.accumulate(np.where(np.hstack([~flat, rises]), below, 0), axis=1)
        ends = np.where(np.hstack([rises, ~flat]), upto, np.iinfo(np.int32).max)
        upto = np.minimum.accumulate(ends[:, ::-1], axis=1)[:, ::-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        quantile = (below + upto) / (2 * total)
    quantile[~known | (total == 0)] = np.nan
    result = np.empty_like(values)
    np.put_along_axis(result, order, (UNIFORM_WIDTH * (quantile - 0.5)).astype(np.float32), axis=1)
    return result


def universe_zscores(
    values: Float32[np.ndarray, "features stocks"], universe: Bool[np.ndarray, " stocks"]
) -> Float32[np.ndarray, "features stocks"]:
    """Subtract the universe's mean and divide by its (population) standard deviation, cut at +-`MAX_ZSCORE`.

    A constant feature is 0 in the universe and outside it; NaN stays NaN; with no known value in the universe
    all are NaN.
    """
    # Stocks outside the universe take no part in the sums: rounding depends on how many numbers are added.
    inside = values[:, universe]
    known = ~np.isnan(inside)
    count = known.sum(axis=1, keepdims=True)
    filled = np.where(known, inside, 0).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(axis=1, keepdims=True) / count
        std = np.sqrt((np.where(known, filled - mean, 0) ** 2).sum(axis=1, keepdims=True) / count)
        # Rounding leaves a constant with a std of some 1e-17 of its level.
        varies = std > 1e-7 * np.abs(filled).max(axis=1, keepdims=True, initial=0)
        constant = np.where(np.isnan(values) | (count == 0), np.nan, 0.0)
        scaled = np.where(varies, (values - mean) / std, constant)
    return np.clip(scaled, -MAX_ZSCORE, MAX_ZSCORE).astype(np.float32)


def training_scaling(cache: DayCache, train_days: Array) -> Scaling:
    """Compute median, interquartile range and quantiles of the inputs over the training days' universes.

    ``(x - median) / iqr`` is scikit-learn's ``RobustScaler``: an iqr of 0 (at least half of the values are one
    number, as for flags) becomes 1. A feature that the cache already scaled per day, or that is never known on
    these days, gets median 0 and iqr 1. Computed once per open cache and set of days.
    """
    median, iqr, quantiles = _statistics(cache, _sampled_days(train_days))
    regime_median, regime_iqr, regime_quantiles = regime_statistics(cache.regime[train_days])
    values = (median, iqr, regime_median, regime_iqr, quantiles, regime_quantiles)
    return Scaling(
        *map(torch.tensor, values)
    )  # copies: a network may keep them, and those of features stay here


def feature_quantiles(cache: DayCache, train_days: Array) -> Array:
    """Quantiles of the features over the training days' universes, at the levels 0, 1 / `LEVELS`, ..., 1.

    Of what the cache holds: those of ranks are equally spaced and depend on no data. A feature that is never known
    on these days has zeros only. float32 [features, `LEVELS` + 1]; the days are those of `training_scaling`.
    """
    return _statistics(cache, _sampled_days(train_days))[2]


def regime_statistics(regime: Array) -> tuple[Array, Array, Array]:
    """Compute median, interquartile range and quantiles of market-wide columns [days, regimes], of training days.

    The levels of quantiles are those of `feature_quantiles`. A column that is never known gets 0, 1 and quantiles
    of 0, one that hardly ever changes an IQR of 1.
    """
    columns, levels = regime.shape[1], np.arange(LEVELS + 1) / LEVELS
    median, iqr = np.zeros(columns, dtype=np.float32), np.ones(columns, dtype=np.float32)
    quantiles = np.zeros((columns, LEVELS + 1), dtype=np.float32)
    for column, values in enumerate(regime.T):
        known = values[~np.isnan(values)]
        if len(known):
            low, median[column], high = np.percentile(known, [25, 50, 75])
            iqr[column] = high - low if high > low else 1
            quantiles[column] = np.quantile(known, levels)
    return median, iqr, quantiles


def _sampled_days(train_days: Array) -> tuple[int, ...]:
    if len(train_days) == 0:
        raise InputError("robust scaling needs at least one training day; check data.split.train")
    return tuple(evenly_spaced(train_days, MAX_DAYS).tolist())


def evenly_spaced(days: Array, most: int) -> Array:
    """At most so many of ascending days, evenly spaced, the first and the last among them."""
    positions = np.linspace(0, len(days) - 1, min(most, len(days))).round().astype(int)
    return np.unique(np.asarray(days)[positions])


@lru_cache(maxsize=MAX_OPEN_CACHES)
def _statistics(cache: DayCache, days: tuple[int, ...]) -> tuple[Array, Array, Array]:
    """Median, interquartile range and quantiles of each feature."""
    manifest = cache.manifest
    median = np.zeros(len(manifest.features), dtype=np.float32)
    iqr = np.ones(len(manifest.features), dtype=np.float32)
    levels = np.arange(LEVELS + 1) / LEVELS
    quantiles = np.zeros((len(median), LEVELS + 1), dtype=np.float32)
    ranked = np.array(manifest.scaling) == "rank"
    quantiles[ranked] = UNIFORM_WIDTH * (levels - 0.5)
    quarter = LEVELS // 4
    rows = sum(manifest.universe_rows[d] for d in days)
    group = max(1, BYTES_IN_MEMORY // (4 * max(rows, 1)))
    for stored_half in (False, True):
        stored = np.array(manifest.half) == stored_half
        features = np.flatnonzero(stored & ~ranked)
        # Features of one storage are stored in their own order, one after another.
        column = np.searchsorted(np.flatnonzero(stored), features)
        for start in range(0, len(features), group):
            columns = column[start : start + group]
            values = np.empty((len(columns), rows), dtype=np.float32)
            end = 0
            for day in days:
                view = cache.day(day)
                source = view.half_features if stored_half else view.features
                inside = source[np.flatnonzero(view.universe)[:, None], columns[None, :]]
                values[:, end : end + len(inside)] = inside.T
                end += len(inside)
            for feature, column_values in zip(features[start : start + group], values, strict=True):
                known = column_values[~np.isnan(column_values)]
                if len(known) == 0:
                    continue
                grid = np.quantile(known, levels)
                quantiles[feature] = grid
                if manifest.scaling[feature] == "raw":
                    low, median[feature], high = grid[quarter], grid[2 * quarter], grid[3 * quarter]
                    iqr[feature] = high - low if high > low else 1
    return median, iqr, quantiles
