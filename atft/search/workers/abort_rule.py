"""When a sweep is not worth going on with: its trials fail for reasons that the next point shares."""

from collections.abc import Sequence
from datetime import datetime

from optuna.trial import FrozenTrial

from atft.search.show.lines import reason_of
from atft.search.study.budget import retry_attributes
from atft.search.study.outcome import Outcome, failure_of, finished, outcome_of

OWN_FAULT = ("config", "code")
"""Classes that blame the sweep itself; data, memory and time may blame single points."""
FEWEST = 3
"""Failures below which nothing is concluded."""


def reason_to_stop(
    trials: Sequence[FrozenTrial], since: datetime, n_trials: int, max_retry: int
) -> str | None:
    """Why the sweep should end now, in one line; None while it should go on.

    More than a third of the trials that ended failed for config or code; or as many as were wanted failed for
    good, whatever the reason: then the budget may never be reached.

    Args:
        trials: all of the study's.
        since: only what ended later counts: whoever mended the cause and starts again is not stopped by the past.
        n_trials: the budget.
        max_retry: counted retries of one point.
    """
    ended = [t for t in trials if t.datetime_complete is not None and t.datetime_complete >= since]
    failed = [t for t in ended if outcome_of(t) == Outcome.FAILED]
    wrong = [t for t in failed if failure_of(t).kind in OWN_FAULT]
    judged = len(failed) + len(finished(ended))
    if len(wrong) >= FEWEST and 3 * len(wrong) > judged:
        return (
            f"{len(wrong)} of {judged} trials failed for config or code, the last one (trial {wrong[-1].number}): "
            f"{reason_of(wrong[-1])}; mend that, then start again"
        )
    lost = [t for t in failed if retry_attributes(t, max_retry) is None]
    if len(lost) >= max(FEWEST, n_trials):
        return (
            f"{len(lost)} trials failed for good, {n_trials} were to finish, the last one (trial "
            f"{lost[-1].number}): {reason_of(lost[-1])}; mend that, then start again"
        )
    return None
