"""The outcome of a trial, why it failed, and which trial is the best: decided here for the whole sweep.

A trial that completed or was pruned has finished. Optuna has one state for all other ends, FAIL; the user attribute
``outcome`` marks those that are no failures. ``trial.json`` and the receipts of a trial's runs have the same field.
"""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from optuna.trial import FrozenTrial, TrialState


class Outcome(StrEnum):
    """How a trial ended, or that it has not, in the order in which it may happen."""

    WAITING = "waiting"
    SURPLUS = "surplus"
    """Created in a race, beyond the budget, and failed before it trained."""
    UNSTARTED = "unstarted"
    """Its process ended before the trial had a slot and a directory."""
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    """Stopped by the user after an epoch; its retry resumes there and does not count as one."""
    FAILED = "failed"
    PRUNED = "pruned"
    COMPLETE = "complete"


class Failure(NamedTuple):
    """Why a trial failed."""

    kind: str
    """A class of `atft.search.trial.failures`; hang or crash where its process left none."""
    reason: str

    def as_attribute(self) -> dict[str, str]:
        """The trial's user attribute ``failure``, which `failure_of` reads."""
        return {"class": self.kind, "reason": self.reason}


def outcome_of(trial: FrozenTrial) -> Outcome:
    """The outcome of a trial so far."""
    # Studies of version 0.1 marked a trial with a key of the outcome's name.
    mark = trial.user_attrs.get("outcome") or next((o for o in Outcome if trial.user_attrs.get(o)), None)
    if mark == Outcome.SURPLUS:
        return Outcome.SURPLUS  # marked while it still runs
    if trial.state != TrialState.FAIL:
        return Outcome(trial.state.name.lower())
    if mark is not None:
        return Outcome(mark)
    began = "directory" in trial.user_attrs or "failure" in trial.user_attrs
    return Outcome.FAILED if began else Outcome.UNSTARTED


def is_surplus(trial: FrozenTrial) -> bool:
    """Whether a trial was created in a race, beyond the budget; it never trains."""
    return outcome_of(trial) == Outcome.SURPLUS


def finished(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Trials that fill a slot of the budget: completed or pruned."""
    return [t for t in trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED)]


def failure_of(trial: FrozenTrial) -> Failure:
    """Why a failed trial failed; a process that died, or was silent for the grace period, left no reason."""
    failure = trial.user_attrs.get("failure")
    if failure is None:
        return Failure("crash", "its process ended or stopped responding")
    return Failure(str(failure["class"]), str(failure["reason"]))


def reason_of(trial: FrozenTrial) -> str:
    """Why a trial did not finish, in words."""
    match outcome_of(trial):
        case Outcome.INTERRUPTED:
            return "interrupted, it goes on at the next start"
        case Outcome.UNSTARTED:
            return "its process ended before it began"
    return ", ".join(failure_of(trial))


def failures(trials: Iterable[FrozenTrial]) -> Counter[str]:
    """How many trials failed, by class."""
    return Counter(failure_of(t).kind for t in trials if outcome_of(t) == Outcome.FAILED)


def best_trial(trials: Iterable[FrozenTrial], direction: str) -> FrozenTrial | None:
    """The completed trial with the best value, the first of equals; None where none is complete."""
    complete = [t for t in trials if outcome_of(t) == Outcome.COMPLETE]
    sign = 1 if direction == "maximize" else -1
    return max(complete, key=lambda t: sign * float(t.value or 0.0), default=None)
