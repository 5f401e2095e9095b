"""The exact budget: which of the trials that were created may train, with any number of workers anywhere.

Workers do not talk to each other. Each asks Optuna for a trial when a slot looks free, and in a race more are
created than there are slots. Optuna numbers trials in the order of their creation, and that order alone decides:

    A trial is **surplus** when the finished others, the unfinished ones with a smaller number and the failed ones
    with a smaller number that are due for a retry fill the budget without it.

*Never more than n finish.* Suppose n + 1 trials finish; look at the one with the largest number when it reserved
its slot. The other n existed by then, and each had finished or was still to finish, so it was neither failed nor
surplus, since both are final. All n were counted, so the last one was surplus, and never trained. No clock, lock
or living process is needed: only that a reader sees what was written.

*Never fewer.* A surplus trial is failed before it trains, and one whose process dies is failed too
(`atft.search.study.reconcile`): both free their slot, and the next worker asks again.

*None is trained twice.* Two processes may both enqueue the retry of one failed trial; the one with the larger
number is surplus. If a race makes the only retry surplus, the failed trial is due for a retry again.
"""

from collections.abc import Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from atft.search.study.outcome import Outcome, failure_of, finished, is_surplus, outcome_of


def retry_attributes(trial: FrozenTrial, max_retry: int) -> dict[str, Any] | None:
    """User attributes of the retry that a trial is due, or None if it is due none.

    A trial whose process died or hung is retried ``max_retry`` times; one that ran out of memory, once, with half
    the batch; one that was interrupted or never began, always, without counting (unless it never began and its
    point would be drawn anyway). Failures for config, data, code and time would repeat: never.
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
    """Slots of the budget that no trial has filled or is running for."""
    # Waiting trials are not counted: Optuna gives them to the next that asks, so they must not keep it from asking.
    running = [t for t in trials if t.state == TrialState.RUNNING and not is_surplus(t)]
    return n_trials - len(finished(trials)) - len(running)


def may_train(trials: Sequence[FrozenTrial], number: int, n_trials: int, max_retry: int) -> bool:
    """Whether trial ``number`` may train by the module's rule; ``trials`` were read after it was created."""
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


def reserve_slot(trial: optuna.Trial, n_trials: int, max_retry: int) -> bool:
    """Whether a running trial may train; else it is marked as surplus, and the caller fails it."""
    if may_train(trial.study.get_trials(deepcopy=False), trial.number, n_trials, max_retry):
        return True
    trial.set_user_attr("outcome", Outcome.SURPLUS)
    return False
