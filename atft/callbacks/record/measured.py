"""What was measured of a set of weights: it belongs to their optimiser step, and stands in their checkpoint.

Lightning keeps the last value of every metric for as long as a run lasts. `RankingTask` empties that memory when an
epoch starts and validates only when one is over, so that ``trainer.callback_metrics`` never holds a metric of other
weights than the present ones: an epoch that was not validated has no ``val/`` metric in any file.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import lightning.pytorch as pl

from atft.callbacks.record.atomic_checkpoint import read_checkpoint


class Measured(NamedTuple):
    """Metrics of the weights after one optimiser step."""

    step: int
    """Optimiser steps taken."""
    epoch: int
    """Counted from 0, as in metrics.json."""
    metrics: dict[str, float]
    """By name, those of the epoch's training included."""

    def validation(self) -> dict[str, float]:
        """The validation's part; empty where these weights were not validated."""
        return validation_of(self.metrics)


def validation_of(metrics: Mapping[str, float]) -> dict[str, float]:
    """The validation's part of an epoch's metrics."""
    return {name: value for name, value in metrics.items() if name.startswith("val/")}


def measured_now(trainer: pl.Trainer) -> Measured:
    """What is known of the present weights."""
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    return Measured(trainer.global_step, trainer.current_epoch, metrics)


def measured_of(checkpoint: Path) -> Measured:
    """What was known of a checkpoint's weights when it was written.

    Raises:
        InputError: the checkpoint cannot be read.
    """
    content = read_checkpoint(checkpoint)
    metrics = content.get("atft", {}).get("measured", {})
    return Measured(int(content["global_step"]), int(content["epoch"]), dict(metrics))
