"""Stochastic weight averaging over the last epochs of a run.

A mean from the first step on would include weights that are hardly trained, so the average follows the network
until its first epoch.
"""

from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from atft.callbacks.weight_average import WeightAverage
from atft.errors import InputError


class LateAverage(WeightAverage):
    """Average the weights of all steps from one epoch on, each alike.

    Args:
        from_epoch: first epoch that counts, from 1, as in the epochs' lines; for instance a phase's first.

    Paper: Izmailov et al. (2018), Averaging Weights Leads to Wider Optima and Better Generalization.
    """

    def __init__(self, from_epoch: int) -> None:
        if from_epoch < 1:
            raise InputError(f"LateAverage.from_epoch must be at least 1, got {from_epoch}")
        super().__init__(_mean_of_all)
        self.from_epoch = from_epoch

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *hooked: Any) -> None:
        """Add a step's weights; before the first epoch that counts they replace the average."""
        average = self._average_model
        early = trainer.current_epoch + 1 < self.from_epoch
        if early and average is not None:
            average.n_averaged.zero_()
        super().on_train_batch_end(trainer, pl_module, *hooked)
        if early and average is not None:
            average.n_averaged.zero_()


def _mean_of_all(averaged: list[Tensor], present: list[Tensor], earlier: int) -> None:
    difference = torch._foreach_sub(present, averaged)
    torch._foreach_div_(difference, earlier + 1)
    torch._foreach_add_(averaged, difference)
