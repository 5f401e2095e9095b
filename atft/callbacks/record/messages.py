"""Messages of a running callback: on the terminal and in the run's ``run.log``, warnings in its receipt too."""

from pathlib import Path

import lightning.pytorch as pl
from rich.console import Console

from atft.callbacks.record.run_record import find_record

RUN_LOG = "run.log"


def log(trainer: pl.Trainer, text: str, quiet: bool = False) -> None:
    """Print a message on the first device and keep it in the run's log, where the run has a `RunRecord`.

    Args:
        trainer: the run's.
        text: one line, or a whole table.
        quiet: write to the log only.
    """
    if not trainer.is_global_zero:
        return
    if not quiet:
        Console(stderr=True, highlight=False).print(text, soft_wrap=True, markup=False)
    record = find_record(trainer)
    if record is not None:
        append_log(record.directory, text)


def warn(trainer: pl.Trainer, text: str) -> None:
    """Print a warning of one line, and keep it in the run's log and in ``receipt.alarms``.

    The receipt is published after the epoch, or with the error that ends the run.
    """
    log(trainer, f"warning: {text}")
    record = find_record(trainer)
    if record is not None and trainer.is_global_zero:
        record.receipt.alarms.append(text)


def append_log(directory: Path, text: str) -> None:
    """Append ``text`` to ``run.log`` in one write; nothing where the run's directory does not exist."""
    if directory.is_dir():
        with (directory / RUN_LOG).open("a", encoding="utf-8") as run_log:
            run_log.write(text.rstrip() + "\n")
