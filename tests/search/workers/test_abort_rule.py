from datetime import datetime, timedelta

import optuna
from optuna.trial import TrialState, create_trial

from atft.search.workers.abort_rule import reason_to_abort

START = datetime(2026, 1, 1)


def ended(
    number: int, kind: str | None, hours: float = 1.0, **attributes: object
) -> optuna.trial.FrozenTrial:
    """A trial that completed, or failed for a class."""
    failure = {"failure": {"class": kind, "reason": "lr must be positive"}} if kind else {}
    made = create_trial(
        state=TrialState.FAIL if kind else TrialState.COMPLETE,
        value=None if kind else 0.1,
        user_attrs={"directory": "x", **failure, **attributes},
    )
    made.number, made.datetime_complete = number, START + timedelta(hours=hours)
    return made


def test_more_than_a_third_failing_for_config_or_code_stops_the_sweep_with_the_last_reason() -> None:
    trials = [
        ended(0, "config"),
        ended(1, None),
        ended(2, None),
        ended(3, "code"),
        ended(4, None),
        ended(5, "config"),
    ]
    said = reason_to_abort(trials, START, n_trials=20, max_retry=2)
    assert said is not None
    assert said.startswith(
        "3 of 6 trials failed for config or code, the last one (trial 5): config, lr must be positive"
    )


def test_a_third_or_fewer_than_three_failures_do_not() -> None:
    third = [*(ended(n, "config") for n in range(3)), *(ended(n, None) for n in range(3, 9))]
    assert reason_to_abort(third, START, n_trials=20, max_retry=2) is None
    assert reason_to_abort([ended(0, "code"), ended(1, "code")], START, n_trials=20, max_retry=2) is None


def test_failures_of_an_earlier_start_and_surplus_trials_do_not_count() -> None:
    past = [ended(n, "config", hours=-1) for n in range(5)]
    surplus = [ended(n, "code", outcome="surplus") for n in range(5, 9)]
    assert reason_to_abort([*past, *surplus], START, n_trials=20, max_retry=2) is None


def test_as_many_trials_lost_for_good_as_were_wanted_stop_it_whatever_the_class() -> None:
    trials = [ended(n, "memory", halved_batch=True) for n in range(4)]
    said = reason_to_abort(trials, START, n_trials=4, max_retry=2)
    assert said is not None and said.startswith("4 trials failed for good, 4 were to finish")
    assert reason_to_abort(trials, START, n_trials=5, max_retry=2) is None
