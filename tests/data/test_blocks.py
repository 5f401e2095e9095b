import pickle
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from atft.batch import DayBatch
from atft.data.block_plan import BlockSampler, PlannedBlock
from atft.data.blocks import DayBlocks
from atft.data.cache import DayCache
from atft.errors import InputError

Make = Callable[..., DayCache]


def _block(first: int, days: int, **more: object) -> PlannedBlock:
    return PlannedBlock(first, days, 1, (1 / days,) * days, True, **more)


def test_a_block_is_the_panels_own_rows(make_panel: Callable[..., Path], make_cache: Make) -> None:
    panel = make_panel()
    cache = make_cache(panel)
    m = cache.manifest
    batch = DayBlocks(cache, 10)[_block(30, 4)]
    assert batch.features.shape == (13, len(batch.stock), 6)
    assert batch.day.tolist() == [30, 31, 32, 33]
    frame = pl.read_parquet(panel)
    for i, day in enumerate(range(21, 34)):
        rows = {r["code"]: r for r in frame.filter(pl.col("date") == m.dates[day]).iter_rows(named=True)}
        for j, stock in enumerate(batch.stock.tolist()):
            row = rows.get(cache.codes[stock])
            assert bool(batch.observed[i, j]) == (row is not None)
            want = (
                [np.nan] * 6 if row is None else [np.nan if (v := row[f]) is None else v for f in m.features]
            )
            np.testing.assert_array_equal(batch.features[i, j].numpy(), np.array(want, dtype=np.float32))
            if i >= 9 and row is not None:
                d = i - 9
                assert bool(batch.universe[d, j]) == row["universe"]
                target = [np.nan if row[f"target_{h}d"] is None else row[f"target_{h}d"] for h in (1, 5)]
                np.testing.assert_array_equal(batch.target[d, j].numpy(), np.array(target, dtype=np.float32))
                assert (
                    m.sectors[batch.sector[d, j]] == row["sector"]
                    if row["sector"]
                    else batch.sector[d, j] == -1
                )
                assert float(batch.exposure[d, j, 0]) == np.float32(row["exposure_size"])
                assert float(batch.regime[d, 0]) == np.float32(row["regime_volatility"])
    assert torch.equal(batch.valid, batch.universe[..., None] & batch.target.isfinite())


def test_a_day_and_horizon_of_too_few_known_targets_has_no_valid_one(
    make_panel: Callable[..., Path], make_cache: Make
) -> None:
    panel = make_panel()
    frame = pl.read_parquet(panel)
    thin = (pl.col("date") == sorted(frame["date"].unique())[31]) & (pl.col("code") > "S007")
    frame.with_columns(target_5d=pl.when(~thin).then(pl.col("target_5d"))).write_parquet(panel)
    cache = make_cache(panel)
    known = int(cache.known_labels[31, 1])
    assert 4 < known < 9
    whole = DayBlocks(cache, 10)[_block(30, 3)].valid
    valid = DayBlocks(cache, 10, min_stocks=9)[_block(30, 3)].valid
    assert not valid[1, :, 1].any() and whole[1, :, 1].sum() == known
    whole[1, :, 1] = False
    assert torch.equal(valid, whole)
    # A part of a large day has few stocks, the day has not.
    part = DayBlocks(cache, 10, min_stocks=9)[_block(30, 1, part=0, parts=4)]
    assert 0 < part.valid[0, :, 0].sum() < 9


def test_the_stocks_are_the_union_of_the_days_universes(make_cache: Make) -> None:
    cache = make_cache()
    batch = DayBlocks(cache, 10)[_block(40, 3)]
    union = {s for d in (40, 41, 42) for s in cache.day(d).ranked.tolist()}
    assert batch.stock.tolist() == sorted(union)
    assert bool(batch.universe.any(dim=0).all())


def test_each_day_of_a_block_equals_that_day_read_alone(make_cache: Make) -> None:
    blocks = DayBlocks(make_cache(), 10)
    together = blocks[_block(40, 4)]
    for i in range(4):
        alone = blocks[_block(40 + i, 1)]
        inside = together.universe[i]
        assert torch.equal(together.stock[inside], alone.stock)
        window = together.features[i : i + 10][:, inside]
        torch.testing.assert_close(window, alone.features, rtol=0, atol=0, equal_nan=True)
        assert _edges(together, i) == _edges(alone, 0)


def _edges(batch: DayBatch, day: int) -> set[tuple[int, int, float, float]]:
    """Edges of one day as (source stock, destination stock, correlation, same sector)."""
    stocks = len(batch.stock)
    found = set()
    for (source, destination), attr in zip(
        batch.edge_index.T.tolist(), batch.edge_attr.tolist(), strict=True
    ):
        assert source // stocks == destination // stocks
        if destination // stocks == day:
            ends = batch.stock[source % stocks].item(), batch.stock[destination % stocks].item()
            found.add((*ends, *attr))
    return found


def test_edges_are_the_graphs_between_stocks_of_that_days_universe(make_cache: Make) -> None:
    cache = make_cache()
    batch = DayBlocks(cache, 10)[_block(40, 4)]
    for i, day in enumerate(range(40, 44)):
        every = np.arange(cache.stocks)
        neighbour, weight = cache.graph(day, every)
        ranked = cache.day(day).of_stocks("universe", every)
        want = {
            (int(n), stock, float(weight[stock, c, 0]), float(weight[stock, c, 1]))
            for stock in np.flatnonzero(ranked)
            for c, n in enumerate(neighbour[stock])
            if n >= 0 and ranked[n]
        }
        assert _edges(batch, i) == want
        assert want


def test_a_cache_without_a_graph_gives_no_edges(make_cache: Make) -> None:
    batch = DayBlocks(make_cache(graph=None), 10)[_block(40, 2)]
    assert batch.edge_index.shape == (2, 0)
    assert batch.edge_attr.shape == (0, 2)


def test_parts_of_a_large_day_are_the_day_with_induced_edges(make_cache: Make) -> None:
    cache = make_cache()
    blocks = DayBlocks(cache, 10)
    plan = BlockSampler([40], cache.manifest.universe_rows, 4, 8).plan()
    parts = [blocks[b] for b in plan]
    assert len(parts) > 1
    whole = blocks[_block(40, 1)]
    assert sorted(s for p in parts for s in p.stock.tolist()) == whole.stock.tolist()
    assert [p.rows for p in parts] == [b.rows for b in plan]
    for part in parts:
        own = set(part.stock.tolist())
        assert _edges(part, 0) == {e for e in _edges(whole, 0) if {e[0], e[1]} <= own}
    assert sum(float(p.weight.sum()) for p in parts if not p.closes_step) < 1
    later = [blocks[b].stock.tolist() for b in BlockSampler([40], cache.manifest.universe_rows, 4, 8).plan(1)]
    assert sorted(later) != sorted(p.stock.tolist() for p in parts)


def test_an_empty_block_counts_nothing_and_still_has_the_shape(make_cache: Make) -> None:
    cache = make_cache()
    plan = BlockSampler([40], cache.manifest.universe_rows, 4, 100, rank=1, world_size=2).plan()
    batch = DayBlocks(cache, 10)[plan[0]]
    assert batch.rows == 0
    assert not batch.valid.any()
    assert batch.edge_index.shape == (2, 0)
    assert float(batch.weight) == 0
    assert batch.features.shape == (10, 2, 6)


def test_too_little_history_raises_with_the_date(make_cache: Make) -> None:
    cache = make_cache()
    assert DayBlocks(cache, 10)[_block(9, 1)].lookback == 10
    with pytest.raises(InputError, match="has 9 days of history, lookback asks for 10"):
        DayBlocks(cache, 10)[_block(8, 1)]
    with pytest.raises(InputError, match="has 80 days of history, lookback asks for 81"):
        DayBlocks(cache, 81)[_block(79, 1)]


def test_the_dataset_pickles_to_little_more_than_a_path(make_cache: Make) -> None:
    blocks = DayBlocks(make_cache(), 10)
    before = blocks[_block(40, 2)]
    pickled = pickle.dumps(blocks)
    assert len(pickled) < 1000
    after = pickle.loads(pickled)[_block(40, 2)]
    torch.testing.assert_close(after, before, rtol=0, atol=0, equal_nan=True)


@pytest.mark.slow
def test_a_block_of_1300_stocks_of_3000_and_32_features_takes_milliseconds(
    make_panel: Callable[..., Path], make_cache: Make
) -> None:
    panel = make_panel(days=70, stocks=1300, features=32)
    blocks = DayBlocks(make_cache(panel, graph=None), 60)
    blocks[_block(60, 4)]
    start = time.process_time()
    for _ in range(10):
        blocks[_block(60, 4)]
    assert (time.process_time() - start) / 10 < 0.02
