from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atft.data.block_plan import BlockSampler, PlannedBlock
from atft.errors import InputError


def plan_blocks(
    days: Sequence[int],
    rows: Sequence[int],
    block_days: int,
    batch_size: int,
    seed: int,
    epoch: int,
    *ranks: int,
    **more: Any,
) -> list[PlannedBlock]:
    return BlockSampler(days, rows, block_days, batch_size, seed, *ranks, **more).plan(epoch)


def _steps(blocks: Sequence[PlannedBlock]) -> list[list[PlannedBlock]]:
    steps: list[list[PlannedBlock]] = [[]]
    for block in blocks:
        steps[-1].append(block)
        if block.closes_step:
            steps.append([])
    assert steps.pop() == []
    return steps


def _days_seen(blocks: Sequence[PlannedBlock]) -> Counter[int]:
    return Counter(b.first_day + i for b in blocks if not b.empty and b.part == 0 for i in range(b.days))


@given(
    st.integers(1, 120),
    st.integers(1, 6),
    st.integers(4, 900),
    st.integers(0, 5),
    st.integers(1, 4),
    st.integers(2, 400),
)
@settings(max_examples=80, deadline=None)
def test_every_row_is_planned_exactly_once_whatever_the_sizes(
    count: int, block_days: int, batch_size: int, epoch: int, world_size: int, most: int
) -> None:
    rows = np.random.default_rng(count).integers(2, most + 1, size=count + 10).tolist()
    days = list(range(10, 10 + count))
    ranks = [
        plan_blocks(days, rows, block_days, batch_size, 7, epoch, r, world_size) for r in range(world_size)
    ]
    together = [b for plan in ranks for b in plan]
    assert sum(b.rows for b in together) == sum(rows[d] for d in days)
    assert _days_seen(together) == Counter(days)
    for block in together:
        assert block.days <= block_days
        assert block.days == 1 or block.rows <= 1.05 * batch_size
        assert block.empty or block.parts == 1 or 2 <= block.rows <= batch_size
    # Every rank has the same steps with the same number of blocks; a step's weights sum to 1 over all ranks.
    assert len({tuple(len(s) for s in _steps(plan)) for plan in ranks}) == 1
    for step in zip(*(_steps(plan) for plan in ranks), strict=True):
        assert sum(sum(b.weight) for own in step for b in own) == pytest.approx(1)


def test_a_day_weighs_the_same_as_any_other_of_its_step() -> None:
    plan = plan_blocks(range(40), [100] * 40, 4, 1000, 0, 0)
    for step in _steps(plan):
        days = sum(b.days for b in step)
        assert [w for b in step for w in b.weight] == pytest.approx([1 / days] * days)


def test_a_step_holds_about_batch_size_rows_from_different_dates() -> None:
    plan = plan_blocks(range(400), [1000] * 400, 4, 16_384, 0, 0)
    sizes = [sum(b.rows for b in step) for step in _steps(plan)]
    assert len(sizes) in (24, 25, 26) and all(abs(s - 16_384) <= 2_500 for s in sizes[:-1])
    gaps = [abs(a.first_day - b.first_day) for s in _steps(plan) for a, b in pairwise(s)]
    assert np.median(gaps) > 40


@pytest.mark.parametrize(("batch_size", "days"), [(8_192, 2), (16_384, 4), (32_768, 4), (4_100, 1)])
def test_blocks_shrink_to_the_step(batch_size: int, days: int) -> None:
    plan = plan_blocks(range(100), [4_100] * 100, 4, batch_size, 0, 0)
    assert max(b.days for b in plan) == days
    assert all(b.parts == 1 for b in plan)


def test_a_day_larger_than_the_step_is_divided_into_even_parts() -> None:
    plan = plan_blocks([5, 6], [0] * 5 + [1001, 50], 4, 300, 0, 3)
    parts = [b for b in plan if b.first_day == 5]
    assert sorted(b.rows for b in parts) == [250, 250, 250, 251]
    assert {b.part for b in parts} == {0, 1, 2, 3}


def test_parts_weigh_by_their_stocks_so_that_a_divided_day_weighs_as_much_as_a_whole_one() -> None:
    rows = np.random.default_rng(0).integers(10, 900, 60).tolist()
    mixed = 0
    for step in _steps(plan_blocks(range(60), rows, 1, 300, 0, 0)):
        # Of its day's weight each block has the share of the stocks that it has, and the days weigh alike.
        shares = [block.rows / rows[block.first_day] for block in step]
        assert [block.weight[0] for block in step] == pytest.approx([share / sum(shares) for share in shares])
        mixed += len({block.parts for block in step}) > 1
    assert mixed > 3


def test_the_first_block_of_a_run_alone_has_a_random_length() -> None:
    seen = set()
    for epoch in range(8):
        days = sorted((b.first_day, b.days) for b in plan_blocks(range(50), [10] * 50, 4, 100, 0, epoch))
        lengths = [length for _, length in days]
        assert lengths[1:-1] == [4] * (len(lengths) - 2) and sum(lengths) == 50
        seen.add(lengths[0])
        fixed = plan_blocks(range(50), [10] * 50, 4, 100, 0, epoch, shuffle=False)
        assert [b.days for b in fixed] == [4] * 12 + [2]
    assert len(seen) > 1


def test_offsets_and_order_are_redrawn_each_epoch_and_repeat_with_the_seed() -> None:
    def plan(seed: int, epoch: int) -> list[PlannedBlock]:
        return plan_blocks(range(100), [10] * 100, 4, 100, seed, epoch)

    assert plan(1, 2) == plan(1, 2)
    assert plan(1, 2) != plan(1, 3) != plan(2, 3)
    starts = {min(b.days for b in plan(0, e) if b.first_day == 0) for e in range(30)}
    assert starts == {1, 2, 3, 4}


def test_evaluation_reads_days_in_order_without_partition() -> None:
    plan = plan_blocks(range(3, 20), [500] * 20, 4, 600, 0, 0, shuffle=False)
    assert [b.first_day + i for b in plan for i in range(b.days)] == list(range(3, 20))
    later = plan_blocks(range(3, 20), [500] * 20, 4, 600, 0, 9, shuffle=False)
    assert [(b.first_day, b.days) for b in plan] == [(b.first_day, b.days) for b in later]
    large = plan_blocks(range(3), [500] * 3, 4, 100, 0, 0, shuffle=False)
    assert [(b.days, b.parts, b.rows) for b in large] == [(1, 1, 500)] * 3


@given(st.integers(1, 60), st.integers(20, 900), st.integers(1, 4), st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_a_limited_epoch_is_the_first_blocks_of_the_whole_one_and_closes_its_last_step(
    count: int, batch_size: int, world_size: int, limit: int
) -> None:
    rows = np.random.default_rng(count).integers(2, 200, size=count).tolist()

    def plans(limit: int | None) -> list[list[PlannedBlock]]:
        return [
            plan_blocks(range(count), rows, 3, batch_size, 7, 0, rank, world_size, limit=limit)
            for rank in range(world_size)
        ]

    cut, whole = plans(limit), plans(None)
    for short, long in zip(cut, whole, strict=True):
        assert len(short) == min(limit, len(long)) and short[-1].closes_step
        same = [(b.first_day, b.part, b.rows) for b in short]
        assert same == [(b.first_day, b.part, b.rows) for b in long[: len(short)]]
    for step in zip(*(_steps(plan) for plan in cut), strict=True):
        weights = [sum(b.weight) for own in step for b in own]
        assert sum(weights) == pytest.approx(1)
    assert limit < len(whole[0]) or cut == whole


def test_blocks_do_not_reach_across_a_gap() -> None:
    plan = plan_blocks([1, 2, 3, 10, 11], [5] * 12, 4, 100, 0, 0)
    assert _days_seen(plan) == Counter([1, 2, 3, 10, 11])


def test_a_missing_block_counts_nothing() -> None:
    plans = [plan_blocks([0], [8], 4, 100, 0, 0, rank, 2) for rank in range(2)]
    assert [p[0].empty for p in plans] == [False, True]
    assert plans[1][0].weight == (0.0,)
    assert plans[1][0].closes_step


def test_a_plan_of_no_day_raises() -> None:
    with pytest.raises(InputError, match="no day to plan"):
        plan_blocks([], [10, 10], 4, 100, 0, 0)


def test_the_sampler_yields_the_plan_of_its_epoch() -> None:
    sampler = BlockSampler(range(30), [10] * 30, 4, 60, seed=3)
    for epoch in range(4):
        sampler.set_epoch(epoch)
        plan = plan_blocks(range(30), [10] * 30, 4, 60, 3, epoch)
        assert list(sampler) == plan == sampler.plan(epoch)
        assert len(sampler) == len(plan)
    assert sampler.plan(9) == plan_blocks(range(30), [10] * 30, 4, 60, 3, 9)
    assert sampler.epoch == 3


@given(st.integers(1, 60), st.integers(20, 900), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_blocks_have_the_index_and_the_steps_of_one_process_on_any_number_of_ranks(
    count: int, batch_size: int, world_size: int
) -> None:
    rows = np.random.default_rng(count).integers(2, 200, size=count).tolist()
    alone = plan_blocks(range(count), rows, 3, batch_size, 7, 1)
    assert [block.index for block in alone] == list(range(len(alone)))
    assert [block.ends_step for block in alone] == [block.closes_step for block in alone]
    ranks = [BlockSampler(range(count), rows, 3, batch_size, 7, r, world_size) for r in range(world_size)]
    blocks = {b.index: b for rank in ranks for b in rank.plan(1) if not b.empty}
    assert len(blocks) == len(alone) == sum(not b.empty for rank in ranks for b in rank.plan(1))
    for block in alone:
        divided = blocks[block.index]
        assert (divided.first_day, divided.part, divided.ends_step) == (
            block.first_day,
            block.part,
            block.ends_step,
        )
    steps = sum(block.closes_step for block in alone)
    before = [rank.blocks_of_steps(steps, 1) for rank in ranks]
    for rank in ranks:
        rank.set_epoch(1)  # an epoch that is not the current one is drawn by each call
    assert before == [len(rank) for rank in ranks]
    for done in range(steps + 1):
        first = [rank.blocks_of_steps(done, 1) for rank in ranks]
        assert len(set(first)) == 1, "the ranks have as many blocks in every step"
        assert sum(b.closes_step for b in ranks[0].plan(1)[: first[0]]) == done


def test_the_share_of_steps_counts_those_that_are_closed() -> None:
    sampler = BlockSampler(range(30), [10] * 30, 4, 60, seed=3)
    plan = sampler.plan()
    steps = sum(b.closes_step for b in plan)
    for place in range(len(plan)):
        assert sampler.share_of_steps(place) == sum(b.closes_step for b in plan[: place + 1]) / steps


def test_the_sampler_is_lazy_so_that_a_second_iterator_starts_again() -> None:
    sampler = BlockSampler(range(30), [10] * 30, 4, 60)
    first = iter(sampler)
    sampler.skip = 2
    assert list(first) == sampler.plan()[2:]
