"""The guards and monitors that every fit has, and what the callbacks of a run may not be.

A callback that watches a metric which nothing logs would stay silent for the whole run, so it is refused before
anything is made.
"""

from collections.abc import Iterable

import lightning.pytorch as pl
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from atft.callbacks.collapse_guard import CollapseGuard
from atft.callbacks.coverage_guard import CoverageGuard
from atft.callbacks.gradient_monitor import GradientMonitor
from atft.callbacks.loss_scale_guard import LossScaleGuard
from atft.callbacks.memory_retries import MemoryRetries
from atft.callbacks.non_finite_guard import NonFiniteGuard
from atft.callbacks.phase_schedule import PhaseSchedule
from atft.callbacks.spike_guard import SpikeGuard
from atft.callbacks.tensorboard_layout import TensorBoardLayout
from atft.callbacks.throughput import Throughput
from atft.callbacks.validation_figures import ValidationFigures
from atft.errors import InputError, nearest

MONITORS: dict[str, type[pl.Callback]] = {
    "gradient_monitor": GradientMonitor,  # before the guard, which empties a gradient that is not finite
    "non_finite_guard": NonFiniteGuard,
    "loss_scale_guard": LossScaleGuard,
    "spike_guard": SpikeGuard,
    "collapse_guard": CollapseGuard,
    "coverage_guard": CoverageGuard,
    "memory_retries": MemoryRetries,
    "throughput": Throughput,
    "tensorboard_layout": TensorBoardLayout,
    "validation_figures": ValidationFigures,
    "curriculum": PhaseSchedule,
}
"""Guards and monitors that every fit has, by the key of their options."""

FITTING: tuple[type[pl.Callback], ...] = (ModelCheckpoint, EarlyStopping, *MONITORS.values())
"""Callbacks that mean something while a network trains only."""


def refuse_unknown_metrics(callbacks: Iterable[pl.Callback], known: set[str]) -> None:
    """Refuse a checkpoint or early stopping that watches what nothing logs.

    Args:
        callbacks: the trainer's.
        known: names that a finished epoch has logged.

    Raises:
        InputError: with the nearest name.
    """
    for key, kind in (("checkpoint", ModelCheckpoint), ("early_stopping", EarlyStopping)):
        for callback in callbacks:
            monitor = getattr(callback, "monitor", None)
            if isinstance(callback, kind) and monitor is not None and monitor not in known:
                raise InputError(f"{key}.monitor: no metric {monitor!r}{nearest(monitor, known)}")
