"""RevIN: mean 0 and deviation 1 over the observed days; mean and deviation are told."""

import numpy as np
import torch

from atft.nn.reversible_norm import SUMMARY_NUMBERS, reversible_norm


def test_the_residual_and_the_summary_are_those_of_numpy() -> None:
    observed = torch.rand(20, 5) > 0.3
    window = (3 + 2 * torch.randn(20, 5, 4)) * observed[..., None]
    residual, summary = reversible_norm(window, observed)
    level, log_scale = summary.reshape(5, SUMMARY_NUMBERS, 4).unbind(1)
    for stock in range(5):
        seen = window[observed[:, stock], stock].numpy()
        mean, std = seen.mean(0), seen.std(0)
        np.testing.assert_allclose(residual[observed[:, stock], stock], (seen - mean) / std, atol=1e-3)
        np.testing.assert_allclose(level[stock], mean, atol=1e-5)
        np.testing.assert_allclose(log_scale[stock], np.log(std), atol=1e-3)


def test_shifting_and_stretching_a_series_changes_what_is_told_only() -> None:
    observed, window = torch.ones(20, 3, dtype=torch.bool), torch.randn(20, 3, 2)
    plain, moved = reversible_norm(window, observed), reversible_norm(5 + 3 * window, observed)
    torch.testing.assert_close(moved.residual, plain.residual, atol=1e-3, rtol=1e-3)
    assert not torch.allclose(moved.summary, plain.summary, atol=0.5)


def test_a_gain_per_feature_is_already_in_the_map_that_reads_the_residual() -> None:
    residual, _ = reversible_norm(torch.randn(6, 3, 4), torch.ones(6, 3, dtype=torch.bool))
    weight, gain = torch.randn(8, 4), torch.rand(4)
    torch.testing.assert_close((residual * gain) @ weight.T, residual @ (weight * gain).T)
