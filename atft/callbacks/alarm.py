"""Where a warning of a running guard goes: the terminal, run.log and the receipt, the same words in all three.

An alarm that is only printed is lost with the terminal; one that is only recorded is read too late.
"""

import lightning.pytorch as pl
from rich.console import Console

from atft.callbacks.run_log import append_log
from atft.callbacks.run_record import find_record


def sound_alarm(trainer: pl.Trainer, text: str) -> None:
    """Print one line, and keep it in the run's log and in ``receipt.alarms``.

    The receipt is published with the run's next one: after the epoch, or with the error that ends the run.

    Args:
        trainer: the run's; without a `RunRecord` among its callbacks the line is printed only.
        text: one line: what is wrong, with the figures.
    """
    if not trainer.is_global_zero:
        return
    Console(stderr=True, highlight=False).print(f"warning: {text}", soft_wrap=True, markup=False)
    record = find_record(trainer)
    if record is not None:
        record.receipt.alarms.append(text)
        append_log(record.directory, f"warning: {text}")
