"""Learning rates of a network's parts: one named group each, and a factor that a phase of the training sets.

The factor multiplies the schedule's rate only while the optimiser steps: no schedule reads its own factor back, so
any schedule of torch keeps its course. Groups of one rate step exactly as a single group would; they cost a few
more kernel launches a step.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

from torch.nn import Parameter

FACTOR = "phase_factor"


@runtime_checkable
class HasGroups(Protocol):
    """An optimiser, or Lightning's wrapper of one."""

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Options and parameters of each group."""


def named_groups(parts: Mapping[str, Sequence[Parameter]]) -> list[dict[str, Any]]:
    """Make an optimiser's groups of the parts that train, by name; what requires no gradient is left out."""
    trained = {name: [p for p in part if p.requires_grad] for name, part in parts.items()}
    return [{"name": name, "params": part} for name, part in trained.items() if part]


def set_factors(optimizer: HasGroups, factors: Mapping[str, float]) -> None:
    """Set the multiple of each group's learning rate from the next step on; 1 for a group that is not named."""
    for group in optimizer.param_groups:
        group[FACTOR] = factors.get(group["name"], 1.0)


@contextmanager
def phase_rates(optimizer: HasGroups) -> Iterator[None]:
    """Let the groups step at their rates times their factors; afterwards the schedule's own rates are back."""
    rates = [group["lr"] for group in optimizer.param_groups]
    for group in optimizer.param_groups:
        group["lr"] = group["lr"] * group.get(FACTOR, 1.0)
    try:
        yield
    finally:
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate


def largest_rate(optimizer: HasGroups) -> float:
    """The highest learning rate at which a group that trains steps, its factor included; 0 where none trains."""
    rates = [
        float(group["lr"]) * group.get(FACTOR, 1.0)
        for group in optimizer.param_groups
        if any(p.requires_grad for p in group["params"])
    ]
    return max(rates, default=0.0)
