"""FAN: cycles that close in the window are gone, what they told is kept, the rest becomes visible."""

import math

import numpy as np
import pytest
import torch

from atft.nn.frequency_norm import dominant, fourier_basis, frequency_norm

SEEN = torch.ones(20, 1, dtype=torch.bool)


def cycle(lookback: int, frequency: int, amplitude: float, phase: float) -> torch.Tensor:
    day = torch.arange(lookback) - (lookback - 1)
    return amplitude * (2 * math.pi * frequency * day / lookback + phase).cos()


def test_the_coefficients_are_those_of_the_fast_fourier_transform() -> None:
    x = torch.randn(20)
    basis = fourier_basis(20)
    real, imaginary = (basis @ x).reshape(2, 10)
    spectrum = np.fft.rfft(np.roll(x.numpy(), 1))[1:]  # phase counted from the last day
    np.testing.assert_allclose(real.numpy(), spectrum.real, atol=1e-4)
    np.testing.assert_allclose(imaginary.numpy()[:-1], -spectrum.imag[:-1], atol=1e-4)


@pytest.mark.parametrize("lookback", [19, 20, 60])
@pytest.mark.parametrize("components", [1, 2, 3])
def test_the_residual_is_what_numpy_leaves(lookback: int, components: int) -> None:
    window = torch.randn(lookback, 6, 4)
    residual, _ = frequency_norm(window, torch.ones(lookback, 6, dtype=torch.bool), components)
    spectrum = np.fft.rfft(window.numpy(), axis=0)
    power = np.abs(spectrum) ** 2
    power[0] = -1
    if lookback % 2 == 0:
        power[-1] /= 4  # the alternating wave's amplitude, not twice it
    spectrum[0] = 0
    np.put_along_axis(spectrum, np.argsort(power, axis=0)[-components:], 0, axis=0)
    left = np.fft.irfft(spectrum, n=lookback, axis=0)
    scale = np.sqrt((left**2).mean(0) + 1e-2**2)
    np.testing.assert_allclose(residual.numpy(), left / scale, atol=2e-4)


def test_with_days_missing_the_residual_and_what_is_told_are_those_of_numpy() -> None:
    observed = torch.rand(20, 6) > 0.3
    window = (2 + torch.randn(20, 6, 3)) * observed[..., None]
    residual, summary = frequency_norm(window, observed, components=2)
    told = summary.reshape(6, 4, 3).numpy()
    for stock, feature in np.ndindex(6, 3):
        days = observed[:, stock].numpy()
        seen = window[days, stock, feature].numpy()
        angle = 2 * np.pi * np.arange(1, 11)[:, None] * (np.flatnonzero(days) - 19) / 20
        centred = seen - seen.mean()
        a, b = (2 * (wave(angle) * centred).mean(1) for wave in (np.cos, np.sin))
        a[-1], b[-1] = a[-1] / 2, 0
        strongest = np.argsort(a**2 + b**2)[-2:]
        left = centred - sum(a[k] * np.cos(angle[k]) for k in strongest)
        left -= sum(b[k] * np.sin(angle[k]) for k in strongest)
        scale = np.sqrt((left**2).mean() + 1e-2**2)
        np.testing.assert_allclose(residual[days, stock, feature], left / scale, atol=1e-3)
        expected = (seen.mean(), a[strongest].sum(), b[strongest].sum(), np.log(scale))
        np.testing.assert_allclose(told[stock, :, feature], expected, atol=1e-4)


def test_a_small_value_under_two_large_cycles_is_visible_today() -> None:
    torch.manual_seed(0)
    stocks = 400
    covered = torch.randn(20, stocks, 1)
    waves = torch.zeros(20, stocks)
    for stock in range(stocks):
        first, second = np.random.default_rng(stock).permutation(np.arange(1, 10))[:2]
        waves[:, stock] = cycle(20, int(first), 5.0, stock) + cycle(20, int(second), 4.0, 2 * stock)
    window = covered + waves[..., None]
    residual, _ = frequency_norm(window, SEEN.expand(20, stocks), components=2)
    plain = torch.corrcoef(torch.stack((window[-1, :, 0], covered[-1, :, 0])))[0, 1]
    uncovered = torch.corrcoef(torch.stack((residual[-1, :, 0], covered[-1, :, 0])))[0, 1]
    assert uncovered > 0.8 > 0.4 > plain


def test_level_amplitude_and_phase_are_told_over_the_skip_path() -> None:
    window = (3.0 + cycle(20, 4, 2.0, 0.7))[:, None, None] + 1e-6 * torch.randn(20, 1, 1)
    _, summary = frequency_norm(window, SEEN, components=1)
    level, today, quarter, log_scale = summary[0].tolist()
    assert level == pytest.approx(3.0, abs=1e-3)
    assert today == pytest.approx(2.0 * math.cos(0.7), abs=1e-3)
    assert math.hypot(today, quarter) == pytest.approx(2.0, abs=1e-3)
    assert log_scale == pytest.approx(math.log(1e-2), abs=0.01)


def test_window_is_the_sum_of_level_cycles_and_residual() -> None:
    window = torch.randn(20, 3, 2)
    residual, summary = frequency_norm(window, SEEN.expand(20, 3), components=3)
    level, today, _, log_scale = summary.reshape(3, 4, 2).unbind(1)
    torch.testing.assert_close(level + today + residual[-1] * log_scale.exp(), window[-1])


def test_unobserved_days_do_not_count_and_leave_no_residual() -> None:
    window, observed = torch.randn(20, 2, 3), torch.rand(20, 2) > 0.3
    window = window * observed[..., None]
    residual, summary = frequency_norm(window, observed, components=2)
    assert (residual[~observed] == 0).all()
    expected = torch.stack([window[observed[:, s], s].mean(0) for s in range(2)])
    torch.testing.assert_close(summary[:, :3], expected)


@pytest.mark.parametrize("lookback", [1, 2, 3])
def test_the_shortest_windows_keep_a_frequency_or_have_none(lookback: int) -> None:
    residual, summary = frequency_norm(
        torch.randn(lookback, 4, 2), torch.ones(lookback, 4, dtype=torch.bool), 5
    )
    assert residual.isfinite().all() and summary.isfinite().all()


def test_the_strongest_frequencies_are_marked() -> None:
    power = torch.tensor([[1.0, 9.0], [5.0, 2.0], [3.0, 4.0]])
    assert dominant(power, 2).tolist() == [[False, True], [True, False], [True, True]]
    assert not dominant(power, 0).any()
