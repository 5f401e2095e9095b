"""Running moments: against the mean of all days, across half-lives and steps, over two processes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from atft.batch import DayBatch, Forecast
from atft.losses.objective import DayObjective, ObjectiveOptions
from atft.losses.running_moments import RunningMoments, block_moments
from ranks import run_script_twice


def returns(days: int, seed: int = 0) -> torch.Tensor:
    return 0.001 + 0.01 * torch.randn(days, 2, generator=torch.Generator().manual_seed(seed))


def test_a_block_counts_the_days_that_had_a_book() -> None:
    earned = torch.tensor([[0.02, 0.01], [0.0, 0.03], [torch.nan, torch.inf]])
    block = block_moments(earned)
    assert block.days.tolist() == [1, 2]
    torch.testing.assert_close(block.mean, torch.tensor([0.02, 0.02]))
    torch.testing.assert_close(block.square, torch.tensor([0.0004, 0.0005]))


def test_before_the_first_day_the_mean_is_zero_and_the_square_is_the_blocks_own() -> None:
    moments, block = RunningMoments(2, half_life_days=250.0), block_moments(returns(4))
    before = moments.before(block)
    assert before["return_mean"].tolist() == [[0, 0]]
    torch.testing.assert_close(before["return_square"], (returns(4) ** 2).mean(0, keepdim=True))
    moments.observe(block)
    assert torch.equal(moments.before(block)["return_mean"], before["return_mean"]), "the step is open"
    moments.close_step()
    later = moments.before(block_moments(returns(4, seed=1)))
    assert torch.equal(later["return_mean"][0], moments.mean) and later["return_mean"].ne(0).all()
    assert torch.equal(later["return_square"][0], moments.square)


@settings(deadline=None, max_examples=20)
@given(st.floats(1.0, 500.0), st.lists(st.integers(0, 6), min_size=1, max_size=8))
def test_a_day_weighs_half_as_much_a_half_life_later(half_life_days: float, sizes: list[int]) -> None:
    moments, blocks = RunningMoments(2, half_life_days), [returns(n, seed) for seed, n in enumerate(sizes)]
    for block in blocks:
        moments.observe(block_moments(block))
        moments.close_step()
    expected, age = torch.zeros(2), 0
    for block in reversed(blocks):
        part = 0.5 ** (age / half_life_days) * (1 - 0.5 ** (len(block) / half_life_days))
        expected += part * (block.mean(0) if len(block) else 0)
        age += len(block)
    torch.testing.assert_close(moments.mean, expected, atol=1e-7, rtol=1e-4)
    assert moments.days.eq(sum(sizes)).all()


def test_the_mean_square_is_that_of_all_days_alike_until_they_are_many() -> None:
    moments, days = RunningMoments(2, half_life_days=250.0), returns(90)
    for day in days:
        moments.observe(block_moments(day[None]))
        moments.close_step()
    torch.testing.assert_close(moments.square, (days**2).mean(0), rtol=1e-5, atol=0)
    for day in (later := returns(2_000, seed=1)):
        moments.observe(block_moments(day[None]))
        moments.close_step()
    part = 0.5 ** (torch.arange(1_999, -1, -1) / 250.0)
    expected = (part[:, None] * later**2).sum(0) / part.sum()
    torch.testing.assert_close(moments.square, expected, rtol=0.01, atol=0)


def test_a_first_day_that_earned_next_to_nothing_is_no_scale_for_the_days_after_it() -> None:
    moments = RunningMoments(2, half_life_days=250.0)
    moments.observe(block_moments(torch.full((1, 2), 1e-6)))
    moments.close_step()
    for day in returns(30):
        block = block_moments(day[None])
        square = moments.before(block)["return_square"][0]
        # Of n days none is further out than root n; they would be thousands of such first days.
        assert (day.abs() / square.sqrt() < 6).all()
        moments.observe(block)
        moments.close_step()


def test_a_block_without_a_book_moves_nothing() -> None:
    moments = RunningMoments(2, half_life_days=10.0)
    moments.observe(block_moments(returns(4)))
    moments.close_step()
    before = [b.clone() for b in moments.buffers()]
    moments.observe(block_moments(torch.zeros(3, 2)))
    moments.close_step()
    assert all(torch.equal(a, b) for a, b in zip(before, moments.buffers(), strict=True))


SCRIPT = """
import sys, torch, torch.distributed as dist
from atft.batch import DayBatch, Forecast
from atft.losses.objective import DayObjective, ObjectiveOptions
torch.set_num_threads(1)
rank, folder = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
objective = DayObjective(ObjectiveOptions(terms={"sharpe": {"weight": 1.0, "half_life_days": 20.0}}), [1, 5])
losses = []
for score, batch in torch.load(f"{folder}/rank{rank}.pt"):
    losses.append(objective(Forecast(score), DayBatch(*batch)).loss)
torch.save((objective.state_dict(), losses), f"{folder}/out{rank}.pt")
dist.destroy_process_group()
"""


def test_the_blocks_of_a_step_move_them_as_one_block_of_its_days() -> None:
    parts, whole = RunningMoments(2, half_life_days=10.0), RunningMoments(2, half_life_days=10.0)
    for seed in range(3):
        days = returns(7, seed)
        for block in days.split([3, 0, 4]):
            parts.observe(block_moments(block))
        parts.close_step()
        whole.observe(block_moments(days))
        whole.close_step()
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(parts.get_buffer(name), value, rtol=1e-5, atol=1e-9)


def test_two_processes_hold_the_moments_of_one_that_sees_both_blocks(
    make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    """Ranks of unequal blocks, and one whose last block is missing, against one process with both blocks."""
    one = DayObjective(ObjectiveOptions(terms={"sharpe": {"weight": 1.0, "half_life_days": 20.0}}), [1, 5])
    of_rank: tuple[list[Any], list[Any]] = ([], [])
    losses = []
    for step in range(3):
        batch = make_batch(days=6, stocks=30, seed=step)
        score = torch.randn(batch.target.shape, generator=torch.Generator().manual_seed(step))
        if step == 2:  # what a rank gets where there are not enough blocks
            valid = batch.valid.clone()
            valid[4:] = False
            batch = batch._replace(valid=valid)
        for rank, days in enumerate((slice(0, 4), slice(4, 6))):
            daily = ("target", "valid", "universe", "sector", "exposure", "day", "regime", "weight")
            part = batch._replace(**{n: getattr(batch, n)[days] for n in daily})
            of_rank[rank].append((score[days], tuple(part)))
            losses.append(one(Forecast(score[days]), part._replace(closes_step=rank == 1)).loss)
    for rank, blocks in enumerate(of_rank):
        torch.save(blocks, tmp_path / f"rank{rank}.pt")
    run_script_twice(SCRIPT, tmp_path)
    (first, first_losses), (second, second_losses) = (torch.load(tmp_path / f"out{r}.pt") for r in (0, 1))
    for name, value in one.state_dict().items():
        assert torch.equal(first[name], second[name]), name
        torch.testing.assert_close(first[name], value, rtol=1e-5, atol=1e-9)
    assert one.moments.days.tolist() == [16, 16]
    both = [loss for step in zip(first_losses, second_losses, strict=True) for loss in step]
    for whole, part in zip(losses, both, strict=True):
        torch.testing.assert_close(part, whole, rtol=1e-4, atol=1e-6)
