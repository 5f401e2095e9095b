"""Scale a day's cross-section against its universe: uniform ranks or z-scores.

The universe's stocks alone set the scale; every observed stock is placed on it, so that the history of a stock
before it joined reads in the same unit. Only the day's own rows are used, hence no split and no future. These are
rows of a cache in numpy; ranks of scores in a loss or metric are in `atft.cross_section`. About 30 ns per cell for
ranks, 10 ns for z-scores.
"""

import math

import numpy as np
from jaxtyping import Bool, Float32

MAX_ZSCORE = 10.0
"""Z-scores are cut there: beyond it are errors of the data, and float16 stays finite."""
UNIFORM_WIDTH = math.sqrt(12)
"""Of a uniform variable with std 1."""


def universe_ranks(
    values: Float32[np.ndarray, "features stocks"], universe: Bool[np.ndarray, " stocks"]
) -> Float32[np.ndarray, "features stocks"]:
    r"""Map values to their average rank in the universe, as a uniform variable of mean 0 and std 1.

    :math:`\sqrt{12}\,((r - 1/2) / n - 1/2)` with r the average rank among the n known values of the universe:
    -1.73 is the lowest, +1.73 the highest. A stock outside the universe gets the place where its value would
    lie, (number below + half the number equal) / n. NaN stays NaN; a single known value is 0; with none known,
    all are NaN. A constant feature is 0 everywhere.
    """
    # One sort per feature; the universe's counts at each place of the order give every stock's rank.
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
