"""SAN: four slices that end with the window, each brought to its own level and scale; all statistics are told."""

import numpy as np
import pytest
import torch

from atft.nn.slice_norm import SLICES, slice_norm, slice_of_day


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
def test_the_residual_and_the_summary_are_those_of_numpy(lookback: int) -> None:
    observed = torch.rand(lookback, 5) > 0.3
    window = (3 + torch.randn(lookback, 5, 2)) * observed[..., None]
    residual, summary = slice_norm(window, observed)
    told = summary.reshape(5, 2, SLICES, 2)
    # What does not divide by four makes the latest slice a day longer.
    slices = [part[::-1].copy() for part in np.array_split(np.arange(lookback)[::-1], SLICES)][::-1]
    for stock in range(5):
        for slice_, part in enumerate(slices):
            days = part[observed[part, stock].numpy()]
            if len(days) == 0:
                assert (told[stock, :, slice_] == 0).all()
                continue
            seen = window[days, stock].numpy()
            mean, std = seen.mean(0), np.sqrt(seen.var(0) + 1e-4)
            np.testing.assert_allclose(residual[days, stock], (seen - mean) / std, atol=1e-3)
            np.testing.assert_allclose(told[stock, 0, slice_], mean, atol=1e-5)
            np.testing.assert_allclose(told[stock, 1, slice_], np.log(std), atol=1e-3)


def test_a_slice_without_an_observed_day_tells_zeros() -> None:
    observed = torch.ones(20, 1, dtype=torch.bool)
    observed[5:10] = False
    window = (4 + torch.randn(20, 1, 1)) * observed[..., None]
    residual, summary = slice_norm(window, observed)
    told = summary.reshape(2, SLICES)
    assert (told[:, 1] == 0).all() and (told[0, [0, 2, 3]] > 2).all()
    assert (residual[5:10] == 0).all()


def test_levels_that_step_from_slice_to_slice_are_gone_and_told() -> None:
    torch.manual_seed(0)
    steps = torch.tensor([0.0, 3.0, -2.0, 7.0]).repeat_interleave(5)[:, None, None]
    noise = torch.randn(20, 1, 1)
    residual, summary = slice_norm(steps + noise, torch.ones(20, 1, dtype=torch.bool))
    assert residual.reshape(SLICES, 5).mean(1).abs().max() < 1e-5
    assert summary.reshape(2, SLICES)[0].argsort().tolist() == [2, 0, 1, 3]
