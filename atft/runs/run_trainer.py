"""Lightning's trainer, which knows who asked it to stop, and stops between two optimiser steps only.

A stop may be asked for at any block (a time limit, a callback of the user's). The gradient that the open step's
blocks have added up would be lost, so the trainer continues until that step is closed.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import ModelCheckpoint, Timer
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from lightning.pytorch.profilers import PassThroughProfiler, Profiler
from lightning.pytorch.strategies.launchers.subprocess_script import _SubprocessScriptLauncher

from atft.callbacks.guards.lost_process import Launcher, LostProcessGuard, connection_errors
from atft.callbacks.record.run_checkpoint import RunCheckpoint
from atft.errors import InputError
from atft.files.checkpoint_io import AtomicCheckpointIO
from atft.process.cores import core_count
from atft.tasks.ranking import RankingTask

UNSET_EPOCHS = 1000
"""Epochs of a run that nothing else limits, as Lightning sets them."""
TRAINER_DEFAULTS: dict[str, Any] = {
    "logger": True,
    "accelerator": "auto",
    "devices": 1,
    "use_distributed_sampler": False,  # our sampler divides whole blocks among the ranks
    "enable_progress_bar": False,  # EpochProgress shows one
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
    "log_every_n_steps": 10,
}


WEIGHTS_ROUNDED = ("16-true", "bf16-true", "transformer-engine", "transformer-engine-float16")
"""Precisions of Lightning in which the weights themselves, or layers of another library, are not float32."""


def check_precision(precision: Any) -> None:
    """Raise InputError for a trainer's precision that rounds the weights."""
    if precision in WEIGHTS_ROUNDED:
        raise InputError(
            f"trainer.precision {precision} rounds the weights, in which small steps are lost; bf16-mixed and "
            "16-mixed multiply as fast and keep them"
        )


def run_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """What every training run adds to these options of its trainer: the checkpoint writer and a precision.

    Its loggers follow when its directory is known: until then there are those of the options, or none.
    """
    plugins, logger = options.get("plugins") or [], options.get("logger")
    return {
        "plugins": [*(plugins if isinstance(plugins, list) else [plugins]), AtomicCheckpointIO()],
        "logger": False if logger in (True, None) else logger,
        "precision": options.get("precision") or default_precision(options.get("accelerator")),
    }


def default_precision(accelerator: Any) -> str:
    """Lightning's name of it: bf16-mixed on a GPU that multiplies bfloat16, 32-true elsewhere.

    Products then take a quarter of the time of float32's, and weights, losses, statistics and the optimiser stay
    float32.

    Args:
        accelerator: as the trainer takes it; ``auto`` is a GPU where there is one.
    """
    on_gpu = accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    return "bf16-mixed" if on_gpu and torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"


class RunTrainer(pl.Trainer):
    """The trainer of every run. On several devices it ends when one of its processes does."""

    callbacks: list[pl.Callback]  # Lightning sets it without a type, as the next
    profiler: Profiler
    _asked = False
    stopped_by: Any = None
    """The callback or module that asked it to stop; None where none of them did."""
    _own_loggers: list[Logger] | None = None
    _without_folder: tuple[ModelCheckpoint, ...] = ()
    _profiler: Profiler | None = None
    """The profiler, where it names no folder."""

    def __init__(self, *args: Any, **options: Any) -> None:
        callbacks = options.get("callbacks")
        # Two would be saved under one key, which Lightning finds in words of its own.
        if isinstance(callbacks, list) and sum(isinstance(c, RunCheckpoint) for c in callbacks) > 1:
            raise InputError(
                "trainer.callbacks: a run has a RunCheckpoint already; set its options in checkpoint"
            )
        check_precision(options.get("precision"))
        super().__init__(*args, **options)
        if self.world_size > 1:
            guard = LostProcessGuard()
            self.callbacks.insert(0, guard)
            if isinstance(self.strategy.launcher, _SubprocessScriptLauncher):
                self.strategy._launcher = Launcher(self.strategy.launcher, guard)
            # Lightning sends the others a message from within the signal's handler: where they wait in another
            # collective call, all wait for ever.
            self._signal_connector._sigterm_notifier_fn = _no_message  # type: ignore
            # Each process would compute with as many threads as there are cores.
            share = max(1, core_count() // self.num_devices)
            torch.set_num_threads(min(torch.get_num_threads(), share))

    def write_to(self, directory: Path, logs: bool) -> None:
        """Let checkpoints, a profiler and, where it ``logs``, its loggers write to a directory.

        A later call names another one.
        """
        if self._own_loggers is None:
            self._own_loggers = list(self.loggers)
            checkpoints = (c for c in self.callbacks if isinstance(c, ModelCheckpoint))
            self._without_folder = tuple(c for c in checkpoints if c.dirpath is None)
            if not isinstance(self.profiler, PassThroughProfiler) and self.profiler.dirpath is None:
                self._profiler = self.profiler
        for checkpoint in self._without_folder:
            # Another callback's files may have the names of ours.
            of_the_run = isinstance(checkpoint, RunCheckpoint)
            checkpoint.dirpath = str(directory if of_the_run else directory / "checkpoints")
        if self._profiler is not None:
            # Without a file Lightning writes the profile to a log that is not shown.
            self._profiler.dirpath = directory
            self._profiler.filename = self._profiler.filename or "profile"
        if logs:
            self.loggers = [*run_loggers(directory), *self._own_loggers]

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        with connection_errors(self):
            return super()._run(*args, **kwargs)

    @property
    def max_epochs(self) -> int:
        """Epochs of the run, -1 without a limit; Lightning's own is None until the run starts.

        Not given they are 1000, or without a limit where steps or time are limited.
        """
        epochs = super().max_epochs
        if epochs is not None:
            return epochs
        timed = any(isinstance(callback, Timer) for callback in self.callbacks)
        return -1 if timed or self.max_steps != -1 else UNSET_EPOCHS

    @property
    def should_stop(self) -> bool:
        """Whether to stop now: it was asked to, or ``max_steps`` are taken, and no optimiser step is open.

        By itself Lightning validates where it is asked to stop within an epoch, but not for ``max_steps``: early
        stopping would find no metric.
        """
        return (self._asked or self._all_steps_taken()) and not self._inside_step()

    @should_stop.setter
    def should_stop(self, asked: bool) -> None:
        # Lightning's callbacks write back what they read: that is no request, and inside a step it takes none away.
        if asked and not self._asked and not self._all_steps_taken():
            self.stopped_by, self._asked = _asking(), True
        if self._asked and not asked and not self._inside_step():
            self._asked = False

    def _all_steps_taken(self) -> bool:
        return 0 <= self.max_steps <= self.global_step

    def _inside_step(self) -> bool:
        task = self.lightning_module
        return isinstance(task, RankingTask) and task.step.is_open


def _no_message(number: int, frame: FrameType | None) -> None:
    """A stopped process is missed by the others anyway."""


def _asking() -> Any:
    """The callback or module whose method is running, the innermost one."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        owner = frame.f_locals.get("self")
        if isinstance(owner, pl.Callback | pl.LightningModule):
            return owner
        frame = frame.f_back
    return None


def run_loggers(directory: Path) -> list[Logger]:
    """The loggers of every run: TensorBoard's files and metrics.csv in its directory."""
    location: dict[str, Any] = {"save_dir": directory.parents[1], "name": directory.parent.name}
    location["version"] = directory.name
    return [TensorBoardLogger(default_hp_metric=False, **location), CSVLogger(**location)]
