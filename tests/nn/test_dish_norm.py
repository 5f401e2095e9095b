"""Dish-TS: learned levels of any lookback, the scale about them, and gradients to their coefficients."""

import numpy as np
import pytest
import torch

from atft.nn.dish_norm import WAVES, DishNorm, cosine_basis
from atft.nn.reversible_norm import reversible_norm

SEEN = torch.ones(20, 4, dtype=torch.bool)


def learned(features: int = 3) -> DishNorm:
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


def test_a_new_one_is_reversible_normalisation() -> None:
    observed = torch.rand(20, 4) > 0.3
    window = (2 + torch.randn(20, 4, 3)) * observed[..., None]
    plain, new = reversible_norm(window, observed), DishNorm(3)(window, observed)
    torch.testing.assert_close(new.residual, plain.residual)
    level, log_scale = plain.summary.reshape(4, 2, 3).unbind(1)
    torch.testing.assert_close(
        new.summary.reshape(4, 4, 3), torch.stack((level, level, log_scale, log_scale), 1)
    )


def test_levels_scales_and_residual_are_those_of_numpy() -> None:
    norm = learned()
    observed = torch.rand(20, 4) > 0.3
    window = (2 + torch.randn(20, 4, 3)) * observed[..., None]
    residual, summary = (part.detach() for part in norm(window, observed))
    told = summary.reshape(4, 2, 2, 3).numpy()  # stock, level or log scale, window or horizon, feature
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
            np.testing.assert_allclose(told[stock, 0, pair], level, atol=1e-4)
            np.testing.assert_allclose(told[stock, 1, pair], np.log(scale), atol=1e-4)
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
    norm, observed = learned(), torch.rand(20, 4) > 0.3
    window = torch.randn(20, 4, 3) * observed[..., None]
    plain, moved = norm(window, observed), norm((window + 2) * observed[..., None], observed)
    torch.testing.assert_close(moved.residual, plain.residual, atol=1e-3, rtol=1e-3)
    change = (moved.summary - plain.summary).reshape(4, 2, 2, 3)
    torch.testing.assert_close(change[:, 0], torch.full((4, 2, 3), 2.0), atol=1e-4, rtol=1e-4)
    assert change[:, 1].abs().max() < 1e-3


def test_both_levels_are_taught() -> None:
    norm = DishNorm(3)
    residual, summary = norm(torch.randn(20, 4, 3), SEEN)
    (residual[-1].sum() + summary.square().sum()).backward()
    assert norm.coefficient.grad is not None and (norm.coefficient.grad.abs() > 0).all()


def test_what_was_learned_at_one_lookback_serves_another() -> None:
    norm = learned(1)
    for lookback in (20, 60):
        ramp = torch.linspace(0, 1, lookback)[:, None, None]
        level = norm(ramp, torch.ones(lookback, 1, dtype=torch.bool)).summary[0, 0]
        if lookback == 20:
            first = level
    torch.testing.assert_close(level, first, atol=0.02, rtol=0.05)
