"""An optimiser has one group for each part of the network; what cannot be built is an error of one line."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from atft.errors import InputError
from atft.optim.build import build_optimizer, copied_factory
from atft.optim.schedules import WarmupCosine


class WithoutRate(torch.optim.Optimizer):
    """An optimiser of one's own whose step has a fixed length."""

    def __init__(self, params: Any) -> None:
        super().__init__(params, {})


GROUPS = {"input": [nn.Parameter(torch.zeros(2))], "heads": [nn.Parameter(torch.zeros(3))]}
ADAMW = partial(torch.optim.AdamW, lr=0.1)


def test_each_part_of_the_network_is_a_group_of_its_name() -> None:
    optimizer, schedule = build_optimizer(ADAMW, None, GROUPS, 3)
    assert [group["name"] for group in optimizer.param_groups] == ["input", "heads"]
    assert schedule is None


def test_a_schedule_knows_the_length_of_the_run() -> None:
    optimizer, schedule = build_optimizer(ADAMW, partial(WarmupCosine, warmup_epochs=0.5), GROUPS, 4)
    assert isinstance(schedule, WarmupCosine)
    schedule.advance(2.25)  # the middle of the fall
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05)
    schedule.advance(4.0)
    assert optimizer.param_groups[0]["lr"] == 0


@pytest.mark.parametrize("max_epochs", [None, 0])
def test_a_schedule_of_a_run_without_epochs_is_built_for_one(max_epochs: int | None) -> None:
    optimizer, schedule = build_optimizer(ADAMW, partial(WarmupCosine, warmup_epochs=0.5), GROUPS, max_epochs)
    assert isinstance(schedule, WarmupCosine)
    schedule.advance(0.75)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (
            None,
            r"^model\.optimizer is missing; .* in Python optimizer=partial\(torch\.optim\.AdamW, lr=1e-3\)$",
        ),
        (partial(torch.optim.AdamW, lr=-1.0), r"model\.optimizer or model\.scheduler: Invalid learning rate"),
        (partial(torch.optim.AdamW, rate=1.0), "unexpected keyword argument 'rate'"),
        (
            WithoutRate,
            r"model\.optimizer: WithoutRate has no lr in its groups, .*pass defaults of {'lr': 1.0}",
        ),
    ],
)
def test_what_cannot_be_built_is_an_error_of_one_line(optimizer: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_optimizer(optimizer, None, GROUPS, 1)


@pytest.mark.parametrize(
    ("scheduler", "message"),
    [
        (
            torch.optim.lr_scheduler.ReduceLROnPlateau,
            "ReduceLROnPlateau waits for a metric; name a schedule of",
        ),
        (
            lambda optimizer: 3,
            "int is no LRScheduler; name a schedule of epochs, such as atft.optim.schedules",
        ),
    ],
)
def test_a_schedule_that_an_epoch_cannot_step_is_an_error(scheduler: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_optimizer(ADAMW, scheduler, GROUPS, 1)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (ADAMW([nn.Parameter(torch.ones(1))]), r"got a AdamW that is built$"),
        (
            "torch.optim.AdamW",
            r"^model\.optimizer must be a class or functools\.partial\(X\), got 'torch.optim",
        ),
        (7, "got a int that is built"),
    ],
)
def test_a_factory_is_a_class_or_a_partial_of_one(factory: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        copied_factory("model.optimizer", factory, "X")
    assert copied_factory("model.optimizer", None, "X") is None
    assert copied_factory("model.optimizer", ADAMW, "X")(GROUPS["input"]).defaults["lr"] == 0.1


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.Adam, torch.optim.SGD])
def test_where_a_device_has_fused_steps_an_optimiser_takes_them_and_steps_as_before(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atft.optim.build.FUSED_ON", ())
    plain, _ = build_optimizer(partial(kind, lr=0.1), None, GROUPS, 3)
    assert not any(group["fused"] for group in plain.param_groups)
    monkeypatch.setattr("atft.optim.build.FUSED_ON", ("cpu",))
    stepped = []
    for choice in ({}, {"fused": False}, {"foreach": True}):
        weight = nn.Parameter(torch.ones(3))
        optimizer, _ = build_optimizer(partial(kind, lr=0.1, **choice), None, {"heads": [weight]}, 3)
        assert bool(optimizer.param_groups[0]["fused"]) == (not choice)
        weight.grad = torch.tensor([1.0, -2.0, 0.5])
        optimizer.step()
        stepped.append(weight.detach())
    for other in stepped[1:]:
        torch.testing.assert_close(other, stepped[0])


def test_an_optimiser_without_fused_steps_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atft.optim.build.FUSED_ON", ("cpu",))
    optimizer, _ = build_optimizer(partial(torch.optim.RMSprop, lr=0.1), None, GROUPS, 3)
    assert "fused" not in optimizer.param_groups[0]


def test_complex_parameters_train_without_a_fused_step_and_the_other_groups_with_it() -> None:
    groups = {
        "wave": [nn.Parameter(torch.ones(2, dtype=torch.complex64))],
        "head": [nn.Parameter(torch.ones(2))],
    }
    optimizer, _ = build_optimizer(partial(torch.optim.AdamW, lr=0.1), None, groups, 1)
    assert [bool(group["fused"]) for group in optimizer.param_groups] == [False, True]
    sum(p.abs().sum() for of in groups.values() for p in of).backward()
    optimizer.step()
    assert all((p.abs() < 1).all() for of in groups.values() for p in of)
