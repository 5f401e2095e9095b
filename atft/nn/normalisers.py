"""Four normalisations of a window: RevIN, Dish-TS, SAN and FAN, each over one feature of one stock at a time.

All take a window of scaled features [lookback, stocks, features], 0 where not observed, and the days that were
observed; their statistics count these days only. All return the residual in units of its own scale, 0 on days not
observed, and per feature the statistics that were taken out. A constant series, and a stock that was never
observed, leave a residual of 0; a scale never reaches 0, so it divides cleanly and has a gradient.

Measured against each other and against none: EXPERIMENTS.md, 2026-11-21. FAN helps where the simulated market has
cycles; on real prices no member is established.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

MIN_SCALE = 1e-2
"""Least scale of a residual: below a hundredth of an IQR it is rounding, not a signal."""
SLICES = 4
"""Slices of a window in SAN. A fixed number, not a length, gives every lookback as many statistics."""
TIE = 1e-5
"""Frequencies whose powers differ by less than this share tie: float32 leaves a tenth of it between equal ones."""
WAVES = 3
"""Cosines that a Dish-TS level is made of: half a turn, one, and one and a half over the window."""

Window = Float[Tensor, "lookback stocks features"]
Observed = Bool[Tensor, "lookback stocks"]


class NormalisedWindow(NamedTuple):
    """A window in units of its own scale, and the statistics that were taken out."""

    residual: Window
    summary: Float[Tensor, "stocks summary"]
    """Levels, cycles and log scales: one number after the other, all features of each."""


def reversible_norm(window: Window, observed: Observed) -> NormalisedWindow:
    """RevIN: subtract each series' mean and divide by its standard deviation; the summary is mean and log scale.

    The paper's learned affine is left out: the linear map that reads the residual has a gain per feature, and
    biases of the encoder and the heads hold a shift. What the paper adds back at its output goes to the head as
    numbers.

    Paper: Kim et al. 2022, "Reversible Instance Normalization for Accurate Time-Series Forecasting against
    Distribution Shift", section 3.
    """
    present, count = presence(observed, window.dtype)
    centred, level = subtract_mean(window, present, count)
    scale = _scale_of(centred.square().sum(0) / count)
    return NormalisedWindow(centred / scale, torch.cat((level, scale.log()), dim=-1))


def slice_norm(window: Window, observed: Observed) -> NormalisedWindow:
    """SAN: normalise each quarter of the window by its own mean and standard deviation.

    A slice with one observed day leaves 0; of a slice with none, level and log scale are 0. The summary is each
    slice's mean, then each slice's log scale, oldest first. Where the paper predicts the next slice's statistics
    with a network of its own, here the head reads all slices' statistics, which needs no second objective.

    Paper: Liu et al. 2023, "Adaptive Normalization for Non-stationary Time Series Forecasting: A Temporal Slice
    Perspective", section 3.2.
    """
    lookback, stocks, features = window.shape
    number = slice_of_day(lookback, window.device)
    present = observed[..., None].to(window.dtype)
    # Sums by slice are one small matrix product over the window.
    member = nn.functional.one_hot(number, SLICES).T.to(window.dtype)
    days = (member @ present.flatten(1))[..., None]

    def mean(values: Tensor) -> Tensor:
        return (member @ values.flatten(1)).reshape(SLICES, stocks, features) / days.clamp(min=1)

    level = mean(window)
    centred = (window - level[number]) * present
    scale = _scale_of(mean(centred.square()))
    log_scale = torch.where(days > 0, scale.log(), 0)
    return NormalisedWindow(centred / scale[number], _by_stock(level, log_scale))


def slice_of_day(lookback: int, device: torch.device | None = None) -> Int[Tensor, " lookback"]:
    """Number each day's slice, 0 the oldest, counted back from the last day: a short window lacks the oldest."""
    days_ago = torch.arange(lookback - 1, -1, -1, device=device)
    return SLICES - 1 - days_ago * SLICES // lookback


class DishNorm(nn.Module):
    """Dish-TS: subtract each series' learned level and divide by the root mean square about it.

    Two levels are learned, of the window and of what comes after it: ``level = mean + sum_k c_k a_k``, ``a_k``
    the cosine coefficients of the centred window (the paper learns a weight per feature and day). So parameters do
    not depend on the lookback, unobserved days drop out, and a shifted series has a shifted level. ``c = 0`` is
    RevIN, where training starts (and where weight decay returns to); ``c_k = (-1)^k`` reads the smoothed value of
    the last day; larger ones extrapolate. The paper's activation on the level is left out, since scaled features
    have both signs. The summary is both levels, then the log scales about them.

    Args:
        n_features: features per row; each has its own coefficients.

    Paper: Fan et al. 2023, "Dish-TS: A General Paradigm for Alleviating Distribution Shift in Time Series
    Forecasting", section 4.
    """

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.coefficient = nn.Parameter(torch.zeros(2, WAVES, n_features))

    def forward(self, window: Window, observed: Observed) -> NormalisedWindow:
        lookback, stocks, features = window.shape
        present, count = presence(observed, window.dtype)
        centred, mean = subtract_mean(window, present, count)
        basis = cosine_basis(lookback, window.device).to(window.dtype)
        wave = (basis @ centred.flatten(1)).reshape(WAVES, stocks, features) * (2 / count)
        # p: the window's level, then the level of what comes after it.
        shift = torch.einsum("pwf,wsf->psf", self.coefficient, wave)
        # The mean square about a shifted level follows from the variance: the window is not read again.
        scale = _scale_of(centred.square().sum(0) / count + shift.square())
        residual = (centred - shift[0] * present) / scale[0]
        return NormalisedWindow(residual, _by_stock(mean + shift, scale.log()))


def cosine_basis(lookback: int, device: torch.device | None = None) -> Float[Tensor, "waves lookback"]:
    """Build the cosines ``cos(pi k (t + 1/2) / lookback)``; each sums to 0 over the window.

    Waves that are as fast as the window is short would not sum to 0: these rows are 0.
    """
    position = (torch.arange(lookback, device=device) + 0.5) / lookback
    wave = torch.arange(1, WAVES + 1, device=device)[:, None]
    return (math.pi * wave * position).cos() * (wave < lookback)


class FourierMatrices(NamedTuple):
    """What FAN multiplies a window by; made once for all windows of a block."""

    analysis: Float[Tensor, "waves lookback"]
    """From a window to the coefficients of its cosines, then of its sines."""
    synthesis: Float[Tensor, "lookback waves"]
    """And back."""
    tie: Float[Tensor, "frequencies 1"]
    """What each frequency's power counts: of those that tie, the slowest counts most."""

    @classmethod
    def of(cls, lookback: int, dtype: torch.dtype, device: torch.device) -> "FourierMatrices":
        basis = fourier_basis(lookback, device).to(dtype)
        half = len(basis) // 2
        # A cosine's mean square is a half, the alternating wave's is 1.
        gain = torch.full_like(basis[:, :1], 2.0)
        if lookback % 2 == 0:
            gain[half - 1], gain[-1] = 1.0, 0.0
        tie = torch.linspace(1, 1 - TIE * half, half, device=device, dtype=dtype)[:, None]
        return cls(gain * basis, basis.T, tie)


def frequency_norm(
    window: Window, observed: Observed, components: int = 2, waves: FourierMatrices | None = None
) -> NormalisedWindow:
    r"""FAN: subtract each series' mean and dominant cycles, and divide the rest by its root mean square.

    With ``x`` less its mean, ``a_k, b_k = 2/n sum_t x_t (cos, sin)(2 pi k t / L)``, the ``components`` largest
    ``a_k^2 + b_k^2`` are subtracted as ``a_k cos + b_k sin``; of those that tie, the slowest. Cycles that close
    within the window leave nothing behind where all days are observed. The summary is the mean, the cycles' value
    today and a quarter of a cycle away (amplitude and Fourier phase), and the log scale.

    A fixed DFT as a matrix product: at 112 features and lookback 60 it is 0.8 M multiply-adds a stock-day, 2.5 % of
    an LSTM at hidden size 256.

    Of the frequencies one is always left. A third component took signal with it (EXPERIMENTS.md), hence two.
    ``waves`` are those of the lookback, where they have been made for other windows before.

    Paper: Ye et al. 2024, "Frequency Adaptive Normalization For Non-stationary Time Series Forecasting".
    """
    lookback, stocks, features = window.shape
    present, count = presence(observed, window.dtype)
    centred, level = subtract_mean(window, present, count)
    if waves is None:
        waves = FourierMatrices.of(lookback, window.dtype, window.device)
    half = len(waves.tie)
    # All stocks and features in one product.
    wave = (waves.analysis @ centred.flatten(1)).reshape(2, half, stocks * features)
    with torch.no_grad():
        power = wave[0].square().addcmul_(wave[1], wave[1])
        # All tie where a series is 0 on all days but one: rounding must not choose, another machine's is another.
        power.mul_(waves.tie)
        chosen = dominant(power, min(components, max(half - 1, 0)))
        chosen = chosen.reshape(half, stocks, features).div_(count)
    wave = (wave.reshape(2, half, stocks, features) * chosen).flatten(2)
    # The way back is the same matrix, transposed.
    rest = torch.addmm(centred.flatten(1), waves.synthesis, wave.flatten(0, 1), alpha=-1)
    residual = rest.reshape(window.shape).mul_(present)
    scale = _scale_of(residual.square().sum(0) / count)
    # On the last day every cosine is 1 and every sine 0: a sum over the chosen waves is their value there.
    today, quarter = wave.sum(1).reshape(2, stocks, features)
    return NormalisedWindow(residual * (1 / scale), torch.cat((level, today, quarter, scale.log()), dim=-1))


def fourier_basis(lookback: int, device: torch.device | None = None) -> Float[Tensor, "waves lookback"]:
    """Build cosines, then sines, of the window's own frequencies without the level: ``2 (lookback // 2)`` waves.

    The Fourier phase is counted from the last day: there every cosine is 1 and every sine 0.
    """
    # Made on the device: a copy from the CPU would wait for it.
    frequency = torch.arange(1, lookback // 2 + 1, dtype=torch.float64, device=device)
    days_ago = torch.arange(lookback, dtype=torch.float64, device=device) - (lookback - 1)
    angle = 2 * math.pi / lookback * frequency[:, None] * days_ago
    return torch.cat((angle.cos(), angle.sin())).float()


def dominant(power: Float[Tensor, "frequencies series"], count: int) -> Float[Tensor, "frequencies series"]:
    """Mark each series' ``count`` strongest frequencies by 1 (all that tie with the last of them), others by 0.

    Numbers and not booleans: the passes over booleans took longer than the rest of FAN without its products.
    """
    if count == 0:
        return torch.zeros_like(power)
    # Repeated maxima beat a sort along this axis: they are vectorised over the series.
    rest, mark = power, torch.empty_like(power)
    for _ in range(count - 1):
        rest = rest * torch.lt(rest, rest.amax(0), out=mark)
    return torch.ge(power, rest.amax(0), out=mark)


def presence(
    observed: Observed, dtype: torch.dtype
) -> tuple[Float[Tensor, "lookback stocks 1"], Float[Tensor, "stocks 1"]]:
    """Return 1 for each observed day and 0 for others, and each stock's observed days, at least 1."""
    present = observed[..., None].to(dtype)
    return present, present.sum(0).clamp(min=1)


def subtract_mean(
    window: Window, present: Float[Tensor, "lookback stocks 1"], count: Float[Tensor, "stocks 1"]
) -> tuple[Window, Float[Tensor, "stocks features"]]:
    """Subtract each series' mean over its observed days (0 stays on the others); also return that mean."""
    level = window.sum(0) / count
    return torch.addcmul(window, level, present, value=-1), level


def _scale_of(variance: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Root of a variance, never less than :data:`MIN_SCALE`, with a finite slope everywhere."""
    return (variance + MIN_SCALE**2).sqrt()


def _by_stock(*statistics: Float[Tensor, "numbers stocks features"]) -> Float[Tensor, "stocks summary"]:
    return torch.cat(statistics).permute(1, 0, 2).flatten(1)
