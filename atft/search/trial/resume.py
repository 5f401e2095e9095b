"""Where a retry resumes: the last checkpoint of the failed trial, and the values of the epochs up to it.

A process that is killed may have published an epoch's metrics and not its checkpoint, so the checkpoint decides
how far the trial had come. A damaged one is not used: the trial then starts from the beginning; its receipt has
the reason.
"""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.trial import FrozenTrial

from atft.callbacks.record.receipt import read_receipt
from atft.commands.resume import LAST
from atft.errors import InputError
from atft.files.publish import read_json
from atft.search.study.outcome import Outcome


class PreviousRun(NamedTuple):
    """A failed run, as far as it can be continued."""

    directory: Path
    history: list[dict[str, Any]]
    """Metrics of the epochs that were over at its last checkpoint."""
    over: bool
    """It had ended normally; only its value did not reach the study."""


def former_directories(trials: Sequence[FrozenTrial], number: int, root: Path) -> list[Path]:
    """The directories of the trials that trial ``number`` is a retry of, the nearest first.

    Those with another batch are left out, for a schedule counts steps: after the batch was halved, a trial trains
    from the start.
    """
    by_number = {t.number: t for t in trials}
    trial = by_number[number]
    halved = trial.user_attrs.get("halved_batch")
    directories = []
    while "retry_of" in trial.user_attrs:
        trial = by_number[trial.user_attrs["retry_of"]]
        if trial.user_attrs.get("halved_batch") != halved:
            break
        if "directory" in trial.user_attrs:
            directories.append(root / str(trial.user_attrs["directory"]))
    return directories


def nearest_run(directories: Iterable[Path]) -> Path | None:
    """The first directory with a ``last.ckpt``; None where none has one here.

    A trial of another machine left none here, and one that ended within its first epoch left none at all.
    """
    return next((directory for directory in directories if (directory / LAST).exists()), None)


def read_previous(directory: Path, alarms: list[str], epochs: int) -> PreviousRun | None:
    """Read what a failed run of so many ``epochs`` left; None where there is nothing to resume.

    ``alarms`` gets a line where files are there that cannot be used.
    """
    path = directory / LAST
    if not path.exists():
        return None  # it ended within its first epoch
    from atft.files.checkpoint_file import read_checkpoint

    metrics = read_json(directory / "metrics.json") or {}
    try:
        progress = read_checkpoint(path)["loops"]["fit_loop"]["epoch_progress"]
        done = int(progress["current"]["processed"])  # the checkpoint may be of the middle of the next one
        receipt = read_receipt(directory)
        history = [
            {k: math.nan if v is None else v for k, v in epoch.items()}
            for epoch in metrics.get("epochs", [])
            if epoch["epoch"] < done
        ]
    except (InputError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        alarms.append(
            f"{directory}: what it left cannot be used, training starts from the beginning: {reason}"
        )
        return None
    if [epoch["epoch"] for epoch in history] != list(range(done)):
        alarms.append(
            f"{directory}: metrics.json lacks epochs of last.ckpt; training starts from the beginning"
        )
        return None
    ended = receipt.status in ("completed", "stopped") and receipt.outcome != Outcome.INTERRUPTED
    return PreviousRun(directory, history, ended or done >= epochs)


def report_again(trial: optuna.Trial, history: list[dict[str, Any]], metric: str) -> None:
    """Report to the study the values of the epochs that a failed trial had finished."""
    for epoch in history:
        if metric in epoch:
            trial.report(float(epoch[metric]), step=int(epoch["epoch"]))
