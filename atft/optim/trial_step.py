"""Let an optimiser step weights of its own before the first epoch: one that moves nothing trains nothing.

A run whose optimiser does not step ends like any other, with the figures of its first weights.
"""

import torch
from torch import nn

from atft.errors import InputError
from atft.optim.build import OptimizerFactory
from atft.optim.phase_rates import largest_rate, named_groups
from atft.own_functions import USERS_ERRORS, error_text

SIZE = 4
"""Rows and columns of the matrix that is stepped; as long is the vector beside it."""
TRIED_STEPS = 16
"""Steps until a weight must have changed: an optimiser may gather the gradients of several before it moves."""
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
