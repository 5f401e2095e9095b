"""The exact budget: which of the trials that were asked for may train, with any number of workers anywhere.

Workers do not talk to each other. Each asks Optuna for a trial when a slot looks free, and in a race more are
asked for than there are slots. Optuna numbers a study's trials in the order in which they come into being, one
at a time, and that order alone decides who trains:

    A trial is **surplus** when the finished others, the unfinished ones with a smaller number and the failed ones
    with a smaller number that are yet to be retried make up the budget without it.

*Never more than n finish.* Suppose n + 1 trials finish, and look at the one with the largest number at the
moment when it claimed. The other n had smaller numbers, so all of them existed by then. Each either had finished
or was still to finish, so it was neither failed nor surplus, since both are final. All n were counted, so it was
surplus, and it never trained. No clock, lock or process that stays alive is needed: only that a reader sees what
was written.

*Never fewer.* A surplus trial is failed before it trains and counts for nothing afterwards. Whenever fewer than n
have finished and those that run do not fill the budget, the next worker asks again; a trial whose process dies
is failed (`atft.search.study.reconcile`), which frees its slot.

*None is trained twice.* Two processes may both enqueue the retry of one failed trial; the one with the larger
number is surplus. If a race makes the only retry surplus, the failed trial is yet to be retried again, and is
as soon as a slot is free.

Surplus trials are no failures: they cost some milliseconds and no training.
"""

from collections.abc import Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from atft.search.study.outcome import Outcome, failure_of, finished, is_surplus, outcome_of

UNFINISHED = (TrialState.RUNNING, TrialState.WAITING)


def retry_attributes(trial: FrozenTrial, max_retry: int) -> dict[str, Any] | None:
    """User attributes of the retry that a failed trial is due, or None if it is due none.

    A process that died or hung is tried again ``max_retry`` times. Out of memory, once, with half the batch.
    What was interrupted or never began was no failure of the trial: always, without counting, unless it never
    began and had no point of its own, so that a new one is as good. Failures for config, data, code and time
    repeat themselves: never.

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


def owed(trials: Sequence[FrozenTrial], max_retry: int) -> list[FrozenTrial]:
    """Failed trials that are due a retry which nobody has enqueued (or only as a surplus one)."""
    succeeded = {t.user_attrs.get("retry_of") for t in trials if not is_surplus(t)}
    return [t for t in trials if t.number not in succeeded and retry_attributes(t, max_retry) is not None]


def slots_left(trials: Sequence[FrozenTrial], n_trials: int) -> int:
    """Slots that no trial has filled or is running for; a waiting trial is there to be taken for one of them.

    Args:
        trials: all of the study's.
        n_trials: the budget.
    """
    running = [t for t in trials if t.state == TrialState.RUNNING and not is_surplus(t)]
    return n_trials - len(finished(trials)) - len(running)


def claims(trials: Sequence[FrozenTrial], number: int, n_trials: int, max_retry: int) -> bool:
    """Whether trial ``number`` may train, judged by what all trials are; see the module's rule.

    Args:
        trials: all of the study's, read after trial ``number`` came into being.
        number: the trial that wants a slot.
        n_trials: the budget.
        max_retry: counted retries of one point.
    """
    own = next(t for t in trials if t.number == number)
    before = [t for t in trials if t.number < number and not is_surplus(t)]
    if "retry_of" in own.user_attrs and own.user_attrs["retry_of"] in {
        t.user_attrs.get("retry_of") for t in before
    }:
        return False
    promised = [t for t in before if t.state in UNFINISHED]
    promised += [t for t in owed(trials, max_retry) if t.number < number]
    return len([t for t in finished(trials) if t.number != number]) + len(promised) < n_trials


def claim(study: optuna.Study, trial: optuna.Trial, n_trials: int, max_retry: int) -> bool:
    """Take a slot of the budget for a running trial, or mark it as surplus: then the caller fails it.

    Args:
        study: the study.
        trial: a trial that this process was given and has not begun to train.
        n_trials: the budget.
        max_retry: counted retries of one point.

    Returns:
        Whether the trial may train.
    """
    if claims(study.get_trials(deepcopy=False), trial.number, n_trials, max_retry):
        return True
    trial.set_user_attr("outcome", Outcome.SURPLUS)
    return False
