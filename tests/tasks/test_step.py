"""A step adds up its blocks; a checkpoint written inside one resumes at its first (and test_reproducible.py)."""

import math
from collections.abc import Callable
from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from atft.batch import DayBatch
from atft.data.block_plan import BlockSampler
from atft.errors import InputError
from atft.losses.objective import ObjectiveValue
from atft.tasks.step import Step, add_loss_gradient, checked_clip, count_in_blocks_of, planned


class Module(nn.Linear):
    """Trains nothing; has a buffer that blocks move, and a count of steps."""

    global_step = 7

    def __init__(self) -> None:
        super().__init__(2, 1)
        self.register_buffer("moment", torch.zeros(1))
        self.part = nn.Module()
        self.part.register_buffer("moment", torch.zeros(1))


@pytest.fixture
def module() -> Any:
    return Module()


def checkpoint(module: Any, ready: int) -> dict[str, Any]:
    counts = {"ready": ready, "started": ready, "processed": ready, "completed": ready - 1}
    total = {name: 100 + count for name, count in counts.items()}
    loops = {
        "epoch_loop.batch_progress": {"current": counts, "total": total, "is_last_batch": True},
        "state_dict": {"combined_loader": [{"epoch": 1, "done": ready}]},
    }
    return {"state_dict": module.state_dict(), "loops": {"fit_loop": loops}}


def test_between_two_steps_a_checkpoint_is_left_as_it_is(
    module: Any, make_batch: Callable[..., DayBatch]
) -> None:
    step = Step()
    step.begin(make_batch()._replace(position=4), module)
    step.close()
    saved = checkpoint(module, 5)
    before = deepcopy(saved["loops"])
    step.rewind(saved)
    assert saved["loops"] == before


def test_inside_a_step_it_resumes_at_the_first_block_with_the_buffers_of_then(
    module: Any, make_batch: Callable[..., DayBatch]
) -> None:
    step = Step()
    for block in (4, 5, 6):
        step.begin(make_batch()._replace(position=block), module)
        module.get_buffer("moment").add_(1)
        module.get_buffer("part.moment").add_(1)
    saved = checkpoint(module, 7)
    step.rewind(saved)
    loop = saved["loops"]["fit_loop"]
    assert set(loop["epoch_loop.batch_progress"]["current"].values()) == {4}
    assert set(loop["epoch_loop.batch_progress"]["total"].values()) == {104}
    assert loop["epoch_loop.batch_progress"]["is_last_batch"] is False
    assert loop["state_dict"]["combined_loader"] == [{"epoch": 1, "done": 4}]
    assert saved["state_dict"]["moment"].item() == saved["state_dict"]["part.moment"].item() == 0
    assert module.get_buffer("moment").item() == 3


def test_where_weights_are_averaged_the_buffers_of_those_that_step_go_back(
    module: Any, make_batch: Callable[..., DayBatch]
) -> None:
    step = Step()
    step.begin(make_batch()._replace(position=4), module)
    module.get_buffer("moment").add_(1)
    saved = checkpoint(module, 5)
    saved["current_model_state"] = {n: v.clone() for n, v in module.state_dict().items()}
    average = saved["state_dict"]["moment"]
    step.rewind(saved)
    assert saved["current_model_state"]["moment"].item() == 0
    assert saved["state_dict"]["moment"] is average and average.item() == 1


def test_each_block_of_another_loader_has_a_plan_of_its_own_place(
    make_batch: Callable[..., DayBatch],
) -> None:
    trainer: Any = SimpleNamespace(train_dataloader=[])
    for place, closes in ((3, False), (4, True)):
        block = planned(trainer, make_batch(days=2)._replace(position=place, closes_step=closes))
        assert (block.index, block.closes_step, block.ends_step) == (place, closes, closes)
        assert block.days == 2


def test_a_checkpoint_of_other_ranks_resumes_at_its_step_in_their_blocks(module: Any) -> None:
    alone, third = (BlockSampler(range(60), [10] * 60, 2, 90, rank=0, world_size=n) for n in (1, 3))
    done = alone.blocks_of_steps(3, 1)
    saved = checkpoint(module, done)
    saved["loops"]["fit_loop"]["state_dict"]["combined_loader"] = [{"epoch": 1, "done": done, "steps": 3}]
    count_in_blocks_of(third, saved)
    loop, there = saved["loops"]["fit_loop"], third.blocks_of_steps(3, 1)
    assert 0 < there < done
    assert loop["state_dict"]["combined_loader"] == [{"epoch": 1, "done": there, "steps": 3}]
    assert set(loop["epoch_loop.batch_progress"]["current"].values()) == {there}
    assert set(loop["epoch_loop.batch_progress"]["total"].values()) == {100 + there}
    with pytest.raises(InputError, match="3 steps of epoch 2 are done, which has 1 here"):
        count_in_blocks_of(BlockSampler(range(3), [10] * 60, 2, 90), saved)
    count_in_blocks_of(alone, saved)
    assert loop["state_dict"]["combined_loader"][0]["done"] == done


def test_a_step_adds_up_its_blocks_and_a_second_attempt_replaces_the_first(
    module: Any, make_batch: Callable[..., DayBatch]
) -> None:
    step, batch = Step(), make_batch(days=2)._replace(closes_step=False, weight=torch.tensor([0.25, 0.25]))

    def attempt(loss: float) -> None:
        step.set_value(
            ObjectiveValue(torch.full((2,), loss, requires_grad=True), {"ic": torch.full((2,), loss)}), batch
        )

    step.begin(batch, module)
    assert (step.number, step.closes, step.is_open) == (7, False, True)
    attempt(8.0)
    attempt(2.0)
    assert step.sums["train/loss"] == 1 and not step.value.loss.requires_grad
    step.begin(batch._replace(closes_step=True), module)
    attempt(4.0)
    assert step.sums == {"train/loss": 3.0, "train/term/ic": 3.0} and step.closes
    step.close()
    assert not step.is_open
    step.begin(batch, module)
    attempt(6.0)
    assert step.sums["train/loss"] == 3


def test_a_gradient_is_added_outside_of_autocast(make_batch: Callable[..., DayBatch]) -> None:
    """Autocast would round products of a backward pass whose forward pass was in full precision."""

    class Task(nn.Module):
        device = torch.device("cpu")
        trainer = SimpleNamespace(world_size=2)
        autocast: bool | None = None

        def manual_backward(self, loss: torch.Tensor) -> None:
            self.autocast = torch.is_autocast_enabled("cpu")
            loss.backward()

    task, batch = Task(), make_batch()
    loss = torch.ones(len(batch.day), requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        add_loss_gradient(task, loss, batch)
    assert task.autocast is False
    torch.testing.assert_close(loss.grad, 2 * batch.weight)


@pytest.mark.parametrize("norm", [0.0, -1.0, math.nan, math.inf])
def test_a_clip_that_would_do_nothing_is_an_error(norm: float) -> None:
    assert checked_clip(None) is None and checked_clip(0.5) == 0.5
    with pytest.raises(InputError, match=r"model\.gradient_clip must be null or a number above 0"):
        checked_clip(norm)
    with pytest.raises(InputError, match=r"model\.gradient_clip must be a number"):
        checked_clip("1.0")  # type: ignore[arg-type]
