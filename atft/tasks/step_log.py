"""The loss and its terms: each step's in the loggers, and their mean over the epoch's steps.

A step is several blocks on several devices, so its values are summed block by block and device by device. Steps
are handed to the loggers directly and only every ``trainer.log_every_n_steps``: Lightning's own ``log`` of a dozen
terms at each step cost a fifth of a small step. The axis of all loggers is the number of optimiser steps taken,
which is the same on any number of devices.
"""

from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor


class StepLog:
    """Sums of a step's blocks and of an epoch's steps; on this device until they are asked for."""

    def __init__(self) -> None:
        self._step: dict[str, Tensor] = {}
        self._epoch: dict[str, Tensor] = {}
        self._steps = 0

    def begin_epoch(self) -> None:
        """Forget the last epoch, and a step that a limit ended in its middle."""
        self._step, self._epoch, self._steps = {}, {}, 0

    def add(self, name: str, value: Tensor) -> None:
        """Add a block's part of a value; the parts of all blocks and devices add up to the step's."""
        _add(self._step, name, value.detach())

    def close_step(self, task: Any, rate: float) -> None:
        """Log the step that was just taken as ``train/step/...`` where one is due, and add it to the epoch.

        Args:
            task: the module that trains.
            rate: learning rate that the step used, logged as ``train/learning_rate``.
        """
        trainer = task.trainer
        task.log("train/learning_rate", rate, on_step=True, on_epoch=False, logger=False)
        every = trainer.log_every_n_steps  # 0: never
        if every and task.global_step % every == 0:
            # A copy: the epoch's means are summed from the same parts.
            wholes = {n: float(_whole(trainer, value.clone())) for n, value in self._step.items()}
            steps = {f"train/step/{n.removeprefix('train/')}": v for n, v in wholes.items()}
            log_at(trainer, {"train/learning_rate": rate, **steps}, task.global_step)
        for name, total in self._step.items():
            _add(self._epoch, name, total)
        self._step = {}
        self._steps += 1

    def means(self, task: Any) -> dict[str, Tensor]:
        """Means over the epoch's closed steps, on all devices."""
        return {n: _whole(task.trainer, value) / self._steps for n, value in self._epoch.items()}


def log_at(trainer: Any, values: Mapping[str, float], step: int) -> None:
    """Give the loggers values of an optimiser step at once, where Lightning would wait for its own interval.

    Args:
        trainer: the run's.
        values: by name.
        step: how many steps had been taken by then, this one included.
    """
    for logger in trainer.loggers if trainer.is_global_zero else ():
        logger.log_metrics(dict(values), step=step)


def count_optimiser_steps(trainer: Any) -> None:
    """Let Lightning's own log use the axis of optimiser steps; call it after each block.

    Lightning counts blocks where gradients are applied by hand, and has no public option for another axis.
    """
    trainer.fit_loop.epoch_loop._batches_that_stepped = trainer.global_step


def _add(sums: dict[str, Tensor], name: str, value: Tensor) -> None:
    held = sums.get(name)
    sums[name] = value if held is None else held + value


def _whole(trainer: Any, part: Tensor) -> Tensor:
    return cast(Tensor, trainer.strategy.reduce(part, reduce_op="sum"))
