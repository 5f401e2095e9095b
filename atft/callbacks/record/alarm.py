"""Where a line of a running callback goes: the terminal and run.log, and a warning also to the receipt.

The same words everywhere: an alarm that is only printed is lost with the terminal; one that is only recorded is
read too late.
"""

import lightning.pytorch as pl
from rich.console import Console

from atft.callbacks.record.run_log import append_log
from atft.callbacks.record.run_record import find_record


def announce(trainer: pl.Trainer, text: str, quiet: bool = False) -> None:
    """Print what is no warning, and keep it in the run's log.

    Args:
        trainer: the run's; without a `RunRecord` among its callbacks the text is printed only.
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


def sound_alarm(trainer: pl.Trainer, text: str) -> None:
    """Print one line, and keep it in the run's log and in ``receipt.alarms``.

    The receipt is published with the run's next one: after the epoch, or with the error that ends the run.

    Args:
        trainer: the run's; without a `RunRecord` among its callbacks the line is printed only.
        text: one line: what is wrong, with the figures.
    """
    announce(trainer, f"warning: {text}")
    record = find_record(trainer)
    if record is not None and trainer.is_global_zero:
        record.receipt.alarms.append(text)
