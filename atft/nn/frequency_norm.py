"""Frequency adaptive normalisation (FAN): the dominant cycles of a window are taken out, and told apart.

It works on the scaled features, one series at a time, not on the hidden channels behind variable selection:

- a cycle belongs to a feature. A hidden channel mixes all features, so its strongest components are whichever
  feature is loudest, and a cycle that differs from stock to stock is taken out of some channels only;
- what is left can be brought to unit scale per feature, so a small value under a large cycle becomes as
  loud as any other feature, today's included;
- inputs carry no gradient, so the transform costs nothing on the way back, and features are usually fewer
  than channels: at 112 features and lookback 60 it is 0.8 M multiply-adds a stock-day, 2.5 % of the LSTM
  at hidden size 256.

The rows themselves stay in the network beside it; this block adds a view, it hides nothing.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

FLOOR = 1e-2
"""Added to the residual's scale: below a hundredth of an IQR it is rounding, not a signal."""


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


def take_out(
    window: Float[Tensor, "lookback stocks features"],
    observed: Bool[Tensor, "lookback stocks"],
    components: int,
    basis: Float[Tensor, "waves lookback"] | None = None,
) -> tuple[Float[Tensor, "lookback stocks features"], Float[Tensor, "stocks summary"]]:
    r"""Split a window into its dominant cycles and the rest.

    With ``x`` less its mean over observed days, ``a_k, b_k = 2/n sum_t x_t (cos, sin)(2 pi k t / L)``, the
    ``components`` largest ``a_k^2 + b_k^2`` are subtracted as ``a_k cos + b_k sin``; the residual is divided
    by its root mean square. Cycles that close within the window leave nothing behind where all days are
    observed.

    Args:
        window: scaled features, 0 where not observed.
        observed: days that count; the residual is 0 on the others.
        components: how many frequencies to take out; at least one is always left.
        basis: :func:`fourier_basis` of this lookback, for a caller that has it already.

    Returns:
        The residual in units of its own scale, and per feature what it does not tell: level, the cycles'
        value today and a quarter of a cycle away (amplitude and phase), and the logarithm of the residual's
        scale.

    Paper: Ye et al. 2024, "Frequency Adaptive Normalization For Non-stationary Time Series Forecasting".
    """
    lookback, stocks, features = window.shape
    count = observed.sum(0).clamp(min=1).to(window.dtype)[:, None]
    present = observed[..., None].to(window.dtype)
    level = window.sum(0) / count
    centred = ((window - level) * present).reshape(lookback, -1)
    basis = fourier_basis(lookback).to(window) if basis is None else basis
    half = len(basis) // 2
    per_series = (2 / count).expand(stocks, features).reshape(-1)
    wave = (basis @ centred * per_series).reshape(2, half, stocks * features)
    if lookback % 2 == 0:
        wave[0, -1] *= 0.5  # the alternating wave has twice the norm of the others
        wave[1, -1] = 0.0
    chosen = dominant(wave.square().sum(0), min(components, max(half - 1, 0)))
    wave = wave * chosen
    residual = (centred - basis.T @ wave.flatten(0, 1)).reshape(window.shape) * present
    scale = (residual.square().sum(0) / count).sqrt() + FLOOR
    today, quarter = wave.sum(1).reshape(2, stocks, features)
    return residual / scale, torch.cat((level, today, quarter, scale.log()), dim=-1)


@torch.no_grad()
def frequency_norm(
    scaled: Float[Tensor, "span stocks features"],
    observed: Bool[Tensor, "span stocks"],
    days: int,
    components: int,
) -> tuple[Float[Tensor, "lookback days stocks features"], Float[Tensor, "days stocks summary"]]:
    """Take the dominant cycles out of every window of a block; see :func:`take_out`. Carries no gradient.

    Args:
        scaled: the network's scaled input, 0 where not observed.
        observed: rows that exist.
        days: ranked days; the window of each ends with itself.
        components: frequencies to take out of each feature's window.

    Returns:
        The residual windows, and ``summary = 4 features`` numbers for each stock-day.
    """
    lookback = len(scaled) - days + 1
    residual = scaled.new_empty(lookback, days, *scaled.shape[1:])
    basis = fourier_basis(lookback).to(scaled)
    summaries = []
    # In full precision: what is left under a large cycle would drown in bfloat16's rounding.
    with torch.autocast(scaled.device.type, enabled=False):
        for day in range(days):
            history = slice(day, day + lookback)
            residual[:, day], summary = take_out(scaled[history], observed[history], components, basis)
            summaries.append(summary)
    return residual, torch.stack(summaries)
