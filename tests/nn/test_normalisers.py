"""Each member against numpy, with days missing; what it takes out; the shortest windows."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from atft.nn.normalisers import (
    MIN_SCALE,
    SLICES,
    WAVES,
    DishNorm,
    cosine_basis,
    dominant,
    fourier_basis,
    frequency_norm,
    presence,
    reversible_norm,
    slice_norm,
    slice_of_day,
    subtract_mean,
)

ALL_OBSERVED = torch.ones(20, 1, dtype=torch.bool)


def test_the_mean_is_that_of_the_observed_days() -> None:
    observed = torch.rand(9, 4) > 0.4
    window = torch.randn(9, 4, 3) * observed[..., None]
    centred, level = subtract_mean(window, *presence(observed, window.dtype))
    for stock in range(4):
        seen = window[observed[:, stock], stock].numpy()
        np.testing.assert_allclose(level[stock], seen.mean(0), atol=1e-6)
        np.testing.assert_allclose(centred[observed[:, stock], stock], seen - seen.mean(0), atol=1e-6)
    assert (centred[~observed] == 0).all()


@pytest.mark.parametrize("member", [reversible_norm, slice_norm, DishNorm(3), frequency_norm])
def test_a_stock_that_was_observed_once_or_never_leaves_no_residual(member: Callable[..., Any]) -> None:
    observed = torch.zeros(20, 2, dtype=torch.bool)
    observed[13, 1] = True
    window = torch.full((20, 2, 3), 4.0) * observed[..., None]
    residual, summary = member(window, observed)
    assert residual.abs().max() < 1e-6
    level = summary[1].reshape(-1, 3)[2 if member is slice_norm else 0]
    torch.testing.assert_close(level, torch.full((3,), 4.0))
    assert summary.isfinite().all() and (summary[0].reshape(-1, 3)[0] == 0).all()


def test_a_scale_ends_at_its_least_value_with_a_finite_slope() -> None:
    window = torch.tensor([0.0, 1e-6, 2.0]) * torch.tensor([-1.0, 1.0])[:, None, None]
    window.requires_grad_()
    _, summary = reversible_norm(window, torch.ones(2, 1, dtype=torch.bool))
    scale = summary[0, 3:].exp()
    np.testing.assert_allclose(scale.detach(), [MIN_SCALE, MIN_SCALE, 2.0], rtol=1e-4)
    scale.sum().backward()
    assert window.grad is not None and window.grad.isfinite().all()


def test_the_residual_and_the_summary_of_revin_are_those_of_numpy() -> None:
    observed = torch.rand(20, 5) > 0.3
    window = (3 + 2 * torch.randn(20, 5, 4)) * observed[..., None]
    residual, summary = reversible_norm(window, observed)
    level, log_scale = summary.reshape(5, 2, 4).unbind(1)
    for stock in range(5):
        seen = window[observed[:, stock], stock].numpy()
        mean, std = seen.mean(0), seen.std(0)
        np.testing.assert_allclose(residual[observed[:, stock], stock], (seen - mean) / std, atol=1e-3)
        np.testing.assert_allclose(level[stock], mean, atol=1e-5)
        np.testing.assert_allclose(log_scale[stock], np.log(std), atol=1e-3)


def test_shifting_and_stretching_a_series_changes_the_summary_only() -> None:
    observed, window = torch.ones(20, 3, dtype=torch.bool), torch.randn(20, 3, 2)
    plain, moved = reversible_norm(window, observed), reversible_norm(5 + 3 * window, observed)
    torch.testing.assert_close(moved.residual, plain.residual, atol=1e-3, rtol=1e-3)
    assert not torch.allclose(moved.summary, plain.summary, atol=0.5)


def test_a_gain_per_feature_is_already_in_the_map_that_reads_the_residual() -> None:
    residual, _ = reversible_norm(torch.randn(6, 3, 4), torch.ones(6, 3, dtype=torch.bool))
    weight, gain = torch.randn(8, 4), torch.rand(4)
    torch.testing.assert_close((residual * gain) @ weight.T, residual @ (weight * gain).T)


@pytest.mark.parametrize("lookback", [4, 7, 20, 22, 60])
def test_slices_cover_the_window_without_overlap_in_nearly_equal_parts(lookback: int) -> None:
    number = slice_of_day(lookback)
    assert (number.diff() >= 0).all() and set(number.tolist()) == set(range(SLICES))
    sizes = number.bincount()
    assert sizes.sum() == lookback and sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize("lookback", [1, 2, 3])
def test_the_last_day_is_in_the_last_slice_of_the_shortest_window(lookback: int) -> None:
    number = slice_of_day(lookback)
    assert number[-1] == SLICES - 1 and len(number.unique()) == lookback


@pytest.mark.parametrize("lookback", [20, 21])
def test_the_residual_and_the_summary_of_san_are_those_of_numpy(lookback: int) -> None:
    observed = torch.rand(lookback, 5) > 0.3
    window = (3 + torch.randn(lookback, 5, 2)) * observed[..., None]
    residual, summary = slice_norm(window, observed)
    numbers = summary.reshape(5, 2, SLICES, 2)
    # What does not divide by four makes the latest slice a day longer.
    slices = [part[::-1].copy() for part in np.array_split(np.arange(lookback)[::-1], SLICES)][::-1]
    for stock in range(5):
        for slice_, part in enumerate(slices):
            days = part[observed[part, stock].numpy()]
            if len(days) == 0:
                assert (numbers[stock, :, slice_] == 0).all()
                continue
            seen = window[days, stock].numpy()
            mean, std = seen.mean(0), np.sqrt(seen.var(0) + 1e-4)
            np.testing.assert_allclose(residual[days, stock], (seen - mean) / std, atol=1e-3)
            np.testing.assert_allclose(numbers[stock, 0, slice_], mean, atol=1e-5)
            np.testing.assert_allclose(numbers[stock, 1, slice_], np.log(std), atol=1e-3)


def test_a_slice_without_an_observed_day_has_zeros() -> None:
    observed = torch.ones(20, 1, dtype=torch.bool)
    observed[5:10] = False
    window = (4 + torch.randn(20, 1, 1)) * observed[..., None]
    residual, summary = slice_norm(window, observed)
    numbers = summary.reshape(2, SLICES)
    assert (numbers[:, 1] == 0).all() and (numbers[0, [0, 2, 3]] > 2).all()
    assert (residual[5:10] == 0).all()


def test_levels_that_step_from_slice_to_slice_are_removed_and_in_the_summary() -> None:
    torch.manual_seed(0)
    steps = torch.tensor([0.0, 3.0, -2.0, 7.0]).repeat_interleave(5)[:, None, None]
    noise = torch.randn(20, 1, 1)
    residual, summary = slice_norm(steps + noise, torch.ones(20, 1, dtype=torch.bool))
    assert residual.reshape(SLICES, 5).mean(1).abs().max() < 1e-5
    assert summary.reshape(2, SLICES)[0].argsort().tolist() == [2, 0, 1, 3]


def learned_norm(features: int = 3) -> DishNorm:
    norm = DishNorm(features)
    torch.nn.init.normal_(norm.coefficient)
    return norm


@pytest.mark.parametrize("lookback", [4, 20, 61])
def test_every_cosine_sums_to_zero_and_stands_alone(lookback: int) -> None:
    basis = cosine_basis(lookback)
    np.testing.assert_allclose(basis.sum(1), 0, atol=1e-4)
    np.testing.assert_allclose(basis @ basis.T, lookback / 2 * np.eye(WAVES), atol=1e-4)


@pytest.mark.parametrize("lookback", [1, 2, 3])
def test_a_short_window_leaves_out_the_cosines_that_it_cannot_hold(lookback: int) -> None:
    basis = cosine_basis(lookback)
    assert (basis[lookback - 1 :] == 0).all() and basis.sum(1).abs().max() < 1e-6


def test_a_new_dish_norm_is_reversible_normalisation() -> None:
    observed = torch.rand(20, 4) > 0.3
    window = (2 + torch.randn(20, 4, 3)) * observed[..., None]
    plain, new = reversible_norm(window, observed), DishNorm(3)(window, observed)
    torch.testing.assert_close(new.residual, plain.residual)
    level, log_scale = plain.summary.reshape(4, 2, 3).unbind(1)
    torch.testing.assert_close(
        new.summary.reshape(4, 4, 3), torch.stack((level, level, log_scale, log_scale), 1)
    )


def test_levels_scales_and_residual_are_those_of_numpy() -> None:
    norm = learned_norm()
    observed = torch.rand(20, 4) > 0.3
    window = (2 + torch.randn(20, 4, 3)) * observed[..., None]
    residual, summary = (part.detach() for part in norm(window, observed))
    numbers = summary.reshape(4, 2, 2, 3).numpy()  # stock, level or log scale, window or horizon, feature
    position = (np.arange(20) + 0.5) / 20
    for stock in range(4):
        days = observed[:, stock].numpy()
        seen = window[days, stock].numpy()
        mean = seen.mean(0)
        for pair in range(2):
            level = mean.copy()
            for wave in range(WAVES):
                cosine = np.cos(np.pi * (wave + 1) * position[days])[:, None]
                amplitude = 2 * (cosine * (seen - mean)).mean(0)
                level += norm.coefficient[pair, wave].detach().numpy() * amplitude
            scale = np.sqrt(((seen - level) ** 2).mean(0) + 1e-4)
            np.testing.assert_allclose(numbers[stock, 0, pair], level, atol=1e-4)
            np.testing.assert_allclose(numbers[stock, 1, pair], np.log(scale), atol=1e-4)
            if pair == 0:
                np.testing.assert_allclose(residual[days, stock], (seen - level) / scale, atol=1e-3)


def test_alternating_coefficients_read_the_smoothed_last_day() -> None:
    norm = DishNorm(1)
    with torch.no_grad():
        norm.coefficient[1] = torch.tensor([-1.0, 1.0, -1.0])[:, None]
    trend = torch.linspace(0, 1, 60)[:, None, None]
    _, summary = norm(trend, torch.ones(60, 1, dtype=torch.bool))
    mean, smoothed = summary[0, :2].tolist()
    assert mean == pytest.approx(0.5, abs=1e-3) and 0.9 < smoothed < 1.1


def test_a_shifted_series_has_shifted_levels_whatever_was_learned_and_whatever_is_missing() -> None:
    norm, observed = learned_norm(), torch.rand(20, 4) > 0.3
    window = torch.randn(20, 4, 3) * observed[..., None]
    plain, moved = norm(window, observed), norm((window + 2) * observed[..., None], observed)
    torch.testing.assert_close(moved.residual, plain.residual, atol=1e-3, rtol=1e-3)
    change = (moved.summary - plain.summary).reshape(4, 2, 2, 3)
    torch.testing.assert_close(change[:, 0], torch.full((4, 2, 3), 2.0), atol=1e-4, rtol=1e-4)
    assert change[:, 1].abs().max() < 1e-3


def test_both_levels_have_a_gradient() -> None:
    norm = DishNorm(3)
    residual, summary = norm(torch.randn(20, 4, 3), torch.ones(20, 4, dtype=torch.bool))
    (residual[-1].sum() + summary.square().sum()).backward()
    assert norm.coefficient.grad is not None and (norm.coefficient.grad.abs() > 0).all()


def test_what_was_learned_at_one_lookback_serves_another() -> None:
    norm = learned_norm(1)
    for lookback in (20, 60):
        ramp = torch.linspace(0, 1, lookback)[:, None, None]
        level = norm(ramp, torch.ones(lookback, 1, dtype=torch.bool)).summary[0, 0]
        if lookback == 20:
            first = level
    torch.testing.assert_close(level, first, atol=0.02, rtol=0.05)


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
@pytest.mark.parametrize("options", [{"components": 1}, {}, {"components": 3}])
def test_the_residual_of_fan_is_what_numpy_leaves(lookback: int, options: dict[str, int]) -> None:
    window = torch.randn(lookback, 6, 4)
    residual, _ = frequency_norm(window, torch.ones(lookback, 6, dtype=torch.bool), **options)
    components = options.get("components", 2)
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


def test_with_days_missing_residual_and_summary_of_fan_are_those_of_numpy() -> None:
    observed = torch.rand(20, 6) > 0.3
    window = (2 + torch.randn(20, 6, 3)) * observed[..., None]
    residual, summary = frequency_norm(window, observed, components=2)
    numbers = summary.reshape(6, 4, 3).numpy()
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
        np.testing.assert_allclose(numbers[stock, :, feature], expected, atol=1e-4)


def test_a_small_value_under_two_large_cycles_is_visible_today() -> None:
    torch.manual_seed(0)
    stocks = 400
    covered = torch.randn(20, stocks, 1)
    waves = torch.zeros(20, stocks)
    for stock in range(stocks):
        first, second = np.random.default_rng(stock).permutation(np.arange(1, 10))[:2]
        waves[:, stock] = cycle(20, int(first), 5.0, stock) + cycle(20, int(second), 4.0, 2 * stock)
    window = covered + waves[..., None]
    residual, _ = frequency_norm(window, ALL_OBSERVED.expand(20, stocks), components=2)
    plain = torch.corrcoef(torch.stack((window[-1, :, 0], covered[-1, :, 0])))[0, 1]
    uncovered = torch.corrcoef(torch.stack((residual[-1, :, 0], covered[-1, :, 0])))[0, 1]
    assert uncovered > 0.8 > 0.4 > plain


def test_the_summary_has_level_amplitude_and_fourier_phase() -> None:
    window = (3.0 + cycle(20, 4, 2.0, 0.7))[:, None, None] + 1e-6 * torch.randn(20, 1, 1)
    _, summary = frequency_norm(window, ALL_OBSERVED, components=1)
    level, today, quarter, log_scale = summary[0].tolist()
    assert level == pytest.approx(3.0, abs=1e-3)
    assert today == pytest.approx(2.0 * math.cos(0.7), abs=1e-3)
    assert math.hypot(today, quarter) == pytest.approx(2.0, abs=1e-3)
    assert log_scale == pytest.approx(math.log(1e-2), abs=0.01)


def test_window_is_the_sum_of_level_cycles_and_residual() -> None:
    window = torch.randn(20, 3, 2)
    residual, summary = frequency_norm(window, ALL_OBSERVED.expand(20, 3), components=3)
    level, today, _, log_scale = summary.reshape(3, 4, 2).unbind(1)
    torch.testing.assert_close(level + today + residual[-1] * log_scale.exp(), window[-1])


def test_unobserved_days_do_not_count_in_the_level_of_fan() -> None:
    window, observed = torch.randn(20, 2, 3), torch.rand(20, 2) > 0.3
    window = window * observed[..., None]
    residual, summary = frequency_norm(window, observed, components=2)
    assert (residual[~observed] == 0).all()
    expected = torch.stack([window[observed[:, s], s].mean(0) for s in range(2)])
    torch.testing.assert_close(summary[:, :3], expected)


def test_of_cycles_that_tie_but_for_rounding_the_slowest_are_taken_out() -> None:
    # Each series is 0 on all days but one, so that all its frequencies have one power.
    window = torch.eye(20)[..., None] * torch.rand(3)
    residual, _ = frequency_norm(window, ALL_OBSERVED.expand(20, 20), components=2)
    spectrum = np.fft.rfft(residual.numpy(), axis=0)
    left = np.abs(spectrum) > 1e-3
    assert not left[:3].any() and left[3:].all()


@pytest.mark.parametrize("lookback", [1, 2, 3])
def test_the_shortest_windows_keep_a_frequency_or_have_none(lookback: int) -> None:
    residual, summary = frequency_norm(
        torch.randn(lookback, 4, 2), torch.ones(lookback, 4, dtype=torch.bool), 5
    )
    assert residual.isfinite().all() and summary.isfinite().all()


def test_the_strongest_frequencies_are_marked() -> None:
    power = torch.tensor([[1.0, 9.0], [5.0, 2.0], [3.0, 4.0]])
    assert dominant(power, 2).tolist() == [[0, 1], [1, 0], [1, 1]]
    assert not dominant(power, 0).any()
