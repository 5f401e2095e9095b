"""Intervals move by their widths, nest and do not cross; widths of another network are an error."""

import math

import numpy as np
import pytest
import torch

from atft.errors import InputError
from atft.metrics.interval_ends import (
    calibrated_intervals,
    crossing_share,
    level_pairs,
    quantile_column,
    read_widths,
)


def test_a_quantiles_column_has_its_level_in_two_digits_of_percent() -> None:
    assert [quantile_column(level) for level in (0.05, 0.5, 0.954)] == ["q05", "q50", "q95"]


def test_levels_are_paired_from_the_outside_and_a_middle_one_is_left() -> None:
    pairs = level_pairs([0.05, 0.25, 0.5, 0.75, 0.95])
    assert [(p.low, p.high, p.percent) for p in pairs] == [(0, 4, "90"), (1, 3, "50")]
    assert pairs[0].level == pytest.approx(0.9)
    assert level_pairs([]) == level_pairs([0.5]) == []


def test_intervals_move_by_their_width_nest_and_meet_where_they_would_cross() -> None:
    quantiles = torch.tensor([[[-2.0, -1.0, 0.0, 1.0, 2.0]], [[-0.2, -0.1, 0.0, 0.1, 0.2]]])
    pairs = level_pairs([0.05, 0.25, 0.5, 0.75, 0.95])
    moved = calibrated_intervals(quantiles, {1: [0.5, -0.25]}, pairs)
    assert moved[0, 0].tolist() == [[-2.5, 2.5], [-0.75, 0.75]]
    assert moved[1, 0, 1].tolist() == [0.0, 0.0]  # the second row's inner interval would cross
    outer = calibrated_intervals(quantiles, {1: [-1.5, 0.25]}, pairs)
    assert outer[0, 0].tolist() == [
        [-1.25, 1.25],
        [-1.25, 1.25],
    ]  # the wide one reaches as far as the narrow one
    two = calibrated_intervals(quantiles.repeat(1, 2, 1), {1: [0.5, 0.0], 5: [0.0, 0.0]}, pairs)
    assert two[0, 0, 0].tolist() == [-2.5, 2.5] and two[0, 1, 0].tolist() == [-2.0, 2.0]


@pytest.mark.parametrize("shift", [0.0, 3.0, -7.0])
def test_whatever_the_widths_ends_do_not_cross_and_wider_intervals_reach_as_far(shift: float) -> None:
    rng = torch.Generator().manual_seed(0)
    quantiles = shift + torch.randn(200, 2, 6, generator=rng).sort(-1).values
    pairs = level_pairs([0.05, 0.15, 0.3, 0.7, 0.85, 0.95])
    widths = {5: [-1.5, 0.5, 0.3], 1: [0.2, -0.9, -0.4]}
    for column, horizon in enumerate((1, 5)):
        ends = calibrated_intervals(quantiles, widths, pairs)[:, column].numpy()
        low, high = (np.full(200, side) for side in (np.inf, -np.inf))
        for number in (2, 1, 0):
            of_pair = quantiles[:, column, [number, 5 - number]].numpy()
            moved = of_pair + np.array([-1, 1]) * widths[horizon][number]
            crossed = moved[:, 0] > moved[:, 1]
            moved[crossed] = of_pair[crossed].mean(-1, keepdims=True)
            low, high = np.minimum(low, moved[:, 0]), np.maximum(high, moved[:, 1])
            np.testing.assert_allclose(ends[:, number], np.stack((low, high), -1), atol=1e-6)


def test_widths_of_another_network_are_one_line() -> None:
    assert read_widths({"1": [0.5], "5": [math.inf]}, [1, 5], [0.1, 0.9]) == {1: [0.5], 5: [math.inf]}
    assert read_widths({}, [1, 5], []) == {}
    for content in (
        {"1": [0.5]},
        {"1": [0.5, 1.0], "5": [0.5, 1.0]},
        {"1": ["a"], "5": [0.5]},
        {"1": [math.nan], "5": [0.5]},
    ):
        with pytest.raises(
            InputError, match="widths of intervals are not those of horizons 1, 5 and of 1 int"
        ):
            read_widths(content, [1, 5], [0.1, 0.9])
    with pytest.raises(InputError, match="of 2 intervals"):
        read_widths({"1": [0.5, "a"]}, [1], [0.1, 0.2, 0.8, 0.9])


def test_the_crossing_share_counts_neighbours_in_the_wrong_order() -> None:
    quantiles = torch.tensor([[[[0.0, 1.0, 2.0]], [[0.0, 2.0, 1.0]], [[9.0, 5.0, 1.0]]]])
    quantiles = 0.1 * quantiles
    everyone = torch.ones(1, 3, dtype=torch.bool)
    assert float(crossing_share(quantiles, everyone)) == pytest.approx(3 / 6)
    assert float(crossing_share(quantiles, torch.tensor([[True, True, False]]))) == pytest.approx(1 / 4)
    assert float(crossing_share(quantiles, ~everyone)) == 0
    assert float(crossing_share(quantiles[..., :1], everyone)) == 0
    assert float(crossing_share(torch.zeros(1, 3, 1, 3), everyone)) == 0, "equal ones do not cross"
