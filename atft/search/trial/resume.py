"""What a failed trial left to go on from: its last checkpoint, and the values of the epochs up to it.

A process that is killed may have published an epoch's metrics and not its checkpoint, so the checkpoint decides how
far the trial had come. What is damaged is not used: the trial then starts from the beginning, and its receipt says
why.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from atft.callbacks.record.atomic_checkpoint import read_checkpoint
from atft.callbacks.record.receipt import read_receipt
from atft.errors import InputError
from atft.search.study.outcome import Outcome
from atft.search.trial.files import read_json

if TYPE_CHECKING:
    import optuna

LAST = "last.ckpt"


class PreviousRun(NamedTuple):
    """What a failed trial left to go on from."""

    directory: Path
    history: list[dict[str, Any]]
    """Metrics of the epochs that were over at its last checkpoint."""
    over: bool
    """It had ended by itself; only its value was not told."""


def read_previous(directory: Path, alarms: list[str], epochs: int) -> PreviousRun | None:
    """Read what a failed run left; None where that is nothing, or nothing that can be used.

    Args:
        directory: the failed run's.
        alarms: gets a line where something lies there that cannot be used.
        epochs: of a whole run.
    """
    path = directory / LAST
    if not path.exists():
        return None  # it ended within its first epoch
    metrics = read_json(directory / "metrics.json")
    try:
        progress = read_checkpoint(path)["loops"]["fit_loop"]["epoch_progress"]
        done = int(progress["current"]["processed"])  # the checkpoint may be of the middle of the next one
        receipt = read_receipt(directory)
    except (InputError, OSError, ValueError, KeyError, TypeError) as error:
        alarms.append(
            f"{path} cannot be used, training starts from the beginning: {' '.join(str(error).split())}"
        )
        return None
    epochs_held = (metrics or {}).get("epochs", [])
    history = [
        {k: math.nan if v is None else v for k, v in e.items()} for e in epochs_held if e["epoch"] < done
    ]
    if [e["epoch"] for e in history] != list(range(done)):
        alarms.append(
            f"{directory}: metrics.json lacks epochs of last.ckpt; training starts from the beginning"
        )
        return None
    ended = receipt.status in ("completed", "stopped") and receipt.outcome != Outcome.INTERRUPTED
    return PreviousRun(directory, history, ended or done >= epochs)


def report_again(trial: "optuna.Trial", history: list[dict[str, Any]], metric: str) -> None:
    """Tell the study the values of the epochs that a failed trial had finished."""
    for epoch in history:
        if metric in epoch:
            trial.report(float(epoch[metric]), step=int(epoch["epoch"]))
