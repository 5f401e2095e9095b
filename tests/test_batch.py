"""The day batch: what its shapes promise, and that the tests' own noisy block keeps the promises."""

from collections.abc import Callable

import pytest
import torch

from atft.batch import BY_STOCK, EDGE_FEATURES, DayBatch, Forecast

MakeBatch = Callable[..., DayBatch]


@pytest.mark.parametrize(("days", "lookback"), [(1, 1), (1, 20), (4, 8)])
def test_the_span_is_the_lookback_of_all_days_together(
    days: int, lookback: int, make_batch: MakeBatch
) -> None:
    batch = make_batch(days=days, lookback=lookback)
    assert batch.features.shape[0] == lookback + days - 1 and batch.lookback == lookback
    windows = batch.features.unfold(0, lookback, 1)
    assert windows.shape[0] == days
    assert torch.equal(windows[-1, ..., -1].nan_to_num(), batch.features[-1].nan_to_num())


def test_rows_count_the_universe_whether_labels_are_known_or_not(make_batch: MakeBatch) -> None:
    batch = make_batch(missing=0.3)
    assert batch.rows == batch.universe.sum().item() > batch.valid[..., 0].sum().item()


def test_valid_is_the_universe_with_a_known_label(make_batch: MakeBatch) -> None:
    batch = make_batch(missing=0.3)
    assert torch.equal(batch.valid, batch.universe[..., None] & batch.target.isfinite())


def test_edges_stay_within_their_day_and_its_universe(make_batch: MakeBatch) -> None:
    batch = make_batch(days=3, stocks=11)
    source, destination = batch.edge_index
    assert torch.equal(source // 11, destination // 11)
    assert batch.universe.flatten()[batch.edge_index].all()
    assert batch.edge_attr.shape == (batch.edge_index.shape[1], len(EDGE_FEATURES))


def test_the_weights_of_a_step_sum_to_one_and_days_ascend(make_batch: MakeBatch) -> None:
    batch = make_batch(days=5)
    assert batch.weight.sum().item() == pytest.approx(1)
    assert batch.day.diff().eq(1).all() and batch.closes_step is True


def test_a_forecast_without_quantile_heads_has_none(make_batch: MakeBatch) -> None:
    assert Forecast(make_batch().target).quantiles is None


def test_parts_of_a_block_are_blocks_of_their_own_with_the_same_windows_labels_and_edges(
    make_batch: MakeBatch,
) -> None:
    batch = make_batch(days=5, stocks=11, lookback=7)
    stocks = 11
    for start, stop in ((0, 2), (2, 3), (3, 5), (0, 5)):
        part = batch.part(start, stop)
        assert part.lookback == batch.lookback and torch.equal(part.day, batch.day[start:stop])
        windows = batch.features.unfold(0, 7, 1)[start:stop]
        assert torch.equal(part.features.unfold(0, 7, 1).nan_to_num(), windows.nan_to_num())
        for name in ("universe", "valid", "sector", "exposure", "regime", "weight"):
            assert torch.equal(getattr(part, name), getattr(batch, name)[start:stop])
        ends = {(s, d) for s, d in batch.edge_index.T.tolist() if start <= d // stocks < stop}
        own = {(s + start * stocks, d + start * stocks) for s, d in part.edge_index.T.tolist()}
        assert own == ends and len(part.edge_attr) == len(ends)
        assert part.closes_step is (stop == 5)
    assert sum(len(batch.part(i, i + 1).edge_attr) for i in range(5)) == len(batch.edge_attr)


def test_a_block_cut_to_stocks_has_the_edges_between_them(make_batch: MakeBatch) -> None:
    ends, attributes = torch.tensor([[0, 1, 4, 5], [1, 4, 1, 0]]), torch.arange(8.0).view(4, 2)
    batch = make_batch(days=1, stocks=6)._replace(edge_index=ends, edge_attr=attributes)
    cut = batch.of_stocks(torch.tensor([1, 4, 5]))
    assert cut.edge_index.tolist() == [[0, 1], [1, 0]] and torch.equal(cut.edge_attr, attributes[1:3])
    assert torch.equal(cut.stock, batch.stock[[1, 4, 5]])
    for name in BY_STOCK:
        assert torch.equal(getattr(cut, name).nan_to_num(), getattr(batch, name)[:, [1, 4, 5]].nan_to_num())
    with pytest.raises(ValueError, match="a block of one day"):
        make_batch(days=2).of_stocks(torch.tensor([0]))
