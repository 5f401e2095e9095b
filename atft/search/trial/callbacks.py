"""What a sweep adds to a training run: pruning, progress on the disk, and an end after an epoch.

Pruning and the end act when an epoch's checkpoint is written, so that a trial that is ended leaves a whole run: its
last epoch in the metrics, in ``last.ckpt`` and in TensorBoard, its receipt ``stopped`` with outcome and reason.
Lightning calls callbacks of the class `Checkpoint` after all others, so these two belong to it.
"""

import os
import resource
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import optuna
from lightning.pytorch.callbacks import Checkpoint
from optuna_integration import PyTorchLightningPruningCallback  # type: ignore[import-untyped]

from atft.callbacks.record.run_record import RunRecord
from atft.files.publish import publish_json
from atft.search.study.files import PROGRESS
from atft.search.study.outcome import Outcome


def _is_over(trainer: pl.Trainer) -> bool:
    """Whether the run ends with this epoch anyway."""
    return trainer.should_stop or trainer.current_epoch + 1 >= (trainer.max_epochs or 0)


def _end(trainer: pl.Trainer, record: RunRecord, reason: str) -> None:
    trainer.should_stop = True
    record.stopped = reason


class TrialPruning(PyTorchLightningPruningCallback, Checkpoint):  # type: ignore[misc]
    """Optuna's pruning callback, which reports a validated epoch once its checkpoint is written.

    A pruned run ends normally, with outcome and reason in its record; the caller raises what Optuna expects. After
    the last epoch nothing is pruned: it would save nothing and lose the value.
    """

    def __init__(self, trial: optuna.Trial, metric: str, pruner: str, record: RunRecord) -> None:
        super().__init__(trial, metric)
        self.pruner, self.record = pruner, record

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Wait for the epoch's checkpoint; Optuna's callback would report here."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.monitor not in trainer.callback_metrics:
            return  # this epoch was not validated
        try:
            super().on_validation_end(trainer, pl_module)
        except optuna.TrialPruned:
            if _is_over(trainer):
                return
            value, epoch = float(trainer.callback_metrics[self.monitor]), trainer.current_epoch + 1
            _end(
                trainer, self.record, f"pruned by {self.pruner} at epoch {epoch}: {self.monitor} {value:+.4f}"
            )
            self.record.receipt.outcome = Outcome.PRUNED


class EpochEnd(Checkpoint):
    """End the run after an epoch when ``stop()`` is true, or `time.monotonic` past the deadline of ``minutes``."""

    def __init__(
        self, stop: Callable[[], bool], deadline: float | None, minutes: float | None, record: RunRecord
    ) -> None:
        self.stop, self.deadline, self.minutes, self.record = stop, deadline, minutes, record

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if _is_over(trainer):
            return
        epoch = f"epoch {trainer.current_epoch + 1}"
        if self.deadline is not None and time.monotonic() >= self.deadline:
            # No outcome of its own: the trial counts with the value that it has.
            _end(trainer, self.record, f"limits.minutes: {self.minutes:g} minutes were over after {epoch}")
        elif self.stop():
            _end(trainer, self.record, f"interrupted by the user after {epoch}")
            self.record.receipt.outcome = Outcome.INTERRUPTED


class Heartbeat(pl.Callback):
    """Publish ``progress.json`` after a block, at most once a second; status and the supervisor read it.

    Its epochs are those of all folds together.
    """

    def __init__(self, directory: Path, metric: str, labels: dict[str, Any], folds: int = 1) -> None:
        self.path, self.metric, self.labels, self.folds = directory / PROGRESS, metric, labels, folds
        self.fold = 0
        self.activity = "preparing"
        self._started = time.time()
        self._published = self._trained_since = 0.0
        self._values: list[float] = []
        self._epoch = self._first_epoch = 0.0
        self._epochs = self._step = 0
        self.publish()

    def publish(self, activity: str | None = None) -> None:
        """Write the file now; ``activity`` is preparing, training, validating, or the trial's outcome."""
        self.activity = activity or self.activity
        self._published = time.monotonic()
        minutes = (self._published - self._trained_since) / 60 if self._trained_since else 0.0
        done = self._epoch - self._first_epoch
        content = {
            **self.labels,
            "activity": self.activity,
            "epoch": round(self.fold * self._epochs + self._epoch, 3),
            "epochs": self.folds * self._epochs,
            "fold": self.fold,
            "folds": self.folds,
            "step": self._step,
            "metric_name": self.metric,
            "metric": self._values[-1] if self._values else None,
            "values": self._values,
            "epochs_per_minute": round(done / minutes, 4) if minutes > 0 and done > 0 else None,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 3),
            "started": self._started,
            "time": time.time(),
        }
        publish_json(self.path, content, durable=False)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._epochs = trainer.max_epochs or 0
        self._epoch = self._first_epoch = float(trainer.current_epoch)
        self._trained_since = time.monotonic()
        self.publish("training")

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.activity, self._step = "training", trainer.global_step
        blocks = len(trainer.train_dataloader.plan)  # type: ignore[union-attr]
        self._epoch = trainer.current_epoch + (batch_idx + 1) / max(blocks, 1)
        self._beat()

    def on_validation_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: Any, **__: Any) -> None:
        self.activity = "validating"
        self._beat()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._epoch = trainer.current_epoch + 1.0
        if self.metric in trainer.callback_metrics:
            self._values.append(float(trainer.callback_metrics[self.metric]))
        self._beat()

    def _beat(self) -> None:
        if time.monotonic() - self._published >= 1:
            self.publish()
