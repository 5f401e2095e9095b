"""Build the optimiser and the schedule of a run from their factories, with one group for each part of a network."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from atft.errors import InputError
from atft.optim.phase_rates import named_groups
from atft.optim.schedules import Schedule

OptimizerFactory = Callable[[Iterable[Any]], Optimizer]
SchedulerFactory = Callable[[Optimizer], LRScheduler]


def build_stepping(
    optimizer: OptimizerFactory | None,
    scheduler: SchedulerFactory | None,
    groups: Mapping[str, list[nn.Parameter]],
    max_epochs: int,
) -> tuple[Optimizer, LRScheduler | None]:
    """Build the optimiser of some groups of parameters, and its schedule for a run of ``max_epochs``.

    Raises:
        InputError: there is no optimiser, or one of their numbers is out of range.
    """
    if optimizer is None:
        raise InputError(
            "model.optimizer is missing; training needs one, for instance {class_path: torch.optim.AdamW}"
        )
    try:
        stepping = optimizer(named_groups(groups))
        schedule = scheduler(stepping) if scheduler is not None else None
    except InputError:
        raise
    except (ValueError, TypeError) as error:
        raise InputError(f"model.optimizer or model.scheduler: {error}") from error
    if isinstance(schedule, Schedule):
        schedule.bind(max_epochs)
    return stepping, schedule
