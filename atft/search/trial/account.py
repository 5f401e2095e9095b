"""How a trial ended, on the disk: ``trial.json``, its log, receipt and heartbeat, whatever ended it.

Written before the study is told, so that the directories alone are enough to make a lost database again. What
Python raised becomes one of the ends that a sweep knows: complete, pruned, interrupted, or failed with a class.
"""

import traceback
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import optuna
from optuna.exceptions import UpdateFinishedTrialError

from atft.callbacks.record.receipt import Receipt, read_receipt, write_receipt
from atft.callbacks.record.run_log import append_log
from atft.errors import InputError
from atft.search.study.outcome import Outcome
from atft.search.trial.callbacks import Heartbeat
from atft.search.trial.failures import Interrupted, TrialFailed, classify, reason_of
from atft.search.trial.files import digests_of, publish_trial

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

STATUS = {
    Outcome.COMPLETE: "completed",
    Outcome.PRUNED: "stopped",
    Outcome.INTERRUPTED: "stopped",
    Outcome.FAILED: "failed",
}
"""A trial's outcome as the ``status`` of a run's receipt."""


class TrialAccount:
    """Say on the disk how a trial ended, whatever ended it, and give an exception its class.

    Inside the ``with`` block any exception may come; out of it come only those that a sweep knows, and those of
    a process that is to end or of a study that has ended the trial itself.

    Args:
        directory: the trial's; made already.
        labels: the study's, see `atft.search.trial.files.study_labels`.
        trial: running.
        heartbeat: says how the trial ended, too.
    """

    def __init__(
        self, directory: Path, labels: dict[str, str], trial: optuna.Trial, heartbeat: Heartbeat
    ) -> None:
        self.directory, self.labels, self.trial, self.heartbeat = directory, labels, trial, heartbeat
        self.value: float | None = None

    def __enter__(self) -> "TrialAccount":
        publish_trial(self.directory, self.labels, self._frozen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._close(Outcome.COMPLETE)
        elif isinstance(error, optuna.TrialPruned):
            self._close(Outcome.PRUNED, str(error))
        elif isinstance(error, Interrupted):
            self._close(Outcome.INTERRUPTED, str(error))
        elif isinstance(error, Exception) and not isinstance(error, UpdateFinishedTrialError):
            failure, reason = classify(error), reason_of(error)
            if failure == "code":
                with suppress(OSError):
                    append_log(self.directory, "".join(traceback.format_exception(error)))
            self._close(Outcome.FAILED, reason, failure)
            if not isinstance(error, TrialFailed):
                raise TrialFailed(failure, reason) from error

    def _close(self, outcome: Outcome, reason: str = "", failure: str | None = None) -> None:
        value = self.value if outcome == Outcome.COMPLETE else None
        with suppress(
            InputError, OSError
        ):  # a full disk, perhaps what ended it: the study is told all the same
            append_log(self.directory, f"trial {self.trial.number} {outcome}{': ' if reason else ''}{reason}")
            publish_trial(self.directory, self.labels, self._frozen(), outcome, value, reason, failure)
            self._close_receipt(outcome, reason)
            self.heartbeat.publish(outcome)

    def _close_receipt(self, outcome: Outcome, reason: str) -> None:
        """Give the receipt the trial's outcome: it may have failed before its run began, or between two folds."""
        known = (self.directory / "receipt.json").exists()
        receipt = read_receipt(self.directory) if known else Receipt(run=str(self.directory))
        if receipt.status == "running":
            receipt.status, receipt.reason = STATUS[outcome], reason
            receipt.digests = receipt.digests or digests_of(self.labels)
        receipt.outcome = outcome
        write_receipt(receipt, self.directory)

    def _frozen(self) -> "FrozenTrial":
        return self.trial.study._storage.get_trial(self.trial._trial_id)
