"""Build the optimiser and the schedule of a run from their factories, with one group for each part of a network."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from atft.errors import InputError
from atft.optim.phase_rates import named_groups
from atft.optim.schedules import Schedule

OptimizerFactory = Callable[[Iterable[Any]], Optimizer]
SchedulerFactory = Callable[[Optimizer], LRScheduler]
FUSED_ON = ("cuda", "cpu")
"""Types of devices on which an optimiser steps a whole group in one kernel, where it can: a quarter of the time."""

INITIAL_RATE = "initial_lr"
"""Entry of an optimiser's group, torch's own where there is a schedule: the learning rate that was asked for."""


def build_optimizer(
    optimizer_factory: OptimizerFactory | None,
    scheduler_factory: SchedulerFactory | None,
    groups: Mapping[str, list[nn.Parameter]],
    max_epochs: int | None,
) -> tuple[Optimizer, LRScheduler | None]:
    """Build the optimiser of some groups of parameters, and its schedule for a run of ``max_epochs``.

    Raises:
        InputError: there is no optimiser, it has no learning rate, or a number is out of range.
    """
    if optimizer_factory is None:
        raise InputError(
            "model.optimizer is missing; training needs one, for instance {class_path: torch.optim.AdamW}, "
            "in Python optimizer=partial(torch.optim.AdamW, lr=1e-3)"
        )
    try:
        optimizer = optimizer_factory(named_groups(groups))
        scheduler = scheduler_factory(optimizer) if scheduler_factory is not None else None
    except InputError:
        raise
    except (ValueError, TypeError) as error:
        raise InputError(f"model.optimizer or model.scheduler: {error}") from error
    if any("lr" not in group for group in optimizer.param_groups):
        raise InputError(
            f"model.optimizer: {type(optimizer).__name__} has no lr in its groups, which schedules and phases set; "
            f"pass defaults of {{'lr': 1.0}} to Optimizer.__init__, and multiply the step by it"
        )
    waits = isinstance(scheduler, ReduceLROnPlateau)
    if scheduler is not None and (waits or not isinstance(scheduler, LRScheduler)):
        fault = "waits for a metric" if waits else "is no LRScheduler"
        raise InputError(
            f"model.scheduler: {type(scheduler).__name__} {fault}; name a schedule of epochs, such as "
            f"atft.optim.schedules.WarmupCosine"
        )
    for group in optimizer.param_groups:
        group.setdefault(INITIAL_RATE, group["lr"])
    if isinstance(scheduler, Schedule):
        scheduler.bind(max_epochs or 1)  # a run of 0 epochs says itself that it took no step
    _fuse(optimizer)
    return optimizer, scheduler


def copied_factory(key: str, factory: Any, example: str) -> Any:
    """A factory that a copy of the task shares, of a class or of what builds one; None of None.

    Raises:
        InputError: it is the name of a class, or what one has built.
    """
    if factory is None:
        return None
    if isinstance(factory, Optimizer | LRScheduler) or not callable(factory):
        came = repr(factory) if isinstance(factory, str) else f"a {type(factory).__name__} that is built"
        raise InputError(f"{key} must be a class or functools.partial({example}), got {came:.60}")
    return lambda argument: factory(argument)


def _fuse(optimizer: Optimizer) -> None:
    """Let an optimiser of torch's that can step all of a group in one kernel do so where the group's device has it.

    No kernel steps complex parameters. ``fused: false``, or ``foreach``, in its options leaves it as it is.
    """
    for group in optimizer.param_groups:
        chosen = group.get("fused", False) is not None or group.get("foreach") is not None
        if not chosen and all(p.device.type in FUSED_ON and p.is_floating_point() for p in group["params"]):
            group["fused"] = True
