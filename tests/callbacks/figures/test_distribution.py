"""Shapes are counted in deviations of the day, and quantiles that keep their word lie on the diagonal."""

import math

import numpy as np
import pytest
import torch

from atft.callbacks.figures.distribution import (
    BINS,
    MAX_DRAWN_Z,
    calibration_figure,
    calibration_sums,
    distribution_figure,
    distribution_sums,
)
from atft.cross_section import rank_normal
from atft.losses.targets import raw


def all_of(x: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(x, dtype=torch.bool)


def test_places_are_numpys_histogram_of_each_days_z_scores() -> None:
    torch.manual_seed(0)
    score, target = 0.3 * torch.randn(3, 2, 400) + 1, 0.02 * torch.randn(3, 2, 400)
    sums = distribution_sums(score, target, all_of(score))
    edges = np.linspace(-MAX_DRAWN_Z, MAX_DRAWN_Z, BINS + 1)
    for kind, values in enumerate((score, target)):
        day = values.double()
        z = (day - day.mean(-1, keepdim=True)) / day.std(-1, correction=0, keepdim=True)
        for horizon in range(2):
            expected, _ = np.histogram(z[:, horizon].clamp(-4.99, 4.99), edges)
            np.testing.assert_allclose(sums["places"][kind, horizon], expected, atol=1)
        np.testing.assert_allclose(sums["deviations"][kind], day.std(-1, correction=0).sum(0))
    assert sums["deviations"][2].tolist() == [3, 3]


def test_neither_the_level_nor_the_unit_of_a_day_moves_its_places() -> None:
    torch.manual_seed(0)
    score, target = torch.randn(2, 1, 50), torch.randn(2, 1, 50)
    moved = distribution_sums(7 * score + 3, target, all_of(score))["places"]
    assert (moved - distribution_sums(score, target, all_of(score))["places"]).abs().sum() <= 2


def test_stocks_without_a_label_and_days_that_cannot_be_ranked_count_nowhere() -> None:
    torch.manual_seed(0)
    score, target = torch.randn(2, 1, 30), torch.randn(2, 1, 30)
    valid = torch.arange(30).expand(2, 1, 30) < torch.tensor([20, 0])[:, None, None]
    sums = distribution_sums(score, target.masked_fill(~valid, math.nan), valid)
    assert sums["places"].sum(-1).flatten().tolist() == [20, 20]
    assert sums["deviations"][2].tolist() == [1]
    assert all(v.isfinite().all() for v in sums.values())


def test_collapsed_scores_show_as_one_spike_of_deviation_zero() -> None:
    sums = distribution_sums(torch.zeros(1, 1, 40), torch.randn(1, 1, 40), torch.ones(1, 1, 40) > 0)
    assert int((sums["places"][0] > 0).sum()) == 1 and float(sums["deviations"][0]) == 0
    (axis,) = distribution_figure(sums["places"], sums["deviations"], [5]).axes
    assert axis.get_title() == "5 d: std of scores 0"


def test_true_quantiles_have_their_share_of_targets_below() -> None:
    torch.manual_seed(0)
    levels = [0.1, 0.5, 0.9]
    target = 0.02 * torch.randn(4, 1, 5000)
    true = 0.02 * torch.special.ndtri(torch.tensor(levels))
    quantiles = true[None, None, :, None].expand(4, 1, 3, 5000)
    counts = calibration_sums(quantiles, target, all_of(target), raw)
    shares = counts[0, :-1] / counts[0, -1]
    np.testing.assert_allclose(shares, levels, atol=0.01)
    # Quantiles of what the objective learns from are compared with that, not with the raw return.
    counts = calibration_sums(quantiles / 0.02, target, all_of(target), rank_normal)
    np.testing.assert_allclose(counts[0, :-1] / counts[0, -1], levels, atol=0.002)


def test_calibration_counts_valid_stocks_only_and_its_title_names_the_worst_level() -> None:
    target = torch.tensor([[[0.0, 1.0, 2.0, math.nan]]])
    counts = calibration_sums(torch.full((1, 1, 2, 4), 0.5), target, target.isfinite(), raw)
    assert counts.tolist() == [[1, 1, 3]]
    (axis,) = calibration_figure(counts, [0.25, 0.9], [5]).axes
    assert axis.get_title() == "5 d: furthest off -0.567, at 0.9"
    assert list(axis.lines[1].get_ydata()) == pytest.approx([1 / 3, 1 / 3])
