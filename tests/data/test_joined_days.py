"""Days that share no history are read as one block, in which each is what it is alone."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from atft.batch import BY_STOCK, DayBatch
from atft.data.block_plan import MAX_JOINED_ROWS, BlockSampler, PlannedBlock
from atft.data.blocks import DayBlocks
from atft.data.cache import DayCache
from atft.data.loader import LoaderOptions
from atft.data.resident_blocks import ResidentBlocks
from atft.data.resident_panel import ResidentPanel
from atft.data.shared_buffers import InBuffer, SharedBuffers

DAYS = range(20, 60)


def days_of(blocks: list[PlannedBlock]) -> list[PlannedBlock]:
    """The one-day blocks of a plan, joined or not."""
    return [day for block in blocks for day in block.joined or (block,)]


def joined_blocks(cache: DayCache) -> list[PlannedBlock]:
    plan = BlockSampler(DAYS, cache.manifest.universe_rows, 1, 60, seed=1, join=True).plan()
    assert all(len(block.joined) > 1 for block in plan[:-1])
    return plan


@given(st.integers(1, 60), st.integers(4, 900), st.integers(1, 4), st.integers(2, 400))
@settings(max_examples=40, deadline=None)
def test_joined_steps_have_the_days_and_weights_of_those_that_are_not(
    count: int, batch_size: int, world_size: int, most: int
) -> None:
    rows = np.random.default_rng(count).integers(2, most + 1, size=count).tolist()

    def plans(join: bool) -> list[list[PlannedBlock]]:
        return [
            BlockSampler(range(count), rows, 1, batch_size, 7, rank, world_size, join=join).plan()
            for rank in range(world_size)
        ]

    joined, apart = plans(True), plans(False)
    for ours, theirs in zip(joined, apart, strict=True):
        # A step of so few rows is one block, on all ranks: an empty one where a rank has no day.
        assert len(ours) == len(joined[0]) == sum(block.closes_step for block in theirs)
        assert all(block.closes_step for block in ours)
        real = [(d.first_day, d.part, d.rows) for d in days_of(theirs) if not d.empty]
        assert [(d.first_day, d.part, d.rows) for d in days_of(ours) if not d.empty] == real
    weights = Counter[int]()
    for plan in joined:
        for place, block in enumerate(plan):
            assert block.rows == sum(day.rows for day in block.joined or (block,))
            assert len(block.weight) == block.days == len(block.calendar_days)
            weights[place] += sum(block.weight)
    assert list(weights.values()) == pytest.approx([1] * len(joined[0]))
    assert [sum(b.ends_step for b in step) for step in zip(*joined, strict=True)] == [1] * len(joined[0])


def test_a_block_of_joined_days_has_a_largest_size() -> None:
    rows = MAX_JOINED_ROWS // 3
    plan = BlockSampler(range(20), [rows] * 20, 1, 10 * rows, join=True).plan()
    assert [block.days for block in plan] == [3, 3, 3, 1, 3, 3, 3, 1]
    assert [block.closes_step for block in plan] == [False, False, False, True] * 2


def test_only_days_without_a_history_are_joined() -> None:
    assert LoaderOptions(lookback=1, block_days=1).joins_days
    assert not LoaderOptions(lookback=2, block_days=1).joins_days
    assert not LoaderOptions(lookback=1, block_days=2).joins_days  # a term may compare them


def test_each_day_of_a_joined_block_is_what_it_is_alone_and_then_filled_up(
    make_cache: Callable[..., DayCache],
) -> None:
    blocks = DayBlocks(make_cache(), 1)
    widths = set()
    for block in joined_blocks(blocks.cache):
        batch = blocks[block]
        most = len(batch.stock)
        assert batch.joined and (batch.stock == -1).all() and batch.closes_step
        assert batch.weight.tolist() == pytest.approx(list(block.weight))
        edges = 0
        for i, day in enumerate(block.joined):
            alone = blocks[day]
            count = len(alone.stock)
            widths.add(most - count)
            for name, fill in BY_STOCK.items():
                whole, own = getattr(batch, name)[i], getattr(alone, name)[0]
                torch.testing.assert_close(whole[:count], own, rtol=0, atol=0, equal_nan=True, msg=name)
                rest = torch.full_like(whole[count:], fill)
                torch.testing.assert_close(whole[count:], rest, rtol=0, atol=0, equal_nan=True, msg=name)
            assert batch.day[i] == alone.day[0] and torch.equal(batch.regime[i], alone.regime[0])
            of_day = slice(edges, edges := edges + alone.edge_index.shape[1])
            assert torch.equal(batch.edge_index[:, of_day], alone.edge_index + i * most)
            assert torch.equal(batch.edge_attr[of_day], alone.edge_attr)
        assert edges == batch.edge_index.shape[1] > 0
    assert len(widths) > 1


def test_a_joined_block_is_the_same_out_of_a_buffer_and_out_of_device_memory(
    make_cache: Callable[..., DayCache],
) -> None:
    cache = make_cache()
    host, worker = DayBlocks(cache, 1), DayBlocks(cache, 1)
    resident = ResidentBlocks(ResidentPanel(cache, np.array(DAYS), 1, 0, None), host)
    worker.buffers = SharedBuffers(2, worker.bytes_of(6, 20))
    sampler = BlockSampler(DAYS, cache.manifest.universe_rows, 1, 60, seed=1, join=True)
    sampler.buffers = worker.buffers
    for block in sampler:
        sent, want = worker[block], host[block]
        assert isinstance(sent.features, InBuffer)
        for other in (worker.buffers.received(sent), resident[block]):
            for name, one, two in zip(DayBatch._fields, other, want, strict=True):
                same = one == two
                if isinstance(one, torch.Tensor):
                    same = one.dtype == two.dtype and torch.equal(one.nan_to_num(7.0), two.nan_to_num(7.0))
                assert same, name
