"""A buffer is written by a worker, read here without a copy, and free once no tensor has its memory."""

import pickle
from collections.abc import Callable

import numpy as np
import torch

from atft.batch import DayBatch
from atft.data.block_plan import BlockSampler
from atft.data.blocks import DayBlocks
from atft.data.cache import DayCache
from atft.data.shared_buffers import LEFT_IN_BUFFER, SharedBuffers

Make = Callable[..., DayCache]
SIZE = 20_000
"""Bytes that the largest block takes, and some more."""


def read(blocks: DayBlocks, buffers: SharedBuffers | None) -> tuple[BlockSampler, DayBlocks]:
    """A plan that assigns buffers, and the blocks as a worker reads them."""
    plan = BlockSampler(range(20, 70), blocks.cache.manifest.universe_rows, 4, 60, seed=1)
    plan.buffers = blocks.buffers = buffers
    return plan, blocks


def same(one: DayBatch, other: DayBatch) -> None:
    torch.testing.assert_close(tuple(one), tuple(other), rtol=0, atol=0, equal_nan=True)


def test_a_block_out_of_a_buffer_is_the_one_read_here_and_the_buffer_is_used_again(make_cache: Make) -> None:
    cache = make_cache()
    buffers = SharedBuffers(2, SIZE)
    plan, worker = read(DayBlocks(cache, 10), buffers)
    host, numbers = DayBlocks(cache, 10), []
    for block in plan:
        sent = worker[block]
        numbers.append(block.buffer)
        assert not any(isinstance(value, torch.Tensor) for value in sent)
        assert len(pickle.dumps(sent)) < 2000
        same(buffers.received(sent), host[block])
    assert len(numbers) == len(plan) > 2 and set(numbers) == {1}


def test_a_buffer_is_free_only_when_no_view_of_its_block_is_left(make_cache: Make) -> None:
    buffers = SharedBuffers(1, SIZE)
    plan, worker = read(DayBlocks(make_cache(), 10), buffers)
    blocks = iter(plan)
    view = buffers.received(worker[next(blocks)]).features[3:5].float()
    want = view.clone()
    second = next(blocks)
    assert second.buffer is None  # so it comes whole, through the queue
    same(buffers.received(worker[second]), DayBlocks(worker.cache, 10)[second])
    torch.testing.assert_close(view, want, equal_nan=True)
    del view
    assert next(blocks).buffer == 0


def test_what_finds_no_room_in_a_buffer_goes_through_the_queue(make_cache: Make) -> None:
    cache = make_cache()
    host, parts = DayBlocks(cache, 10), set()
    for size in (0, 100, 3_000, 6_000):
        buffers = SharedBuffers(1, size)
        plan, worker = read(DayBlocks(cache, 10), buffers)
        for block in plan:
            assert block.buffer == 0
            sent = worker[block]
            assert not any(isinstance(value, torch.Tensor) for value in sent)
            parts.add(sum(isinstance(value, np.ndarray) for value in sent))
            same(buffers.received(sent), host[block])
    assert len(parts) > 3


def test_the_targets_of_a_block_can_be_kept_without_its_buffer(make_cache: Make) -> None:
    buffers = SharedBuffers(1, SIZE)
    plan, worker = read(DayBlocks(make_cache(), 10), buffers)
    blocks = iter(plan)
    batch = buffers.received(worker[next(blocks)])
    kept = [getattr(batch, name) for name in batch._fields if name not in LEFT_IN_BUFFER]
    assert next(blocks).buffer is None
    del batch
    assert next(blocks).buffer == 0 and len(kept) > 9


def test_the_bytes_of_a_block_are_known_before_it_is_read(make_cache: Make) -> None:
    blocks = DayBlocks(make_cache(), 10)
    for block in BlockSampler(range(20, 70), blocks.cache.manifest.universe_rows, 4, 60, seed=1):
        batch = blocks[block]
        size = sum(tensor.nbytes for tensor in batch if isinstance(tensor, torch.Tensor))
        assert size <= blocks.bytes_of(block.days, len(batch.stock)) + 100 <= 1.5 * size + 100


def test_a_pass_that_is_broken_off_gives_its_buffers_back(make_cache: Make) -> None:
    buffers = SharedBuffers(3, SIZE)
    plan, _ = read(DayBlocks(make_cache(), 10), buffers)
    for _ in range(2):
        blocks = iter(plan)
        assert {next(blocks).buffer for _ in range(3)} == {0, 1, 2} and next(blocks).buffer is None


def test_a_block_without_buffers_says_nothing_of_them(make_cache: Make) -> None:
    plan, blocks = read(DayBlocks(make_cache(), 10), None)
    assert {block.buffer for block in plan} == {None}
    assert len(pickle.dumps(blocks)) < 1000
