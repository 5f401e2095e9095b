"""Ranks of each day's stocks, their correlations over days, and what chance alone would do.

A day's correlation is Spearman's over the cells that both sides know, but for ties of cells that only one side
knows: ranks are taken once for a column, not again for each pair. The difference is far below a day's noise.
"""

from typing import NamedTuple

import numpy as np

from atft.day_series import Series
from atft.evaluation.day_ranks import rank_days
from atft.evaluation.newey_west import mean_error
from atft.probes.finding import FALSE_ALARM
from atft.probes.panel_grid import Cells, Daily, Marks

MIN_STOCKS = 8
"""A day with fewer known stocks is not measured."""
MIN_DAYS = 20
MIDDLE_RANK = 1e-9


def scaled_ranks(values: Cells, within: Marks) -> Cells:
    """Rank each day's stocks, scaled to mean 0 and (without ties) variance 1; 0 where unknown.

    0 for a whole day on which fewer than `MIN_STOCKS` are known or all values are equal.
    """
    known = within & np.isfinite(values)
    ranked = rank_days(values, known)
    enough = (ranked.stocks >= MIN_STOCKS) & ~ranked.constant[:, None]
    # The variance of the ranks 1 to n is (n^2 - 1) / 12; `centered` has twice the ranks.
    scale = np.sqrt(3 / np.maximum(ranked.stocks.astype(np.float64) ** 2 - 1, 1))
    ranks = ranked.centered() * scale
    # 0 says unknown, so the middle rank is a trifle above it.
    scaled: np.ndarray = np.where(known & enough, np.where(ranks == 0, MIDDLE_RANK, ranks), 0.0)
    return scaled


def shift_days(values: np.ndarray, days: int, empty: float | bool = 0.0) -> np.ndarray:
    """Row t becomes row ``t + days`` of the input; ``empty`` beyond its ends."""
    out = np.full_like(values, empty)
    first, end = max(-days, 0), len(values) - max(days, 0)
    if first < end:
        out[first:end] = values[first + days : end + days]
    return out


def daily_correlation(a: Cells, b: Cells) -> Daily:
    """Correlation of two arrays of `scaled_ranks` on each day; NaN where they share too few cells."""
    both = (a != 0) & (b != 0)
    x, y = np.where(both, a, 0.0), np.where(both, b, 0.0)
    count = both.sum(axis=1)
    n = np.maximum(count, 1)
    mean_x, mean_y = x.sum(axis=1) / n, y.sum(axis=1) / n
    xy = np.einsum("ds,ds->d", x, y) / n - mean_x * mean_y
    xx = np.einsum("ds,ds->d", x, x) / n - mean_x**2
    yy = np.einsum("ds,ds->d", y, y) / n - mean_y**2
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation: np.ndarray = xy / np.sqrt(xx * yy)
    correlation[(count < MIN_STOCKS) | (xx <= 1e-12) | (yy <= 1e-12)] = np.nan
    return correlation


class MeanWithBound(NamedTuple):
    """A mean over days, and how far from 0 it is at least, whatever chance did."""

    mean: float
    least: float
    """Absolute value that the true mean has at least; 0 where chance explains the mean."""
    share: float
    """Share of the days on the side of the mean."""
    days: int


def least_mean(series: Series, lags: int, tests: int) -> MeanWithBound:
    """Bound a mean over days from below: what is left of its size after `FALSE_ALARM` divided by ``tests``.

    Newey-West errors over ``lags`` days, and Student's distribution with as many degrees of freedom as the series
    has stretches of ``lags + 1`` days, less one: a year has few independent months.
    """
    from scipy.special import stdtrit

    known = series[np.isfinite(series)]
    degrees = len(known) // (lags + 1) - 1
    if len(known) < MIN_DAYS or degrees < 4:
        return MeanWithBound(float("nan"), 0.0, float("nan"), len(known))
    mean, error = float(known.mean()), mean_error(series, lags)
    quantile = float(stdtrit(degrees, 1 - FALSE_ALARM / (2 * max(tests, 1))))
    side = float((np.sign(known) == np.sign(mean)).mean())
    return MeanWithBound(mean, max(0.0, abs(mean) - quantile * error), side, len(known))


def forward_sums(log_return: Cells, present: Marks, horizon: int) -> Cells:
    """Sum of the log returns of the days t + 1 to t + horizon; an unknown one counts as 0.

    NaN where the stock has no row on t or on t + horizon.
    """
    total = np.cumsum(np.where(np.isfinite(log_return), log_return, 0.0), axis=0, dtype=np.float64)
    ends = present & shift_days(present, horizon, False)
    return np.where(ends, shift_days(total, horizon) - total, np.nan)
