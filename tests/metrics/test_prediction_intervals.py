"""Widths are split conformal's with days as units; the intervals that they make cover, nest and do not cross."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from atft.batch import DayBatch
from atft.errors import InputError
from atft.metrics.prediction_intervals import (
    ConformalWidths,
    calibrated_intervals,
    conformal_width,
    known_widths,
    level_pairs,
)


def test_levels_are_paired_from_the_outside_and_a_middle_one_is_left() -> None:
    pairs = level_pairs([0.05, 0.25, 0.5, 0.75, 0.95])
    assert [(p.low, p.high, p.percent) for p in pairs] == [(0, 4, "90"), (1, 3, "50")]
    assert pairs[0].level == pytest.approx(0.9)
    assert level_pairs([]) == level_pairs([0.5]) == []


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9])
def test_with_one_stock_a_day_the_width_is_that_of_split_conformal(level: float) -> None:
    for days in (9, 20, 57):
        scores = torch.randn(days, generator=torch.Generator().manual_seed(days))
        # Romano, Patterson and Candes 2019, equation 8: the ceil((n + 1) level)-th smallest score.
        rank = math.ceil((days + 1) * level - 1e-9)
        expected = scores.sort().values[rank - 1] if rank <= days else torch.tensor(math.inf)
        assert conformal_width(scores, torch.arange(days), level) == float(expected)


def test_a_day_weighs_as_a_day_whatever_its_stocks_and_however_often_it_comes() -> None:
    rng = np.random.default_rng(0)
    day = torch.from_numpy(rng.integers(0, 12, 300))
    scores = torch.from_numpy(rng.standard_normal(300).astype(np.float32))
    candidates = scores.sort().values
    shares = torch.stack([(scores[day == d][:, None] <= candidates).double().mean(0) for d in day.unique()])
    enough = shares.sum(0) / (len(shares) + 1) >= 0.8
    expected = float(candidates[enough][0])
    assert conformal_width(scores, day, 0.8) == expected
    again = torch.cat([torch.arange(300), (day == 3).nonzero()[:, 0]])
    assert conformal_width(scores[again], 7 * day[again], 0.8) == expected


def test_too_few_days_cannot_show_a_level() -> None:
    scores, day = torch.randn(800), torch.arange(800) % 8
    assert conformal_width(scores, day, 0.9) == math.inf
    assert math.isfinite(conformal_width(scores, (torch.arange(800) % 9), 0.9))
    assert conformal_width(scores[:0], day[:0], 0.5) == math.inf


def test_a_stock_of_a_new_exchangeable_day_is_inside_as_often_as_the_level_says() -> None:
    rng, inside = np.random.default_rng(1), []
    day = torch.from_numpy(np.repeat(np.arange(20), 5))
    for _ in range(400):
        # Days of a common news: within a day scores are far from independent.
        scores = np.repeat(rng.standard_normal(21), 5) + 0.3 * rng.standard_normal(105)
        width = conformal_width(torch.from_numpy(scores[:100].astype(np.float32)), day, 0.8)
        inside.append((scores[100:] <= width).mean())
    error = np.std(inside) / 20
    # At least the level, and at most one day's weight more.
    assert 0.8 - 3 * error <= np.mean(inside) <= 0.8 + 1 / 21 + 3 * error


def test_blocks_add_up_to_the_width_of_all_rows_and_invalid_rows_do_not_count(
    make_batch: Callable[..., DayBatch],
) -> None:
    batch = make_batch(days=12)
    quantiles = torch.randn(12, 17, 2, 3, generator=torch.Generator().manual_seed(1)).sort(-1).values
    whole, blocks = ConformalWidths([1, 5], [0.1, 0.5, 0.9]), ConformalWidths([1, 5], [0.1, 0.5, 0.9])
    whole.update(quantiles, batch.target, batch.valid, batch.day)
    for days in (slice(7, 12), slice(0, 7)):
        wrong = torch.where(batch.valid[days], batch.target[days], 99.0)
        blocks.update(quantiles[days], wrong, batch.valid[days], batch.day[days])
    widths = whole.compute()
    assert widths == blocks.compute() and list(widths) == [1, 5]
    for i, horizon in enumerate((1, 5)):
        valid = batch.valid[..., i]
        outside = torch.maximum(
            quantiles[..., i, 0] - batch.target[..., i], batch.target[..., i] - quantiles[..., i, 2]
        )
        day = batch.day[:, None].expand(valid.shape)
        assert widths[horizon] == [conformal_width(outside[valid], day[valid], 0.8)]


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


def test_widths_of_another_network_are_one_line() -> None:
    assert known_widths({"1": [0.5], "5": [math.inf]}, [1, 5], [0.1, 0.9]) == {1: [0.5], 5: [math.inf]}
    assert known_widths({}, [1, 5], []) == {}
    for content in ({"1": [0.5]}, {"1": [0.5, 1.0], "5": [0.5, 1.0]}, {"1": ["a"], "5": [0.5]}):
        with pytest.raises(
            InputError, match="widths of intervals are not those of horizons 1, 5 and of 1 int"
        ):
            known_widths(content, [1, 5], [0.1, 0.9])
