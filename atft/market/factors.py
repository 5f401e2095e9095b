"""Persistent series with exactly known futures: what today's features and their echoes are made of.

All series are stationary from the first day on and scaled by formula, never by their own sample: a sample's
mean or spread would carry the future into the past.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def persistent(rng: np.random.Generator, days: int, stocks: int, persistence: float) -> Array:
    """Draw first-order autoregressions of mean 0 and variance 1: ``x[t] = p x[t-1] + sqrt(1 - p^2) shock``.

    Returns:
        [days, stocks].
    """
    shocks = rng.standard_normal((days, stocks))
    return accumulate(shocks, persistence)


def accumulate(shocks: Array, persistence: float) -> Array:
    """Let shocks of variance 1 fade at a rate that keeps the sum's variance at 1.

    Args:
        shocks: [days, ...], white.
        persistence: what is left of a shock a day later, below 1.

    Returns:
        [days, ...]; day 0 is its shock, which has the stationary variance already.
    """
    series = np.empty_like(shocks)
    series[0] = shocks[0]
    gain = np.sqrt(1 - persistence**2)
    for day in range(1, len(shocks)):
        series[day] = persistence * series[day - 1] + gain * shocks[day]
    return series


def echo(rng: np.random.Generator, original: Array, correlation: float, persistence: float) -> Array:
    """Draw a series that follows ``original`` with the given correlation and knows nothing beyond it."""
    days, stocks = original.shape
    own = persistent(rng, days, stocks, persistence)
    return np.asarray(correlation * original + np.sqrt(1 - correlation**2) * own)


def persistent_sum(persistence: float, days: int) -> float:
    """Expected sum over ``days`` days of an autoregression that stands at 1 today: ``sum_s p^s``."""
    return float(sum(persistence**day for day in range(days)))
