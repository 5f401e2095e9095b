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

A sweep is aborted when too many of its trials fail: the next point would most likely fail too.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from atft.errors import counted
from atft.search.study.outcome import Outcome, failure_of, finished, is_surplus, outcome_of, reason_of

SWEEP_FAULTS = ("config", "code")
"""Failure classes that blame the sweep itself; data, memory and time may blame single points."""
MIN_FAILURES = 3
"""Fewer prove nothing."""


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


def reason_to_abort(
    trials: Sequence[FrozenTrial], since: datetime, n_trials: int, max_retry: int
) -> str | None:
    """Why the sweep should end now, in one line; None while it should run.

    More than a third of the trials that ended failed for config or code; or as many as the budget failed and are
    not retried, whatever the reason: then the budget may never be reached. What ended before
    ``since`` does not count: a start after the cause was fixed is not aborted for the past.
    """
    ended = [t for t in trials if t.datetime_complete is not None and t.datetime_complete >= since]
    failed = [t for t in ended if outcome_of(t) == Outcome.FAILED]
    wrong = [t for t in failed if failure_of(t).kind in SWEEP_FAULTS]
    judged = len(failed) + len(finished(ended))
    lost = [t for t in failed if retry_attributes(t, max_retry) is None]
    if len(wrong) >= MIN_FAILURES and 3 * len(wrong) > judged:
        last, count = wrong[-1], f"{len(wrong)} of {judged} trials failed for config or code"
    elif len(lost) >= max(MIN_FAILURES, n_trials):
        last, count = lost[-1], f"{counted(len(lost), 'trial')} failed for good, {n_trials} were to finish"
    else:
        return None
    return f"{count}, the last one (trial {last.number}): {reason_of(last)}; fix that, then start again"
