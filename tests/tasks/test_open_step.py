"""A checkpoint written inside a step goes on at the step's first block; trained in test_reproducible.py."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import nn

from atft.tasks.open_step import OpenStep


@pytest.fixture
def module() -> nn.Module:
    made = nn.Linear(2, 1)
    made.register_buffer("moment", torch.zeros(1))
    return made


def checkpoint(module: nn.Module, ready: int) -> dict[str, Any]:
    counts = {"ready": ready, "started": ready, "processed": ready, "completed": ready - 1}
    total = {name: 100 + count for name, count in counts.items()}
    loops = {
        "epoch_loop.batch_progress": {"current": counts, "total": total, "is_last_batch": True},
        "state_dict": {"combined_loader": [{"epoch": 1, "done": ready}]},
    }
    return {"state_dict": module.state_dict(), "loops": {"fit_loop": loops}}


def test_between_two_steps_a_checkpoint_is_left_as_it_is(module: nn.Module) -> None:
    step = OpenStep()
    step.see(4, module)
    step.close()
    held = checkpoint(module, 5)
    before = deepcopy(held["loops"])
    step.rewind(held)
    assert held["loops"] == before


def test_inside_a_step_it_goes_on_at_the_first_block_with_the_buffers_of_then(module: nn.Module) -> None:
    step = OpenStep()
    for block in (4, 5, 6):
        step.see(block, module)
        module.get_buffer("moment").add_(1)
    held = checkpoint(module, 7)
    step.rewind(held)
    loop = held["loops"]["fit_loop"]
    assert set(loop["epoch_loop.batch_progress"]["current"].values()) == {4}
    assert set(loop["epoch_loop.batch_progress"]["total"].values()) == {104}
    assert loop["epoch_loop.batch_progress"]["is_last_batch"] is False
    assert loop["state_dict"]["combined_loader"] == [{"epoch": 1, "done": 4}]
    assert held["state_dict"]["moment"].item() == 0 and module.get_buffer("moment").item() == 3
