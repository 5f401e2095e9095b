"""The exact budget: which of the trials that were created may train, with any number of workers anywhere.

Workers do not talk to each other. Each asks Optuna for a trial when a slot looks free, and in a race more are
created than there are slots. Optuna numbers a study's trials in the order in which they are created, one at a time,
and that order alone decides who trains:

    A trial is **surplus** when the finished others, the unfinished ones with a smaller number and the failed ones
    with a smaller number that are due for a retry fill the budget without it.

*Never more than n finish.* Suppose n + 1 trials finish, and look at the one with the largest number at the moment
when it reserved its slot. The other n had smaller numbers, so all of them existed by then. Each either had finished
or was still to finish, so it was neither failed nor surplus, since both are final. All n were counted, so it was
surplus, and it never trained. No clock, lock or process that stays alive is needed: only that a reader sees what
was written.

*Never fewer.* A surplus trial is failed before it trains and counts for nothing afterwards. Whenever fewer than n
have finished and those that run do not fill the budget, the next worker asks again; a trial whose process dies is
failed (`atft.search.study.reconcile`), which frees its slot.

*None is trained twice.* Two processes may both enqueue the retry of one failed trial; the one with the larger
number is surplus. If a race makes the only retry surplus, the failed trial is due for a retry again, and gets one
as soon as a slot is free.

Surplus trials are no failures: they cost some milliseconds and no training.
"""

from collections.abc import Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from atft.search.study.outcome import Outcome, failure_of, finished, is_surplus, outcome_of


def retry_attributes(trial: FrozenTrial, max_retry: int) -> dict[str, Any] | None:
    """User attributes of the retry that a trial is due, or None if it is due none.

    A process that died or hung is tried again ``max_retry`` times. Out of memory, once, with half the batch. What
    was interrupted or never began did not fail: always, without counting, except that a trial which never began
    needs no retry where its point is drawn anyway. Failures for config, data, code and time would repeat: never.

    Args:
        trial: any trial.
        max_retry: counted retries of one point.
    """
    attempt, halved = int(trial.user_attrs.get("attempt", 0)), bool(trial.user_attrs.get("halved_batch"))
    match outcome_of(trial), failure_of(trial).kind:
        case Outcome.INTERRUPTED, _:
            pass
        case Outcome.UNSTARTED, _ if point_of(trial):
            pass
        case Outcome.FAILED, "crash" | "hang" if attempt < max_retry:
            attempt += 1
        case Outcome.FAILED, "memory" if not halved:
            attempt, halved = attempt + 1, True
        case _:
            return None
    return {"retry_of": trial.number, "attempt": attempt} | ({"halved_batch": True} if halved else {})


def point_of(trial: FrozenTrial) -> dict[str, Any]:
    """The values that a trial has or was enqueued with."""
    return {**trial.system_attrs.get("fixed_params", {}), **trial.params}


def due_for_retry(trials: Sequence[FrozenTrial], max_retry: int) -> list[FrozenTrial]:
    """Trials that are due a retry which is not enqueued yet."""
    # A surplus retry never trained, so its trial is still due for one.
    retried = {t.user_attrs.get("retry_of") for t in trials if not is_surplus(t)}
    return [t for t in trials if t.number not in retried and retry_attributes(t, max_retry) is not None]


def slots_left(trials: Sequence[FrozenTrial], n_trials: int) -> int:
    """Slots of the budget that no trial has filled or is running for.

    Args:
        trials: all of the study's.
        n_trials: the budget.
    """
    # Waiting trials are not counted: Optuna gives them to whoever asks next, so they must not keep anyone from it.
    running = [t for t in trials if t.state == TrialState.RUNNING and not is_surplus(t)]
    return n_trials - len(finished(trials)) - len(running)


def may_train(trials: Sequence[FrozenTrial], number: int, n_trials: int, max_retry: int) -> bool:
    """Whether trial ``number`` may train, judged by what all trials are; see the module's rule.

    Args:
        trials: all of the study's, read after trial ``number`` was created.
        number: the trial that wants a slot.
        n_trials: the budget.
        max_retry: counted retries of one point.
    """
    trial = next(t for t in trials if t.number == number)
    before = [t for t in trials if t.number < number and not is_surplus(t)]
    retried = trial.user_attrs.get("retry_of")
    if retried is not None and retried in {t.user_attrs.get("retry_of") for t in before}:
        return False  # of two retries of one trial, the earlier one trains
    # Later trials are not counted, except those that finished: they will see this one and give way.
    reserved = [t for t in before if t.state in (TrialState.RUNNING, TrialState.WAITING)]
    # A failed trial keeps its slot for its retry, which may not exist yet: else a new point would take it.
    reserved += [t for t in due_for_retry(trials, max_retry) if t.number < number]
    others_finished = [t for t in finished(trials) if t.number != number]
    return len(others_finished) + len(reserved) < n_trials


def reserve_slot(study: optuna.Study, trial: optuna.Trial, n_trials: int, max_retry: int) -> bool:
    """Reserve a slot of the budget for a running trial, or mark it as surplus: then the caller fails it.

    Args:
        study: the study.
        trial: a trial that this process was given and has not begun to train.
        n_trials: the budget.
        max_retry: counted retries of one point.

    Returns:
        Whether the trial may train.
    """
    if may_train(study.get_trials(deepcopy=False), trial.number, n_trials, max_retry):
        return True
    trial.set_user_attr("outcome", Outcome.SURPLUS)
    return False
