"""Log the loss and its terms: each step's in the loggers, and their mean over the epoch's steps.

A step is several blocks on several devices, so its values are summed over blocks and devices. They go to the
loggers directly and only every ``trainer.log_every_n_steps``: Lightning's own ``log`` of a dozen terms at each
step cost a fifth of a small step. The axis of all loggers is the number of optimiser steps, the same on any number
of devices.
"""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor


class StepLog:
    """Log each step's loss and terms where due, and sum them over the epoch's steps, on this device until read."""

    def __init__(self) -> None:
        self.begin_epoch()

    def begin_epoch(self) -> None:
        """Forget the last epoch."""
        self._epoch: dict[str, Tensor] = {}
        self._steps = 0

    def add_step(self, task: Any, rate: float) -> None:
        """Log the step just taken, at this learning rate, where one is due, and add it to the epoch."""
        trainer, sums = task.trainer, task.step.sums
        # A tensor of the CPU: Lightning would copy a number to the device, and wait for it.
        task.log_own({"train/learning_rate": torch.tensor(rate)}, on_step=True, on_epoch=False, logger=False)
        every = trainer.log_every_n_steps  # 0: never
        if every and task.global_step % every == 0:
            # Copies: the reduction works in place, and the epoch's means are summed from the same parts.
            wholes = {n: float(over_devices(trainer, value.clone())) for n, value in sums.items()}
            steps = {f"train/step/{n.removeprefix('train/')}": v for n, v in wholes.items()}
            log_at(trainer, {"train/learning_rate": rate, **steps}, task.global_step)
        self._epoch = {n: self._epoch[n] + value if n in self._epoch else value for n, value in sums.items()}
        self._steps += 1

    def means(self, task: Any) -> dict[str, Tensor]:
        """Means over the epoch's closed steps, on all devices."""
        return {n: over_devices(task.trainer, value) / self._steps for n, value in self._epoch.items()}


def log_at(trainer: Any, values: Mapping[str, float], step: int) -> None:
    """Give the loggers values of optimiser step ``step`` now, without Lightning's own interval."""
    for logger in trainer.loggers if trainer.is_global_zero else ():
        logger.log_metrics(dict(values), step=step)


def count_optimiser_steps(trainer: Any) -> None:
    """Let Lightning's own log use the axis of optimiser steps; call it after each block.

    Lightning counts blocks where gradients are applied by hand, and has no public option for another axis.
    """
    trainer.fit_loop.epoch_loop._batches_that_stepped = trainer.global_step


def over_devices(trainer: Any, part: Tensor) -> Tensor:
    """Sum a part over all devices, in its own memory where there are several."""
    return cast(Tensor, trainer.strategy.reduce(part, reduce_op="sum"))
