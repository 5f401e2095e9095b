"""Keep the files of a running trial up to date, however it ends.

They are written before the study is updated, so that the directories alone are enough to rebuild a lost database.
Any exception becomes one of the outcomes of a sweep: pruned, interrupted, or failed with a class and a reason.
"""

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial

from atft.callbacks.record.messages import append_log
from atft.callbacks.record.receipt import Receipt, read_receipt, write_receipt
from atft.errors import InputError
from atft.files.publish import is_of_the_disk
from atft.search.question.frozen import StudyChanged
from atft.search.question.options import SweepOptions
from atft.search.study.files import make_trial_directory, publish_trial, receipt_digests, study_labels
from atft.search.study.outcome import Outcome
from atft.search.trial.callbacks import Heartbeat
from atft.search.trial.failures import Interrupted, TrialFailed, classify, describe_error


class TrialRecord:
    """What a trial's training runs share, and its files.

    An error that leaves the ``with`` block becomes a TrialFailed, which a sweep knows as it knows TrialPruned and
    Interrupted. Those of a process that is to end, or of a study that has ended the trial itself, stay as they are.
    Raises TrialFailed where its directory holds other files.
    """

    def __init__(self, sweep: SweepOptions, trial: optuna.Trial, stop: Callable[[], bool]) -> None:
        self.sweep, self.trial, self.stop = sweep, trial, stop
        self.directory = sweep.trial_directory(trial.number)
        self.labels = study_labels(trial.study)
        self.value: float | None = None
        self.retries: list[dict[str, Any]] = []
        """A halved batch, for the receipts."""
        minutes = sweep.limits.minutes
        self.deadline = None if minutes is None else time.monotonic() + 60 * minutes
        labels = {**self.labels, "trial": trial.number}
        try:
            make_trial_directory(self.directory, self.labels)
            self.heartbeat = Heartbeat(self.directory, sweep.metric, labels, folds=sweep.folds or 1)
            publish_trial(self.directory, self.labels, self._frozen())
        except (InputError, OSError) as error:
            kind = "disk" if is_of_the_disk(error) else "data"
            raise TrialFailed(kind, describe_error(error)) from error  # type: ignore[arg-type]

    def charge(self, epochs: Sequence[Mapping[str, Any]]) -> None:
        """Subtract the time of the epochs that a retry resumes from, and does not train again."""
        if self.deadline is not None:
            self.deadline -= sum(epoch.get("seconds", 0.0) for epoch in epochs)

    def __enter__(self) -> "TrialRecord":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._close(Outcome.COMPLETE)
        elif isinstance(error, optuna.TrialPruned):
            self._close(Outcome.PRUNED, str(error))
        elif isinstance(error, Interrupted | StudyChanged):
            self._close(Outcome.INTERRUPTED, str(error))
        elif isinstance(error, Exception) and not isinstance(error, UpdateFinishedTrialError):
            failure, reason = classify(error), describe_error(error)
            if failure == "code":
                with suppress(OSError):
                    append_log(self.directory, "".join(traceback.format_exception(error)))
            if failure == "disk":
                self._close(Outcome.INTERRUPTED, reason)
            else:
                self._close(Outcome.FAILED, reason, failure)
            if not isinstance(error, TrialFailed):
                raise TrialFailed(failure, reason) from error

    def _close(self, outcome: Outcome, reason: str = "", failure: str | None = None) -> None:
        # The disk may be full, perhaps that ended the trial: the study is updated all the same.
        with suppress(InputError, OSError):
            append_log(self.directory, f"trial {self.trial.number} {outcome}{': ' if reason else ''}{reason}")
            value = self.value if outcome == Outcome.COMPLETE else None
            publish_trial(self.directory, self.labels, self._frozen(), outcome, value, reason, failure)
            self._close_receipt(outcome, reason)
            self.heartbeat.publish(outcome)

    def _close_receipt(self, outcome: Outcome, reason: str) -> None:
        """Write the outcome into the receipt; a trial may end before its run began, or between two folds."""
        exists = (self.directory / "receipt.json").exists()
        receipt = read_receipt(self.directory) if exists else Receipt(run=str(self.directory))
        receipt.outcome = outcome
        if receipt.status == "running":
            status = {Outcome.COMPLETE: "completed", Outcome.FAILED: "failed"}
            receipt.status, receipt.reason = status.get(outcome, "stopped"), reason
            receipt.digests = receipt.digests or receipt_digests(self.labels)
        write_receipt(receipt, self.directory)

    def _frozen(self) -> FrozenTrial:
        return self.trial.study._storage.get_trial(self.trial._trial_id)
