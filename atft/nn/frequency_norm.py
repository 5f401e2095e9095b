"""Frequency adaptive normalisation (FAN): the dominant cycles of a window are taken out, and told apart.

What is left can be brought to unit scale per feature, so a small value under a large cycle becomes as loud as
any other feature, today's included. A fixed DFT as a matrix product: at 112 features and lookback 60 it is
0.8 M multiply-adds a stock-day, 2.5 % of the LSTM at hidden size 256. No parameters.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from atft.nn.normalised_window import NormalisedWindow, centre, days_observed, scale_of

SUMMARY_NUMBERS = 4
"""Numbers told of each feature: level, the cycles' value today and a quarter of a cycle away, log scale."""


def fourier_basis(lookback: int) -> Float[Tensor, "waves lookback"]:
    """Build cosines, then sines, of the window's own frequencies, the level left out.

    Phase is counted from the last day: there every cosine is 1 and every sine 0.
    ``waves = 2 (lookback // 2)``.
    """
    frequency = torch.arange(1, lookback // 2 + 1, dtype=torch.float64)
    days_ago = torch.arange(lookback, dtype=torch.float64) - (lookback - 1)
    angle = 2 * math.pi / lookback * frequency[:, None] * days_ago
    return torch.cat((angle.cos(), angle.sin())).float()


def dominant(power: Float[Tensor, "frequencies series"], count: int) -> Bool[Tensor, "frequencies series"]:
    """Mark each series' ``count`` strongest frequencies (all that tie with the last of them)."""
    left = power
    for _ in range(count):
        # Repeated maxima beat a sort along this axis: two or three passes, vectorised over the series.
        left = left.masked_fill(left >= left.amax(0), -1.0)
    return left < 0


def frequency_norm(
    window: Float[Tensor, "lookback stocks features"],
    observed: Bool[Tensor, "lookback stocks"],
    components: int,
) -> NormalisedWindow:
    r"""Split a window into its dominant cycles and the rest.

    With ``x`` less its mean over observed days, ``a_k, b_k = 2/n sum_t x_t (cos, sin)(2 pi k t / L)``, the
    ``components`` largest ``a_k^2 + b_k^2`` are subtracted as ``a_k cos + b_k sin``; the residual is divided
    by its root mean square. Cycles that close within the window leave nothing behind where all days are
    observed.

    Args:
        window: scaled features, 0 where not observed.
        observed: days that count; the residual is 0 on the others.
        components: how many frequencies to take out; at least one is always left.

    Returns:
        The residual in units of its own scale, and per feature what it does not tell: level, the cycles'
        value today and a quarter of a cycle away (amplitude and phase), and the logarithm of the residual's
        scale.

    Paper: Ye et al. 2024, "Frequency Adaptive Normalization For Non-stationary Time Series Forecasting".
    """
    lookback, stocks, features = window.shape
    count = days_observed(observed, window)
    centred, level = centre(window, observed)
    basis = fourier_basis(lookback).to(window)
    half = len(basis) // 2
    wave = (basis @ centred.flatten(1)).reshape(2, half, stocks, features) * (2 / count)
    if lookback % 2 == 0:
        wave[0, -1] *= 0.5  # the alternating wave has twice the norm of the others
        wave[1, -1] = 0.0
    chosen = dominant(wave.square().sum(0).flatten(1), min(components, max(half - 1, 0)))
    wave = wave * chosen.reshape(half, stocks, features)
    cycles = (basis.T @ wave.reshape(len(basis), stocks * features)).reshape(window.shape)
    residual = (centred - cycles) * observed[..., None].to(window.dtype)
    scale = scale_of(residual.square().sum(0) / count)
    today, quarter = wave.sum(1)
    return NormalisedWindow(residual / scale, torch.cat((level, today, quarter, scale.log()), dim=-1))
