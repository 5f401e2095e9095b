"""An optimiser has one group for each part of the network; what cannot be built is an error of one line."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from atft.errors import InputError
from atft.optim.build import build_stepping
from atft.optim.schedules import WarmupCosine

GROUPS = {"input": [nn.Parameter(torch.zeros(2))], "heads": [nn.Parameter(torch.zeros(3))]}
ADAMW = partial(torch.optim.AdamW, lr=0.1)


def test_each_part_of_the_network_is_a_group_of_its_name() -> None:
    optimizer, schedule = build_stepping(ADAMW, None, GROUPS, 3)
    assert [group["name"] for group in optimizer.param_groups] == ["input", "heads"]
    assert schedule is None


def test_a_schedule_knows_the_length_of_the_run() -> None:
    optimizer, schedule = build_stepping(ADAMW, partial(WarmupCosine, warmup_epochs=0.5), GROUPS, 4)
    assert isinstance(schedule, WarmupCosine)
    schedule.advance(4.0)
    assert optimizer.param_groups[0]["lr"] < 0.01


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (None, r"model\.optimizer is missing; training needs one"),
        (partial(torch.optim.AdamW, lr=-1.0), r"model\.optimizer or model\.scheduler: Invalid learning rate"),
        (partial(torch.optim.AdamW, rate=1.0), "unexpected keyword argument 'rate'"),
    ],
)
def test_what_cannot_be_built_is_an_error_of_one_line(optimizer: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_stepping(optimizer, None, GROUPS, 1)
