"""What a panel knows of a stock's past closes: returns, momentum, volatility, traded value; market regimes.

Every function takes whole histories [days, stocks] and returns values at day t made of rows up to t. A
suspended stock has no close: what needs that close is NaN.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from atft.market.factors import Array

MONTH = 20
LEAST_SHARE = 0.5
"""Share of a month's days that must be known for its mean or spread to be."""


def past_return(close: Array, observed: NDArray[np.bool_], days: int) -> Array:
    """Compute ``close[t] / close[t - days] - 1``; NaN where either close is missing.

    Args:
        close: [days, stocks].
        observed: same shape; the stock has a close that day.
        days: trading days back.

    Returns:
        [days, stocks].
    """
    known = np.where(observed, close, np.nan)
    result = np.full_like(close, np.nan)
    result[days:] = known[days:] / known[:-days] - 1
    return result


def forward_return(close: Array, observed: NDArray[np.bool_], days: int, lag: int = 0) -> Array:
    """Compute ``close[t + days + lag] / close[t + lag] - 1``, the label; NaN where either is missing.

    Shapes as in :func:`past_return`.
    """
    result = np.full_like(close, np.nan)
    ahead = days + lag
    if ahead < len(close):
        result[: len(close) - ahead] = past_return(close, observed, days)[ahead:]
    return result


def month_mean(values: Array) -> Array:
    """Average the last month's known values; NaN before a full month or with less than half of it known."""
    return _month(values)[0]


def month_std(values: Array) -> Array:
    """Measure the last month's spread (population); NaN as in :func:`month_mean`."""
    return _month(values)[1]


def _month(values: Array) -> tuple[Array, Array]:
    mean, std = np.full_like(values, np.nan), np.full_like(values, np.nan)
    if len(values) < MONTH:
        return mean, std
    windows = sliding_window_view(values, MONTH, axis=0)
    known = np.isfinite(windows)
    count = known.sum(-1)
    enough = count >= LEAST_SHARE * MONTH
    divisor = np.where(enough, count, 1)
    average = np.where(known, windows, 0).sum(-1) / divisor
    variance = (np.where(known, windows - average[..., None], 0) ** 2).sum(-1) / divisor
    mean[MONTH - 1 :] = np.where(enough, average, np.nan)
    std[MONTH - 1 :] = np.where(enough, np.sqrt(variance), np.nan)
    return mean, std
