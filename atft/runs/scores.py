"""Score days with a task: into a file, or into a Polars frame."""

from collections.abc import Mapping, Sequence
from copy import copy
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import lightning.pytorch as pl
from lightning.fabric.utilities.exceptions import MisconfigurationException

from atft.callbacks.record.prediction_writer import PredictionWriter
from atft.errors import InputError, one_line
from atft.files.checkpoint_io import AtomicCheckpointIO
from atft.option_types import check_type
from atft.runs.run_trainer import check_precision
from atft.runs.third_parties import third_parties_silenced
from atft.tasks.day_data import DayData
from atft.tasks.part_inputs import check_network_inputs
from atft.tasks.ranking import RankingTask

if TYPE_CHECKING:
    import polars


def write_scores(
    task: RankingTask,
    data: DayData,
    path: Path,
    checkpoint: str | None = None,
    digests: Mapping[str, str] | None = None,
    accelerator: str = "auto",
    precision: str = "32-true",
) -> Path:
    """Score every day to predict, with a checkpoint's weights or the present ones, and write the file.

    Args:
        digests: strings kept in the file's footer.
    """
    check_precision(precision)
    levels = list(task.network.quantiles)
    writer = PredictionWriter(
        path, data.open_cache(), data.split_of, data.run_columns(), dict(digests or {}), levels
    )
    try:
        trainer = pl.Trainer(
            accelerator=accelerator,
            devices=1,  # one file, days in order: also after training on several devices
            precision=precision,  # type: ignore[arg-type]
            callbacks=[writer],
            plugins=[AtomicCheckpointIO()],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
    except (MisconfigurationException, ValueError) as error:  # no such device, no such precision
        raise InputError(f"predict: {one_line(error, 200)}") from error
    trainer.predict(task, datamodule=data, ckpt_path=checkpoint, return_predictions=False)
    return path


def predict(
    task: RankingTask,
    data: DayData,
    days: Sequence[str] | None = None,
    accelerator: str = "auto",
    precision: str = "32-true",
) -> "polars.DataFrame":
    """Score days with a task's present weights; those of the selected epoch are in the run's checkpoint.

    Args:
        task: trained, or loaded by `RankingTask.load_from_checkpoint`.
        data: its features may be in another order than those the task was trained on.
        days: ISO dates [from, to], both included; None: those of ``data``, from the first validation day to the end
            where it names none.
        accelerator: as Lightning names it; the CPU's scores of one day have the same bits whatever the other days.
        precision: as Lightning names it.

    Returns:
        One row per day, horizon and stock of the universe, with the columns of ``predictions.parquet``: date, code,
        horizon, score, target (null while unknown), split and what the panel has for evaluation.

    Raises:
        InputError: the panel lacks what the network reads, or no day of the period has enough history.
    """
    import polars

    check_type("predict(task, data): task", task, RankingTask)
    check_type("predict(task, data): data", data, DayData)
    check_network_inputs(task, data)
    if isinstance(days, str | date):
        raise InputError(f"predict: days must be [from, to], two ISO dates, got {days!r:.40}")
    if days is not None:
        data = copy(data)  # the caller's keeps its own days
        data.predict_dates = list(days)
    with TemporaryDirectory() as folder, third_parties_silenced():
        path = Path(folder) / "scores.parquet"
        write_scores(task, data, path, accelerator=accelerator, precision=precision)
        return polars.read_parquet(path)
