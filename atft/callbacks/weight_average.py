"""What averages of the weights share: weights are averaged, buffers are not.

Validation measures the average, checkpoints contain it and a resumed run continues it, all by Lightning's
`WeightAveraging`. A buffer is no learned weight: scaling, edges of bins and running moments are copied. Cost: a
second copy of the weights, and a pass over them after each step.

The average is on the device of training and its count on the CPU, so that a step waits for nothing. Lightning makes
the average before the task is on its device, and torch's `AveragedModel` reads its count from the device.
"""

from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

Update = Callable[[list[Tensor], list[Tensor], int], None]
"""Moves averaged weights towards the present ones, in place; the last argument is how many are averaged already."""


class WeightAverage(WeightAveraging):
    """An average of the task's weights after each optimiser step; the first one replaces the initial weights.

    Args:
        update: moves the average from the second step on.
    """

    def __init__(self, update: Update) -> None:
        super().__init__(device=None, use_buffers=False)
        self._move = update
        self._swapped = False
        """The task has the averaged weights, and the average the task's."""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Begin a new average where a training begins, whatever a training before it has left."""
        if stage == "fit":
            self._latest_update_step, self._swapped = 0, False
            self._average_model = AveragedModel(pl_module)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Move the average to where the task is by now."""
        assert self._average_model is not None
        self._average_model.module.to(pl_module.device)

    @torch.no_grad()
    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Add the weights of an optimiser step to the average, once."""
        average = self._average_model
        if average is None or trainer.global_step <= self._latest_update_step:
            return
        self._latest_update_step = trainer.global_step
        averaged: list[Tensor] = [*average.module.parameters()]
        present: list[Tensor] = [*pl_module.parameters()]
        copied, earlier = [*average.module.buffers()], int(average.n_averaged)
        if earlier:
            self._move(averaged, present, earlier)
        else:
            torch._foreach_copy_(averaged, present)
        if copied:
            torch._foreach_copy_(copied, [*pl_module.buffers()])
        average.n_averaged += 1

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Save the average and the task's weights under their own names, also in the middle of a validation."""
        super().on_save_checkpoint(trainer, pl_module, checkpoint)
        if self._swapped:
            checkpoint["state_dict"], checkpoint["current_model_state"] = (
                checkpoint["current_model_state"],
                checkpoint["state_dict"],
            )

    @torch.no_grad()
    def _swap_models(self, pl_module: pl.LightningModule) -> None:
        for averaged, present in self._pairs(pl_module):
            average = averaged.clone()
            averaged.copy_(present)
            present.copy_(average)
        self._swapped = not self._swapped

    @torch.no_grad()
    def _copy_average_to_current(self, pl_module: pl.LightningModule) -> None:
        for averaged, present in self._pairs(pl_module):
            present.copy_(averaged)

    def _pairs(self, pl_module: pl.LightningModule) -> Any:
        average = self._average_model
        assert average is not None
        return zip(average.module.parameters(), pl_module.parameters(), strict=True)
