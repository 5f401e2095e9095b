"""An optimiser that changes no weight, or cannot step by itself, is an error before the first epoch."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim import lr_scheduler

from atft.errors import InputError
from atft.optim.adabelief import AdaBelief
from atft.optim.schedules import WarmupCosine
from atft.optim.trial_step import try_schedule, try_step


class Still(torch.optim.SGD):
    """Forgets to step."""

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        return None


class Closed(torch.optim.SGD):
    """Steps as those do that measure the loss more than once."""

    def step(self, closure: Callable[[], Tensor]) -> Tensor:  # type: ignore[override]
        return closure()


class EveryFourth(torch.optim.SGD):
    """Moves after each fourth call."""

    calls = 0

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        self.calls += 1
        if self.calls % 4 == 0:
            super().step()


class Noisy(torch.optim.SGD):
    """Adds noise to the weights (Langevin dynamics)."""

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        super().step()
        for group in self.param_groups:
            for weight in group["params"]:
                weight.data.add_(torch.randn_like(weight))


class OneRow(torch.optim.SGD):
    """Moves one row of a matrix and no vector, as one does that draws what it moves."""

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.ndim == 2:
                    weight.data[0] -= group["lr"]


KINDS = [torch.optim.AdamW, torch.optim.SGD, AdaBelief, EveryFourth, Noisy, OneRow]


@pytest.mark.parametrize("kind", KINDS)
def test_an_optimiser_that_steps_passes_and_draws_nothing(kind: Any) -> None:
    state = torch.random.get_rng_state()
    try_step(partial(kind, lr=1e-12))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_an_optimiser_that_changes_no_weight_is_an_error() -> None:
    with pytest.raises(InputError, match=r"^model\.optimizer: Still\.step\(\) changes no weight"):
        try_step(partial(Still, lr=0.1))


def test_an_optimiser_that_asks_for_a_closure_is_an_error() -> None:
    with pytest.raises(
        InputError, match=r"Closed\.step\(\) raises TypeError.*closure.*steps without arguments"
    ):
        try_step(partial(Closed, lr=0.1))


def test_an_optimiser_of_another_device_may_fail_here() -> None:
    try_step(partial(Closed, lr=0.1), "cuda")
    with pytest.raises(InputError, match="changes no weight"):
        try_step(partial(Still, lr=0.1), "cuda")


def test_a_rate_of_zero_trains_nothing_on_purpose() -> None:
    try_step(partial(torch.optim.SGD, lr=0.0))


class OfTwoEpochs(lr_scheduler.LRScheduler):
    """A schedule of one's own with a rate for each of two epochs."""

    def get_lr(self) -> list[float]:
        return [[0.1, 0.2][self.last_epoch] for _ in self.base_lrs]


def schedule(kind: Callable[..., Any]) -> Any:
    return kind(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            partial(lr_scheduler.OneCycleLR, max_lr=0.1, total_steps=2),
            r"OneCycleLR.step\(\) raises at the end of epoch 3 of 4, ValueError.*: Tried to step 3 times",
        ),
        (OfTwoEpochs, r"OfTwoEpochs.step\(\) raises at the end of epoch 2 of 4, IndexError"),
    ],
)
def test_a_schedule_that_ends_before_the_run_is_an_error(kind: Any, message: str) -> None:
    with pytest.raises(
        InputError, match=rf"^model\.scheduler: {message}.*a schedule of torch's steps once an epoch$"
    ):
        try_schedule(schedule(kind), 4)


def test_schedules_that_last_and_runs_without_a_length_pass() -> None:
    for kind in (
        partial(lr_scheduler.OneCycleLR, max_lr=0.1, total_steps=4),
        partial(lr_scheduler.CosineAnnealingLR, T_max=2),
        partial(WarmupCosine, epochs=4),
    ):
        try_schedule(schedule(kind), 4)
    for epochs in (0, -1):
        try_schedule(schedule(partial(lr_scheduler.OneCycleLR, max_lr=0.1, total_steps=2)), epochs)
    try_schedule(None, 4)
