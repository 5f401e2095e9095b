"""A Lightning trainer for Python, with the defaults, guards, checkpoints and record of ``python -m atft fit``."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as pl
from lightning.fabric.utilities.exceptions import MisconfigurationException

from atft.callbacks.guards.early_stopping import EarlyStopping
from atft.callbacks.record.messages import append_log
from atft.callbacks.record.run_checkpoint import RunCheckpoint
from atft.callbacks.record.run_record import RunRecord
from atft.data.loader import lost_workers
from atft.errors import InputError, one_line
from atft.files.checkpoint_file import read_checkpoint
from atft.option_types import check_arguments
from atft.runs.resumed_run import all_done, check_resumed
from atft.runs.run_callbacks import (
    MONITORS,
    check_training,
    checked_callbacks,
    first_callbacks,
)
from atft.runs.run_directory import make_version, next_version
from atft.runs.run_trainer import TRAINER_DEFAULTS, RunTrainer, run_options
from atft.runs.third_parties import third_parties_silenced
from atft.runs.trainer_options import check_trainer_options
from atft.tasks.day_data import DayData
from atft.tasks.ranking import RankingTask
from atft.tasks.task_config import task_config


class Trainer(RunTrainer):
    """Train a `RankingTask` on its `DayData` once, and keep the run in a directory of its own.

    ``trainer.fit(task, data)`` makes the next free ``version_N`` in ``directory``. Afterwards ``trainer.directory``
    has receipt.json, config.yaml, metrics.json, run.log, TensorBoard's files, best_model.ckpt (the selected
    epoch's weights) and last.ckpt; `atft.runs.run_files.read_run` reads it. The task itself has the last epoch's
    weights.

    Args:
        directory: folder of the runs of one name.
        max_epochs: epochs, if nothing stops it before.
        monitor: metric of an epoch that chooses the best one and stops early.
        mode: max or min, what is better.
        patience: epochs without a better one before training stops; None never stops early.
        select: best keeps the best epoch's weights in best_model.ckpt; last keeps the last epoch's, and training
            stops early only where the metric is worse than its best by over half of it for ``patience`` epochs.
        callbacks: added to the guards and monitors that every run has.
        quiet: print nothing; run.log has the lines.
        options: of Lightning's trainer, for instance ``accelerator``, ``precision`` (by default bf16-mixed on a GPU
            that multiplies bfloat16, else 32-true) or ``max_time``; a ``logger``,
            or a list of them, is added to TensorBoard and metrics.csv, False writes none.

    Raises:
        InputError: an option that a run cannot serve.
    """

    def __init__(
        self,
        directory: str | Path,
        max_epochs: int,
        *,
        monitor: str = "val/rank_ic",
        mode: Literal["max", "min"] = "max",
        patience: int | None = 10,
        select: Literal["best", "last"] = "best",
        callbacks: Iterable[pl.Callback] = (),
        quiet: bool = False,
        **options: Any,
    ) -> None:
        named = {"directory": directory, "monitor": monitor, "mode": mode, "patience": patience}
        check_arguments(Trainer, {**named, "max_epochs": max_epochs})
        check_trainer_options({"max_epochs": max_epochs, **options})
        self._root, self._quiet = Path(directory).absolute(), quiet
        self._logs = options.get("logger") is not False
        self.record: RunRecord | None = None
        """Receipt and metrics of the run; None before `fit`."""
        ours: list[pl.Callback] = [RunCheckpoint(select, monitor, mode)]
        if patience is not None:
            ours.append(EarlyStopping(monitor, mode, patience))
        ours += [kind() for kind in MONITORS.values()]
        options = {**TRAINER_DEFAULTS, **options}
        options |= run_options(options)
        ours = [*checked_callbacks(callbacks), *ours]
        try:
            with third_parties_silenced():
                super().__init__(max_epochs=max_epochs, callbacks=ours, **options)
        except InputError:
            raise
        except (MisconfigurationException, ValueError) as error:  # no such device, no such precision
            raise InputError(f"trainer: {one_line(error, 200)}") from error

    @property
    def directory(self) -> Path:
        """The run's directory; InputError before `fit` has made it."""
        if self.record is None:
            raise InputError("the run has no directory yet; call trainer.fit(task, data)")
        return self.record.directory

    def fit(
        self,
        model: pl.LightningModule,
        train_dataloaders: Any = None,
        val_dataloaders: Any = None,
        datamodule: pl.LightningDataModule | None = None,
        ckpt_path: Any = None,
        weights_only: bool | None = None,
    ) -> None:
        """Check task and data, make the run's directory, and train: ``trainer.fit(task, data)``.

        Args:
            model: a `RankingTask`.
            train_dataloaders: a `DayData`, or None where ``datamodule`` is one.
            val_dataloaders: None.
            datamodule: a `DayData`.
            ckpt_path: ``last.ckpt`` of a run to resume here; it must have been trained for the same.
            weights_only: ignored: a checkpoint is always read as plain data.

        Raises:
            InputError: task, data, options or checkpoint cannot train; nothing is made then.
            RunFailed: a guard has ended the run.
        """
        data = train_dataloaders if datamodule is None else datamodule
        if not isinstance(model, RankingTask) or not isinstance(data, DayData) or val_dataloaders is not None:
            raise InputError("atft.Trainer trains a RankingTask on a DayData: trainer.fit(task, data)")
        if self.record is not None:
            raise InputError(f"this trainer has trained ({self.directory}); make another one")
        resumed = None if ckpt_path is None else str(ckpt_path)
        check_training(self, model, data)
        data.prepare_training()
        if resumed is not None:
            content = read_checkpoint(resumed)
            if check_resumed(content, resumed, self, model, data, task_config(model, data)):
                raise all_done(content, resumed, self.max_epochs)
        self._begin(model, data, resumed)
        for line in data.lines_of("train") if self.is_global_zero else ():
            append_log(self.directory, line)
            if not self._quiet:
                print(line)  # noqa: T201
        try:
            with third_parties_silenced(), lost_workers():
                super().fit(model, datamodule=data, ckpt_path=resumed)
        except SystemExit as ended:
            # What Lightning makes of an interrupt would end the notebook's kernel.
            if isinstance(ended.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt(*ended.__context__.args) from None
            raise

    def _begin(self, task: RankingTask, data: DayData, resumed: str | None) -> None:
        """Make the directory, and the callbacks that write into it."""
        text = task_config(task, data)
        directory = make_version(next_version(self._root))
        self.record = RunRecord(text, directory)
        self.record.receipt.resumed_from = resumed
        self.callbacks[:0] = first_callbacks(self.record, task.metrics, self._quiet)
        self.write_to(directory, self._logs)
