"""Series with exactly known futures, which features and the planted signal are made of, and what closes give.

Drawn ones are stationary from the first day on and scaled by formula, never by their own sample: a sample's mean
or std would carry the future into the past. Arrays are whole histories [days, stocks]; a persistence is what is
left of a value a day later. A suspended stock has no close: what needs that close is NaN.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[np.float64]
CYCLES = 2
"""Cycles per stock; the number of components to take out of a window."""
UNEVEN = 0.25
"""Amplitudes of the cycles are within this share around their mean."""
MONTH_DAYS = 20
MIN_KNOWN_SHARE = 0.5
"""Share of a month's days that must be known for its mean or std to be."""


def persistent(rng: np.random.Generator, days: int, stocks: int, persistence: float) -> Array:
    """Draw first-order autoregressions of mean 0 and variance 1: ``x[t] = p x[t-1] + sqrt(1 - p^2) shock``."""
    return accumulate(rng.standard_normal((days, stocks)), persistence)


def accumulate(shocks: Array, persistence: float) -> Array:
    """Let white shocks of variance 1 fade at a rate that keeps the sum's variance at 1.

    Day 0 is its shock, which has the stationary variance already.
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
    noise = persistent(rng, days, stocks, persistence)
    return np.asarray(correlation * original + np.sqrt(1 - correlation**2) * noise)


def persistent_sum(persistence: float, days: int) -> float:
    """Expected sum over ``days`` days of an autoregression that is 1 today: ``sum_s p^s``."""
    return float(sum(persistence**day for day in range(days)))


def fading_memory(flow: Array, persistence: float) -> Array:
    """Remember yesterday's white ``flow`` and that of the days before, each day less, with variance 1.

    ``memory[t] = sum over lags l >= 1 of p^(l-1) flow[t-l]``, scaled: only history shows it, since today's row says
    nothing of it. A regression on the last few days of the flow finds it; so does any recurrent network. Day 0
    remembers nothing and is 0.
    """
    memory = np.zeros_like(flow)
    memory[1:] = accumulate(flow[:-1], persistence)
    return memory


def expected_memory(flow: Array, memory: Array, persistence: float, days: int) -> Array:
    """Expected sum of the memory over today and the ``days - 1`` days after it, given today."""
    # Tomorrow's memory already has today's flow: memory[t+1] = p memory[t] + sqrt(1 - p^2) flow[t].
    today = np.sqrt(1 - persistence**2) * persistent_sum(persistence, days - 1)
    return np.asarray(persistent_sum(persistence, days) * memory + today * flow)


def cycles(
    rng: np.random.Generator, days: int, stocks: int, window: int, amplitude: float, first_day: int = 0
) -> Array:
    """Draw each stock's two frequencies, Fourier phases and amplitudes, and let them run.

    The frequencies are those of the window's Fourier bins, so taking the two strongest components out of a window
    leaves what they cover with about 0.9 of its correlation. Which two bins differs from stock to stock, over the
    whole spectrum: a fixed filter would have to stop all of them, and nothing would be left. Level and alternation
    (bins 0 and window/2) are never used.
    ``amplitude`` is the root mean square of the sum of the two cycles; ``first_day`` numbers row 0, so that a
    warm-up does not move them.
    """
    bins = np.arange(1, (window - 1) // 2 + 1)
    chosen = rng.permuted(np.tile(bins, (stocks, 1)), axis=1)[:, :CYCLES]
    phase = rng.uniform(0, 2 * np.pi, (stocks, CYCLES))
    # A sinusoid of amplitude a has variance a^2 / 2; CYCLES of them that of `amplitude`.
    size = amplitude * np.sqrt(2 / CYCLES) * rng.uniform(1 - UNEVEN, 1 + UNEVEN, (stocks, CYCLES))
    day = np.arange(first_day, first_day + days)[:, None, None]
    return np.asarray((size * np.sin(2 * np.pi * chosen * day / window + phase)).sum(-1))


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
