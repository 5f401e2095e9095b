"""The guards and monitors that every fit has, and what the callbacks of a run may not be.

Three faults would pass in silence: a callback that watches a metric which nothing logs, averaged weights that no
validation measured, and a metric that is read at another step than its own. Each is an error before anything is
made.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import (
    EarlyStopping,
    ModelCheckpoint,
    StochasticWeightAveraging,
    WeightAveraging,
)

from atft.callbacks.figures.validation import ValidationFigures
from atft.callbacks.guards.collapse import CollapseGuard
from atft.callbacks.guards.coverage import CoverageGuard
from atft.callbacks.guards.early_stopping import EarlyStopping as RunEarlyStopping
from atft.callbacks.guards.non_finite import NonFiniteGuard
from atft.callbacks.guards.spike import SpikeGuard
from atft.callbacks.late_average import LateAverage
from atft.callbacks.record.epoch_progress import EpochProgress
from atft.callbacks.record.gradient_monitor import GradientMonitor
from atft.callbacks.record.messages import EpochLine
from atft.callbacks.record.run_checkpoint import RunCheckpoint
from atft.callbacks.record.run_record import RunRecord
from atft.callbacks.record.tensorboard_layout import TensorBoardLayout
from atft.day_statistics import RANKING_METRICS
from atft.errors import InputError
from atft.metrics.direction import is_lower_better
from atft.metrics.own_metrics import nearest_metric
from atft.optim.trial_step import try_schedule, try_step
from atft.runs.run_trainer import UNSET_EPOCHS, RunTrainer
from atft.runs.step_threads import StepThreads
from atft.tasks.day_data import DayData
from atft.tasks.network_check import check_network_on_noise
from atft.tasks.part_inputs import check_training_inputs
from atft.tasks.ranking import RankingTask

MONITORS: dict[str, type[pl.Callback]] = {
    "gradient_monitor": GradientMonitor,
    "spike_guard": SpikeGuard,
    "collapse_guard": CollapseGuard,
    "coverage_guard": CoverageGuard,
    "validation_figures": ValidationFigures,
}
"""Guards and monitors of every fit that have options, by their key."""

FITTING = (ModelCheckpoint, EarlyStopping, WeightAveraging, *MONITORS.values())
"""Callbacks that mean something only while a network trains."""


def training_callbacks(record: RunRecord, quiet: bool) -> list[pl.Callback]:
    """The callbacks of every training that come before all others; ``quiet`` prints no line after an epoch."""
    progress = [] if quiet else [EpochProgress()]  # its bar ends before the epoch's line
    return [record, *progress, EpochLine(quiet), NonFiniteGuard(), StepThreads()]


def first_callbacks(record: RunRecord, metrics: Iterable[str], quiet: bool) -> list[pl.Callback]:
    """The callbacks of every fit that come before all others, but for the phases of a curriculum."""
    own_metrics = [name for name in metrics if name not in RANKING_METRICS]
    return [*training_callbacks(record, quiet), TensorBoardLayout(record.config_text, own_metrics)]


def check_training(
    trainer: RunTrainer, task: RankingTask, data: DayData, phases: Sequence[Mapping[str, bool]] = ()
) -> None:
    """Check before anything is made that a trainer with its callbacks can train a task on some data.

    Args:
        phases: parts of the network that each phase of a curriculum switches.

    Raises:
        InputError: a callback, the optimiser or the network cannot be used; the line names its key.
    """
    check_metrics(trainer.callbacks, task.logged_names())
    check_averages(trainer.callbacks, trainer.max_epochs)
    check_scores_are_current(trainer)
    check_optimizer_trains(trainer, task)
    check_training_inputs(task, data, phases)
    check_network_on_noise(task, data)


def check_optimizer_trains(trainer: RunTrainer, task: RankingTask) -> None:
    """Check that optimiser and schedule can be built and last for the run, and that a step changes weights."""
    _, scheduler = task.build_optimizer(trainer.max_epochs)
    try_schedule(scheduler, trainer.max_epochs or 0)
    try_step(task.optimizer_factory, trainer.strategy.root_device.type)


def checked_callbacks(callbacks: Any) -> list[pl.Callback]:
    """The callbacks that a user adds; InputError where one is a class, or none at all."""
    alone = isinstance(callbacks, pl.Callback | str) or not isinstance(callbacks, Iterable)
    listed = [callbacks] if alone else list(callbacks)
    for callback in listed:
        if not isinstance(callback, pl.Callback):
            name = callback.__name__ if isinstance(callback, type) else type(callback).__name__
            advice = (
                f"write {name:.40}()" if isinstance(callback, type) else "derive it from Lightning's Callback"
            )
            raise InputError(f"callbacks: {callback!r:.60} is no callback; {advice}")
    return listed


def check_metrics(callbacks: Iterable[pl.Callback], known: set[str]) -> None:
    """Check that checkpoint and early stopping watch a metric that an epoch logs, and not for its worst value."""
    for callback in callbacks:
        monitor = getattr(callback, "monitor", None)
        watches = isinstance(callback, ModelCheckpoint | EarlyStopping)
        if watches and monitor is not None and monitor not in known:
            key = f"{_key(callback)}.monitor"
            raise InputError(f"{key}: no metric {monitor!r}{nearest_metric(monitor, known)}")
        if watches and is_lower_better(monitor or "") and getattr(callback, "mode", None) == "max":
            raise InputError(f"{_key(callback)}.mode: {monitor} is better where it is lower; set mode to min")


def _key(callback: pl.Callback) -> str:
    """The key that a callback's options are under: of its own where the run has made it, or of the user's list."""
    if isinstance(callback, RunCheckpoint):
        return "checkpoint"
    if isinstance(callback, RunEarlyStopping):
        return "early_stopping"
    return f"trainer.callbacks: {type(callback).__name__}"


def check_scores_are_current(trainer: pl.Trainer) -> None:
    """Check that a validation metric is only read while the weights are those that it was measured with."""
    interval = getattr(trainer, "val_check_interval", None)
    if interval != 1.0 or isinstance(interval, int):
        raise InputError(
            "trainer.val_check_interval: validation runs when an epoch is over; leave it out, or validate less "
            "often with trainer.check_val_every_n_epoch"
        )
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    for callback in callbacks:
        validated = (getattr(callback, "monitor", None) or "").startswith("val/")
        if isinstance(callback, EarlyStopping) and trainer.check_val_every_n_epoch != 1:
            if validated and callback._check_on_train_epoch_end:
                raise InputError(
                    f"{_key(callback)}.check_on_train_epoch_end: not every epoch is validated; leave it out"
                )
            callback._check_on_train_epoch_end = not validated  # Lightning would read train/loss too early
        if not isinstance(callback, ModelCheckpoint) or isinstance(callback, RunCheckpoint):
            continue
        if callback._train_time_interval is not None:
            raise InputError(
                f"trainer.callbacks: {type(callback).__name__}.train_time_interval: Lightning saves nothing "
                f"within an epoch by it; give every_n_train_steps, here or in checkpoint"
            )
        if validated and callback._every_n_train_steps:
            raise InputError(
                f"trainer.callbacks: {type(callback).__name__} saves within an epoch, where {callback.monitor} is "
                f"not measured; leave monitor out, or every_n_train_steps"
            )


def check_averages(callbacks: Iterable[pl.Callback], max_epochs: int) -> None:
    """Check that averages of the weights are measured by validation and contained in checkpoints.

    Those derived from Lightning's ``WeightAveraging`` are, if they average from the first step on. A run without a
    limit has -1 ``max_epochs``.
    """
    epochs = range(max(max_epochs, 1) if max_epochs >= 0 else UNSET_EPOCHS)
    for callback in callbacks:
        problem = ""
        if isinstance(callback, StochasticWeightAveraging):
            problem = (
                "sets its average after the last validation, no checkpoint would hold it; use "
                "atft.callbacks.late_average.LateAverage"
            )
        elif not isinstance(callback, WeightAveraging):
            continue
        elif isinstance(callback, LateAverage) and 0 <= max_epochs < callback.from_epoch:
            begins = callback.from_epoch
            problem = f"begins in epoch {begins} of {max_epochs}, nothing would be averaged; lower from_epoch"
        elif not callback.should_update(step_idx=0):
            problem = (
                "starts late, validation would measure the untrained network until then; leave the start out, or "
                "use atft.callbacks.late_average.LateAverage"
            )
        elif any(callback.should_update(epoch_idx=epoch) for epoch in epochs):
            problem = (
                "moves its average after an epoch's validation, the checkpoint would hold other weights than were "
                "measured; leave update_starting_at_epoch out"
            )
        if problem:
            raise InputError(f"trainer.callbacks: {type(callback).__name__} {problem}")
