"""Widths are those of split conformal prediction with days as units."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from atft.batch import DayBatch
from atft.metrics.prediction_intervals import ConformalWidths, conformal_width


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


def test_one_level_has_no_interval_to_widen(make_batch: Callable[..., DayBatch]) -> None:
    batch, widths = make_batch(days=3), ConformalWidths([1, 5], [0.5])
    widths.update(torch.zeros(3, 17, 2, 1), batch.target, batch.valid, batch.day)
    assert widths.compute() == {}
