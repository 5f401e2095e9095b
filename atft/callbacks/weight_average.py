"""What averages of the weights share: weights are averaged, buffers are not.

Validation measures the average, checkpoints contain it and a resumed run continues it, all by Lightning's
`WeightAveraging`. A buffer is no learned weight: scaling, edges of bins and running moments are copied. Cost: a
second copy of the weights, and a pass over them after each step.
"""

from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

Update = Callable[[list[Tensor], list[Tensor], Tensor], None]
"""Moves averaged weights towards the present ones, in place; the last argument is how many are averaged already."""


class WeightAverage(WeightAveraging):
    """An average of the task's weights after each optimiser step; the first one replaces the initial weights.

    Args:
        update: moves the average from the second step on; None takes the mean of all alike.
    """

    def __init__(self, update: Update | None = None) -> None:
        # Without buffers torch copies them from the task after each step.
        super().__init__(device=None, use_buffers=False, multi_avg_fn=update)
        self._swapped = False
        """The task has the averaged weights, and the average the task's."""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Begin a new average where a training begins, whatever a training before it has left."""
        if stage == "fit":
            self._latest_update_step, self._swapped = 0, False
        super().setup(trainer, pl_module, stage)

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
