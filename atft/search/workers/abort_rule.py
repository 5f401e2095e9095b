"""Abort a sweep when too many of its trials fail: the next point would most likely fail too."""

from collections.abc import Sequence
from datetime import datetime

from optuna.trial import FrozenTrial

from atft.search.show.lines import reason_of
from atft.search.study.budget import retry_attributes
from atft.search.study.outcome import Outcome, failure_of, finished, outcome_of

SWEEP_FAULTS = ("config", "code")
"""Failure classes that blame the sweep itself; data, memory and time may blame single points."""
MIN_FAILURES = 3
"""Fewer prove nothing."""


def reason_to_abort(
    trials: Sequence[FrozenTrial], since: datetime, n_trials: int, max_retry: int
) -> str | None:
    """Why the sweep should end now, in one line; None while it should go on.

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
        last, count = lost[-1], f"{len(lost)} trials failed for good, {n_trials} were to finish"
    else:
        return None
    return f"{count}, the last one (trial {last.number}): {reason_of(last)}; fix that, then start again"
