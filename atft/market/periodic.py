"""The part of the signal that strong cycles cover: small persistent values under two sinusoids a stock.

The frequencies are those of the window's Fourier bins, so taking the two dominant components out of a window
leaves the covered value with about 0.9 of its correlation (two bins of ten are lost with the cycles). Which
two bins differs from stock to stock, over the whole spectrum: a fixed filter would have to stop all of them,
and nothing would be left. Constant, level and alternation (bins 0 and lookback/2) are never used.
"""

import numpy as np

from atft.market.factors import Array

CYCLES = 2
"""Cycles per stock; the number of components to take out."""

UNEVEN = 0.25
"""Amplitudes lie within this share around their mean."""


def cycles(
    rng: np.random.Generator, days: int, stocks: int, lookback: int, amplitude: float, first_day: int = 0
) -> Array:
    """Draw each stock's two frequencies, phases and amplitudes, and let them run.

    Args:
        rng: draws per stock only: the days do not matter to it.
        days: trading days.
        stocks: columns.
        lookback: window whose Fourier bins the frequencies are taken from.
        amplitude: root mean square of the sum of the two cycles.
        first_day: day number of row 0, so that a warm-up does not move the phases.

    Returns:
        [days, stocks].
    """
    bins = np.arange(1, (lookback - 1) // 2 + 1)
    chosen = rng.permuted(np.tile(bins, (stocks, 1)), axis=1)[:, :CYCLES]
    phase = rng.uniform(0, 2 * np.pi, (stocks, CYCLES))
    # A sinusoid of amplitude a has variance a^2 / 2; CYCLES of them that of `amplitude`.
    size = amplitude * np.sqrt(2 / CYCLES) * rng.uniform(1 - UNEVEN, 1 + UNEVEN, (stocks, CYCLES))
    day = np.arange(first_day, first_day + days)[:, None, None]
    return np.asarray((size * np.sin(2 * np.pi * chosen * day / lookback + phase)).sum(-1))


def without_dominant(window: Array, components: int) -> Array:
    """Take the strongest Fourier components out of each window, level apart.

    The plain twin of what a frequency-adaptive normalisation does; the report and the tests measure with it
    how much of the covered part can be uncovered.

    Args:
        window: [..., lookback].
        components: how many frequencies to take out of each window.

    Returns:
        [..., lookback], what is left.
    """
    spectrum = np.fft.rfft(window, axis=-1)
    power = np.abs(spectrum)
    power[..., 0] = 0
    order = np.argsort(power, axis=-1)
    strongest = order[..., power.shape[-1] - components :]
    np.put_along_axis(spectrum, strongest, 0, axis=-1)
    return np.fft.irfft(spectrum, n=window.shape[-1], axis=-1)
