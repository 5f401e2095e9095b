"""What is in the folder of one run: nothing, a finished run, one to resume, or one that failed.

Each start of a run makes a ``version_N`` of its own. They are read from the newest one back, from the files that
``fit`` itself leaves: its receipt, its last checkpoint, its predictions.
"""

from pathlib import Path
from typing import NamedTuple

from atft.callbacks.record.receipt import Receipt, read_receipt
from atft.commands.resume import LAST
from atft.errors import InputError
from atft.evaluation.predictions import PREDICTIONS, check_predictions

WHOLE = ("completed", "stopped", "limited")
"""Statuses of a run that has ended well, once nothing is missing."""


class RunState(NamedTuple):
    """The state of a run."""

    directory: Path | None = None
    """The finished version; None while there is none."""
    checkpoint: Path | None = None
    """What an interrupted run resumes from; None where it begins again."""
    receipt: Receipt | None = None
    """Of the finished version, or the newest one."""

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.directory is not None

    @property
    def failed(self) -> bool:
        """Whether the newest version ended with an error: it begins again, since resuming would end there again."""
        return self.receipt is not None and self.receipt.status == "failed"


def read_state(folder: Path) -> RunState:
    """Read the state of the run in a folder; a version without a readable receipt counts as not started."""
    versions = [path for path in folder.glob("version_*") if path.name.removeprefix("version_").isdigit()]
    receipts: dict[Path, Receipt] = {}
    for version in sorted(versions, key=lambda path: -int(path.name.removeprefix("version_"))):
        receipt = _receipt_of(version)
        if receipt is None:
            continue
        if receipt.status in WHOLE and not receipt.missing and _is_whole(version / PREDICTIONS):
            return RunState(version, None, receipt)
        receipts[version] = receipt
    if not receipts:
        return RunState()
    newest, receipt = next(iter(receipts.items()))
    # Without missing files the training is over, but its predictions are gone: there is nothing to resume.
    goes_on = receipt.status != "failed" and bool(receipt.missing)
    return RunState(None, _last_checkpoint(newest, receipt) if goes_on else None, receipt)


def _receipt_of(version: Path) -> Receipt | None:
    try:
        return read_receipt(version)
    except (InputError, OSError):
        return None


def _is_whole(predictions: Path) -> bool:
    try:
        check_predictions(predictions)
    except InputError:
        return False
    return True


def _last_checkpoint(version: Path, receipt: Receipt) -> Path | None:
    """The version's own last checkpoint, or the one that it resumed before it had one."""
    earlier = [] if receipt.resumed_from is None else [Path(receipt.resumed_from)]
    return next((path for path in (version / LAST, *earlier) if path.is_file()), None)
