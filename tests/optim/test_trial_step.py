"""An optimiser that changes no weight, or cannot step by itself, is an error before the first epoch."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from atft.errors import InputError
from atft.optim.adabelief import AdaBelief
from atft.optim.trial_step import try_step


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


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD, AdaBelief, EveryFourth, Noisy])
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
