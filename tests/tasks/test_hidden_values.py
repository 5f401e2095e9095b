"""What is hidden of a block is hidden in every window, and predicted as its rank within the day."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from atft.batch import DayBatch
from atft.data.scaling import universe_ranks
from atft.tasks.hidden_values import _drawn, day_ranks, hide_values

MakeBatch = Callable[..., DayBatch]


def test_hidden_values_are_unknown_and_hidden_rows_not_observed(make_batch: MakeBatch) -> None:
    batch = make_batch(days=6, stocks=60, missing=0.1)
    before = batch.features.clone()
    hidden = hide_values(batch, 0.4, 0.2)
    assert torch.equal(batch.features.nan_to_num(9), before.nan_to_num(9))
    rows = batch.observed & ~hidden.batch.observed
    assert 0.15 < rows.sum() / batch.observed.sum() < 0.25
    assert hidden.batch.features[rows].isnan().all()
    left = hidden.batch.observed & batch.observed
    share = hidden.batch.features[left].isnan().float().mean() - batch.features[left].isnan().float().mean()
    assert 0.3 < share < 0.45
    shown = ~hidden.batch.features.isnan()
    assert torch.equal(hidden.batch.features[shown], batch.features[shown])
    for name, value in batch._asdict().items():
        if name not in ("features", "observed"):
            assert getattr(hidden.batch, name) is value, name


def test_known_values_of_the_universe_are_what_is_predicted(make_batch: MakeBatch) -> None:
    batch = make_batch(stocks=40, missing=0.2)
    hidden = hide_values(batch, 0.5, 0.3)
    last = slice(batch.lookback - 1, None)
    known = batch.universe[..., None] & ~batch.features[last].isnan()
    unseen = hidden.batch.features[last].isnan()
    assert torch.equal(hidden.values, known & unseen)
    assert hidden.rows.any() and not hidden.batch.observed[last][hidden.rows].any()
    assert torch.equal(hidden.values[hidden.rows], known[hidden.rows])
    assert hidden.values[~hidden.rows].any()


@pytest.mark.parametrize("share", [0.0, 1 / 65536, 0.013, 0.3, 0.99])
def test_each_place_is_drawn_with_its_share_and_by_itself(share: float) -> None:
    torch.manual_seed(0)
    drawn = _drawn(torch.empty(1000, 999), share).double()
    assert drawn.mean() == pytest.approx(share, abs=5 * (share / drawn.numel()) ** 0.5)
    for lag in (1, 2, 3, 4, 999):  # places of one word, of the next, of the next row
        other = drawn.flatten()[lag:] * drawn.flatten()[:-lag]
        assert other.mean() == pytest.approx(share**2, abs=5 * share / other.numel() ** 0.5)


def test_no_row_is_hidden_where_there_is_no_history(make_batch: MakeBatch) -> None:
    batch = make_batch(lookback=1)
    hidden = hide_values(batch, 0.5, 0.9)
    assert torch.equal(hidden.batch.observed, batch.observed) and not hidden.rows.any()
    assert hide_values(make_batch(lookback=2), 0.0, 0.9).rows.any(), "one day of history is enough"


def test_ranks_are_those_of_the_cache(make_batch: MakeBatch) -> None:
    batch = make_batch(stocks=30, missing=0.2)
    values = batch.features.round(decimals=1)  # ties
    batch = batch._replace(features=values)
    last = values[batch.lookback - 1 :]
    ranks = day_ranks(batch, ["raw", "zscore", "rank", "raw", "raw"])
    for day, universe in enumerate(batch.universe):
        expected = universe_ranks(np.ascontiguousarray(last[day].T.numpy()), universe.numpy()).T[universe]
        found = ranks[day][universe].numpy()
        known = ~np.isnan(expected)
        known[:, 2] = False  # taken as it is
        np.testing.assert_allclose(found[known], expected[known], atol=1e-6)
        np.testing.assert_array_equal(found[:, 2], last[day, universe, 2].numpy())


def test_a_day_without_a_universe_or_with_one_value_has_no_rank_that_counts(make_batch: MakeBatch) -> None:
    batch = make_batch(stocks=8)
    universe = batch.universe.clone()
    universe[0], universe[1] = False, False
    universe[1, 3] = True
    ranks = day_ranks(batch._replace(universe=universe), ["raw"] * 5)
    assert ranks.isfinite().all()
    assert ranks[1, 3] == pytest.approx(torch.zeros(5))
