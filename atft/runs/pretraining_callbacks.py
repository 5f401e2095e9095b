"""The callbacks of a pretraining: record, progress, guards and one file of weights; none reads a validation."""

from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl

from atft.callbacks.guards.coverage import CoverageGuard
from atft.callbacks.guards.lost_process import LostProcessGuard
from atft.callbacks.guards.spike import SpikeGuard
from atft.callbacks.record.gradient_monitor import GradientMonitor
from atft.callbacks.record.run_checkpoint import RunCheckpoint
from atft.callbacks.record.run_record import RunRecord
from atft.errors import InputError
from atft.runs.run_callbacks import training_callbacks

PRETRAINED = "pretrained.ckpt"
TRAINING_MONITORS = (GradientMonitor, SpikeGuard, CoverageGuard, LostProcessGuard)
"""Of the callbacks of a fit, those that watch training alone."""


class PretrainedCheckpoint(RunCheckpoint):
    """Write the weights of the latest epoch to ``pretrained.ckpt``, without optimiser and heads."""

    def __init__(self) -> None:
        super().__init__("last", save_last=False, save_weights_only=True)
        self.filename, self.monitor = PRETRAINED.removesuffix(".ckpt"), None

    def _publish_best(self) -> None:
        """No validation selects an epoch: there is one file."""


def pretraining_callbacks(built: Sequence[pl.Callback], record: RunRecord, quiet: bool) -> list[pl.Callback]:
    """The callbacks of a pretraining, in their order.

    Of those ``built`` for a fit, guards and monitors of training keep their options, the others are left out.
    """
    kept = (callback for callback in built if isinstance(callback, TRAINING_MONITORS))
    return [*training_callbacks(record, quiet), *kept, PretrainedCheckpoint()]


def check_pretraining(max_epochs: int | None, phases: Sequence[Any], checkpoint: str | None) -> None:
    """Check the keys of a fit that a pretraining cannot serve.

    Raises:
        InputError: there are phases, a checkpoint to resume, or no number of epochs.
    """
    if phases:
        raise InputError("pretrain has no phases; add --curriculum.phases null, and set trainer.max_epochs")
    if checkpoint is not None:
        raise InputError(
            "pretrain does not resume; leave ckpt_path out, or begin with weights by --init_from"
        )
    if (max_epochs or 0) < 1:
        raise InputError("pretrain stops after trainer.max_epochs; set a number of epochs, at least 1")
