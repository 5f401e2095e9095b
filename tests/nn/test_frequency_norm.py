"""FAN: cycles that close in the window are gone, what they told is kept, the rest becomes visible."""

import math

import numpy as np
import pytest
import torch

from atft.nn.frequency_norm import dominant, fourier_basis, frequency_norm, take_out

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
    residual, _ = take_out(window, torch.ones(lookback, 6, dtype=torch.bool), components)
    spectrum = np.fft.rfft(window.numpy(), axis=0)
    power = np.abs(spectrum) ** 2
    power[0] = -1
    if lookback % 2 == 0:
        power[-1] /= 4  # the alternating wave's amplitude, not twice it
    spectrum[0] = 0
    np.put_along_axis(spectrum, np.argsort(power, axis=0)[-components:], 0, axis=0)
    left = np.fft.irfft(spectrum, n=lookback, axis=0)
    scale = np.sqrt((left**2).mean(0)) + 1e-2
    np.testing.assert_allclose(residual.numpy(), left / scale, atol=2e-4)


def test_a_small_value_under_two_large_cycles_is_visible_today() -> None:
    torch.manual_seed(0)
    stocks = 400
    covered = torch.randn(20, stocks, 1)
    waves = torch.zeros(20, stocks)
    for stock in range(stocks):
        first, second = np.random.default_rng(stock).permutation(np.arange(1, 10))[:2]
        waves[:, stock] = cycle(20, int(first), 5.0, stock) + cycle(20, int(second), 4.0, 2 * stock)
    window = covered + waves[..., None]
    residual, _ = take_out(window, SEEN.expand(20, stocks), components=2)
    plain = torch.corrcoef(torch.stack((window[-1, :, 0], covered[-1, :, 0])))[0, 1]
    uncovered = torch.corrcoef(torch.stack((residual[-1, :, 0], covered[-1, :, 0])))[0, 1]
    assert uncovered > 0.8 > 0.4 > plain


def test_level_amplitude_and_phase_are_told_over_the_skip_path() -> None:
    window = (3.0 + cycle(20, 4, 2.0, 0.7))[:, None, None] + 1e-6 * torch.randn(20, 1, 1)
    _, summary = take_out(window, SEEN, components=1)
    level, today, quarter, log_scale = summary[0].tolist()
    assert level == pytest.approx(3.0, abs=1e-3)
    assert today == pytest.approx(2.0 * math.cos(0.7), abs=1e-3)
    assert math.hypot(today, quarter) == pytest.approx(2.0, abs=1e-3)
    assert log_scale == pytest.approx(math.log(1e-2), abs=0.01)


def test_window_is_the_sum_of_level_cycles_and_residual() -> None:
    window = torch.randn(20, 3, 2)
    residual, summary = take_out(window, SEEN.expand(20, 3), components=3)
    level, today, _, log_scale = summary.reshape(3, 4, 2).unbind(1)
    torch.testing.assert_close(level + today + residual[-1] * log_scale.exp(), window[-1])


def test_a_constant_window_leaves_nothing_and_stays_finite() -> None:
    residual, summary = take_out(torch.full((20, 1, 1), 4.0), SEEN, components=2)
    assert residual.abs().max() < 1e-3
    assert summary.isfinite().all()


def test_unobserved_days_do_not_count_and_leave_no_residual() -> None:
    window, observed = torch.randn(20, 2, 3), torch.rand(20, 2) > 0.3
    window = window * observed[..., None]
    residual, summary = take_out(window, observed, components=2)
    assert (residual[~observed] == 0).all()
    expected = torch.stack([window[observed[:, s], s].mean(0) for s in range(2)])
    torch.testing.assert_close(summary[:, :3], expected)


def test_a_stock_never_observed_gives_finite_zeros() -> None:
    residual, summary = take_out(torch.zeros(20, 1, 2), torch.zeros(20, 1, dtype=torch.bool), components=2)
    assert (residual == 0).all() and summary.isfinite().all()


@pytest.mark.parametrize("lookback", [1, 2, 3])
def test_the_shortest_windows_keep_a_frequency_or_have_none(lookback: int) -> None:
    residual, summary = take_out(torch.randn(lookback, 4, 2), torch.ones(lookback, 4, dtype=torch.bool), 5)
    assert residual.isfinite().all() and summary.isfinite().all()


def test_the_strongest_frequencies_are_marked() -> None:
    power = torch.tensor([[1.0, 9.0], [5.0, 2.0], [3.0, 4.0]])
    assert dominant(power, 2).tolist() == [[False, True], [True, False], [True, True]]
    assert not dominant(power, 0).any()


def test_the_last_position_depends_on_every_day_of_the_window() -> None:
    window, seen = torch.randn(12, 1, 1), torch.ones(12, 1, dtype=torch.bool)
    slope = torch.autograd.functional.jacobian(lambda w: take_out(w, seen, 2)[0][-1, 0, 0], window)
    assert (slope.abs() > 1e-6).all()


def test_each_day_of_a_block_sees_its_own_window_only() -> None:
    scaled, observed = torch.randn(12, 3, 2), torch.ones(12, 3, dtype=torch.bool)
    residual, summary = frequency_norm(scaled, observed, days=3, components=2)
    assert residual.shape == (10, 3, 3, 2) and summary.shape == (3, 3, 8)
    for day in range(3):
        alone, told = take_out(scaled[day : day + 10], observed[day : day + 10], 2)
        torch.testing.assert_close(residual[:, day], alone)
        torch.testing.assert_close(summary[day], told)


def test_full_precision_is_kept_under_autocast() -> None:
    scaled, observed = torch.randn(12, 3, 2), torch.ones(12, 3, dtype=torch.bool)
    with torch.autocast("cpu", torch.bfloat16):
        inside, _ = frequency_norm(scaled, observed, days=3, components=2)
    assert torch.equal(inside, frequency_norm(scaled, observed, days=3, components=2)[0])
