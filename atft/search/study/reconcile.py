"""Make the study agree with the world: fail the trials whose process is gone, enqueue the retries that are due.

Optuna's heartbeats find a process that fell silent, on whatever machine, after the grace period. Three things
they miss are found here, whatever was killed and when: a process of this machine that is gone (at once, not
after the grace period), a trial whose process ended before its first heartbeat, and a failed trial whose retry
nobody enqueued, because the one who failed it was killed in between.

Any process may do this at any time, several at once: to fail what has failed changes nothing, a retry that two
have enqueued is recognised by its number (`budget`), and a live trial that was failed by mistake is
dropped by its own process at its next word to the storage.
"""

import warnings
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

import optuna
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from atft.search.question.options import SweepOptions
from atft.search.study.budget import due_for_retry, point_of, retry_attributes, slots_left
from atft.search.study.outcome import Outcome, is_surplus
from atft.search.study.owner import Owner, is_gone
from atft.search.study.study import GRACE_SECONDS

UNOWNED_SECONDS = 15
"""A trial is owned milliseconds after it was begun; one that is still nobody's after this long was orphaned."""


def unowned_seconds(sweep: SweepOptions) -> float:
    """Age after which a running trial without an owner is taken for orphaned.

    The clocks of several machines differ: where the storage is shared, the grace period is waited for.
    """
    return UNOWNED_SECONDS if sweep.storage is None else max(UNOWNED_SECONDS, GRACE_SECONDS)


class Reconciled(NamedTuple):
    """Numbers of the trials that were failed, because nobody runs them, and of those that were enqueued again."""

    failed: list[int]
    retried: list[int]


def reconcile(
    study: optuna.Study,
    n_trials: int,
    max_retry: int,
    patience: float = UNOWNED_SECONDS,
    gone: Callable[[Owner], bool] = is_gone,
) -> Reconciled:
    """Fail what nobody runs any more and enqueue every retry that is due and has a slot.

    Args:
        study: the study.
        n_trials: the budget; no retry is enqueued beyond it.
        max_retry: counted retries of one point.
        patience: age in seconds after which a running trial without an owner is taken for orphaned.
        gone: tells whether the process that an owner attribute names has surely ended.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        optuna.storages.fail_stale_trials(study)
    failed = []
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        owner = trial.user_attrs.get("owner")
        orphaned = gone(owner) if owner is not None else _age(trial) > timedelta(seconds=patience)
        if orphaned and fail(study, trial):
            failed.append(trial.number)
    return Reconciled(failed, enqueue_retries(study, n_trials, max_retry))


def fail(study: optuna.Study, trial: FrozenTrial, **attributes: object) -> bool:
    """Fail a waiting or running trial that is not this process's; False if it has ended in the meantime.

    Args:
        study: the study.
        trial: the trial, as it was read.
        attributes: user attributes that say why: a finished trial takes none any more.
    """
    try:
        for key, value in attributes.items():
            study._storage.set_trial_user_attr(trial._trial_id, key, value)
        return study._storage.set_trial_state_values(trial._trial_id, state=TrialState.FAIL)
    except UpdateFinishedTrialError:
        return False


def enqueue_retries(study: optuna.Study, n_trials: int, max_retry: int) -> list[int]:
    """Enqueue the retry of each failed trial that is due one, while slots are left; the numbers of the failed."""
    trials = study.get_trials(deepcopy=False)
    waiting = [t for t in trials if t.state == TrialState.WAITING and not is_surplus(t)]
    free = slots_left(trials, n_trials) - len(waiting)
    due = due_for_retry(trials, max_retry)[: max(free, 0)]
    for trial in due:
        study.enqueue_trial(point_of(trial), user_attrs=retry_attributes(trial, max_retry))
    return [t.number for t in due]


def drop_waiting_retries(study: optuna.Study) -> None:
    """Fail the retries that wait for a slot which will not come, once the budget is spent.

    As surplus ones: where the budget is raised later, the trial that they were to retry is due one again.
    """
    for trial in study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        if "retry_of" in trial.user_attrs:
            fail(study, trial, outcome=Outcome.SURPLUS)


def _age(trial: FrozenTrial) -> timedelta:
    return datetime.now() - (trial.datetime_start or datetime.now())
