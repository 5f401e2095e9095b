"""What a panel knows of a stock's past closes: returns, momentum, volatility, traded value.

Every function takes whole histories [days, stocks] and returns values at day t made of rows up to t. A
suspended stock has no close: what needs that close is NaN.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from atft.market.series import Array

MONTH_DAYS = 20
MIN_KNOWN_SHARE = 0.5
"""Share of a month's days that must be known for its mean or std to be."""


def past_return(close: Array, observed: NDArray[np.bool_], days: int) -> Array:
    """Compute ``close[t] / close[t - days] - 1``; NaN where either close is not ``observed``."""
    known = np.where(observed, close, np.nan)
    result = np.full_like(close, np.nan)
    result[days:] = known[days:] / known[:-days] - 1
    return result


def forward_return(close: Array, observed: NDArray[np.bool_], days: int, lag: int = 0) -> Array:
    """Compute ``close[t + days + lag] / close[t + lag] - 1``, the label; NaN where either is not ``observed``."""
    result = np.full_like(close, np.nan)
    ahead = days + lag
    if ahead < len(close):
        result[: len(close) - ahead] = past_return(close, observed, days)[ahead:]
    return result


def month_mean_std(values: Array) -> tuple[Array, Array]:
    """Mean and (population) std of the last month's known values.

    NaN before a full month, or with less than half of it known.
    """
    mean, std = np.full_like(values, np.nan), np.full_like(values, np.nan)
    if len(values) < MONTH_DAYS:
        return mean, std
    windows = sliding_window_view(values, MONTH_DAYS, axis=0)
    known = np.isfinite(windows)
    count = known.sum(-1)
    enough = count >= MIN_KNOWN_SHARE * MONTH_DAYS
    divisor = np.where(enough, count, 1)
    average = np.where(known, windows, 0).sum(-1) / divisor
    variance = (np.where(known, windows - average[..., None], 0) ** 2).sum(-1) / divisor
    mean[MONTH_DAYS - 1 :] = np.where(enough, average, np.nan)
    std[MONTH_DAYS - 1 :] = np.where(enough, np.sqrt(variance), np.nan)
    return mean, std
