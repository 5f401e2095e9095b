"""Fail the trials whose process is gone, and enqueue the retries that are due.

Optuna's heartbeats detect a silent process on any machine, after the grace period. Detected here are a process of
this machine that is gone (at once), a trial whose process ended before its first heartbeat, and a failed trial
whose retry was never enqueued, because the process that failed it was killed in between.

Any process may do this at any time, several at once: failing a failed trial changes nothing, a retry that two have
enqueued is recognised by its number (`atft.search.study.budget`), and a live trial that was failed by mistake is
dropped by its own process when that next writes to the storage.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from atft.search.question.options import SweepOptions
from atft.search.study.budget import due_for_retry, point_of, retry_attributes, slots_left
from atft.search.study.outcome import Outcome, is_surplus
from atft.search.study.owner import Owner, is_gone
from atft.search.study.storage import GRACE_SECONDS, experimental_optuna

UNOWNED_SECONDS = 15
"""A trial has an owner milliseconds after it was created; one without after this long is orphaned."""


def unowned_seconds(sweep: SweepOptions) -> float:
    """Age at which a running trial without an owner counts as orphaned."""
    # The clocks of several machines differ: where they share a storage, the grace period is waited for.
    return UNOWNED_SECONDS if sweep.storage is None else GRACE_SECONDS


def reconcile(
    study: optuna.Study,
    n_trials: int,
    max_retry: int,
    patience: float = UNOWNED_SECONDS,
    gone: Callable[[Owner], bool] = is_gone,
) -> tuple[list[int], list[int]]:
    """Fail the trials that no process runs any more, and enqueue every retry that is due and has a slot.

    Returns the numbers of the failed and of the retried trials. ``patience`` is an age in seconds, see
    `unowned_seconds`; ``gone`` tells whether an owner has surely ended.
    """
    with experimental_optuna():
        optuna.storages.fail_stale_trials(study)
    failed = []
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        owner = trial.user_attrs.get("owner")
        age = datetime.now() - (trial.datetime_start or datetime.now())
        orphaned = gone(owner) if owner is not None else age > timedelta(seconds=patience)
        if orphaned and fail(study, trial):
            failed.append(trial.number)
    return failed, enqueue_retries(study, n_trials, max_retry)


def fail(study: optuna.Study, trial: FrozenTrial, **attributes: object) -> bool:
    """Fail another process's waiting or running trial; False if it has ended. The attributes give the reason."""
    try:
        # Attributes first: a finished trial takes none.
        for key, value in attributes.items():
            study._storage.set_trial_user_attr(trial._trial_id, key, value)
        return study._storage.set_trial_state_values(trial._trial_id, state=TrialState.FAIL)
    except UpdateFinishedTrialError:
        return False


def enqueue_retries(study: optuna.Study, n_trials: int, max_retry: int) -> list[int]:
    """Enqueue the retries that are due while slots are left; return the numbers of the trials they retry."""
    trials = study.get_trials(deepcopy=False)
    waiting = [t for t in trials if t.state == TrialState.WAITING and not is_surplus(t)]
    free = slots_left(trials, n_trials) - len(waiting)
    due = due_for_retry(trials, max_retry)[: max(free, 0)]
    for trial in due:
        study.enqueue_trial(point_of(trial), user_attrs=retry_attributes(trial, max_retry))
    return [t.number for t in due]


def drop_waiting_retries(study: optuna.Study) -> None:
    """Fail the retries that wait for a slot once the budget is spent: none will be free."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        if "retry_of" in trial.user_attrs:
            # As surplus: where the budget is raised later, its trial is due for a retry again.
            fail(study, trial, outcome=Outcome.SURPLUS)
