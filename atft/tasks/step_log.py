"""The loss and its terms step by step, beside their means of an epoch: where in an epoch a term turned.

Handed to the loggers directly and only every ``trainer.log_every_n_steps`` optimiser steps: Lightning's own ``log``
of a dozen terms at each step cost a fifth of a small step.
"""

from typing import Any, cast

from torch import Tensor


def log_step(task: Any, sums: dict[str, Tensor]) -> None:
    """Log one optimiser step's loss and terms as ``train/step/...``, where that step is due.

    Args:
        task: the module that trains.
        sums: this device's part of each value, by name; the parts of all devices add up to the step's.
    """
    trainer = task.trainer
    if task.global_step % trainer.log_every_n_steps:
        return
    # A copy: the epoch's means are summed from the same parts.
    wholes = {n: cast(Tensor, trainer.strategy.reduce(v.clone(), reduce_op="sum")) for n, v in sums.items()}
    if trainer.is_global_zero:
        values = {f"train/step/{n.removeprefix('train/')}": float(v) for n, v in wholes.items()}
        for logger in trainer.loggers:
            # The axis that Lightning gives to everything that is logged within an epoch.
            logger.log_metrics(values, step=trainer.fit_loop.epoch_loop._batches_that_stepped)
