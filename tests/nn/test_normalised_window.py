"""Moments count observed days only, and a scale never reaches 0."""

import numpy as np
import torch

from atft.nn.normalised_window import FLOOR, centre, days_observed, scale_of


def test_the_mean_is_that_of_the_observed_days() -> None:
    observed = torch.rand(9, 4) > 0.4
    window = torch.randn(9, 4, 3) * observed[..., None]
    centred, level = centre(window, observed)
    for stock in range(4):
        seen = window[observed[:, stock], stock].numpy()
        np.testing.assert_allclose(level[stock], seen.mean(0), atol=1e-6)
        np.testing.assert_allclose(centred[observed[:, stock], stock], seen - seen.mean(0), atol=1e-6)
    assert (centred[~observed] == 0).all()


def test_a_stock_without_a_day_counts_one_so_that_nothing_divides_by_zero() -> None:
    observed = torch.tensor([[True, False], [True, False]])
    assert days_observed(observed, torch.ones(1)).tolist() == [[2.0], [1.0]]


def test_a_scale_ends_at_the_floor_with_a_finite_slope() -> None:
    variance = torch.tensor([0.0, 1e-12, 4.0], requires_grad=True)
    scale = scale_of(variance)
    np.testing.assert_allclose(scale.detach(), [FLOOR, FLOOR, 2.0], rtol=1e-4)
    scale.sum().backward()
    assert variance.grad is not None and variance.grad.isfinite().all()
