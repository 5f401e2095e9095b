"""Let an optimiser step weights of its own before the first epoch, and a schedule as far as the run goes.

A run whose optimiser does not step ends like any other, with the figures of its first weights. One whose schedule
was made for fewer epochs would end with the library's error when an epoch is over.
"""

import warnings

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from atft.errors import InputError
from atft.optim.build import OptimizerFactory
from atft.optim.phase_rates import largest_rate, named_groups
from atft.optim.schedules import Schedule
from atft.own_functions import USERS_ERRORS, error_text

SIZE = 4
"""Rows and columns of the matrix that is stepped; as long is the vector beside it."""
TRIED_STEPS = 16
"""Steps until a weight must have changed: an optimiser may gather the gradients of several before it moves."""
TRIED_EPOCHS = 1000
"""Ends of epochs at which a schedule is tried at most: 10 ms."""
START = 1e-3
"""The weights, in float64 so that any learning rate shows, and not 0, since an optimiser may scale by them."""


def try_step(factory: OptimizerFactory, device_type: str = "cpu") -> None:
    """Step a matrix and a vector, whose gradients are ones, on the CPU with an optimiser that ``factory`` builds.

    A learning rate of 0, as a control has that trains nothing on purpose, is not tried.

    Args:
        device_type: of the device that trains; for another than the CPU an optimiser may not step there at all.

    Raises:
        InputError: ``step`` raises, as it does where it asks for a closure, or changes neither.
    """
    weights = [
        nn.Parameter(torch.full(shape, START, dtype=torch.float64)) for shape in ((SIZE, SIZE), (SIZE,))
    ]
    with torch.random.fork_rng(devices=[]):
        optimizer = factory(named_groups({"trial": weights}))
        if largest_rate(optimizer) == 0:
            return
        name = type(optimizer).__name__
        for _ in range(TRIED_STEPS):
            for weight in weights:
                weight.grad = torch.ones_like(weight)
            try:
                optimizer.step()
            except USERS_ERRORS as error:
                if device_type != "cpu":
                    return
                raise InputError(
                    f"model.optimizer: {name}.step() raises {error_text(error, type(optimizer).step)}; name one "
                    f"that steps without arguments, such as torch.optim.AdamW"
                ) from error
            if any((weight != START).any() for weight in weights):
                return
    raise InputError(
        f"model.optimizer: {name}.step() changes no weight where each gradient is 1, so nothing would train"
    )


def try_schedule(scheduler: LRScheduler | None, max_epochs: int) -> None:
    """Step a schedule of torch's once for each epoch of a run, of which it and its optimiser are no part.

    Raises:
        InputError: it raises before the run ends, as one that was made for a number of steps does.
    """
    if scheduler is None or isinstance(scheduler, Schedule):
        return
    name = type(scheduler).__name__
    for epoch in range(1, min(max_epochs, TRIED_EPOCHS) + 1):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the optimiser does not step before it here
                scheduler.step()
        except USERS_ERRORS as error:
            raise InputError(
                f"model.scheduler: {name}.step() raises at the end of epoch {epoch} of {max_epochs}, "
                f"{error_text(error, type(scheduler).step)}; a schedule of torch's steps once an epoch"
            ) from error
