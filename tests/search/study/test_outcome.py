"""What became of a trial, why it failed and which is the best are each answered in one place."""

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from atft.search.study.outcome import Outcome, best_trial, failure_of, failures, finished, outcome_of

FAILURE = {"class": "config", "reason": "lr is 0"}


def failed(**attributes: object) -> optuna.trial.FrozenTrial:
    return create_trial(state=TrialState.FAIL, user_attrs=attributes)


@pytest.mark.parametrize(
    ("trial", "outcome"),
    [
        (create_trial(state=TrialState.WAITING), Outcome.WAITING),
        (create_trial(state=TrialState.RUNNING), Outcome.RUNNING),
        (create_trial(state=TrialState.RUNNING, user_attrs={"outcome": "surplus"}), Outcome.SURPLUS),
        (create_trial(state=TrialState.RUNNING, user_attrs={"outcome": "interrupted"}), Outcome.RUNNING),
        (create_trial(state=TrialState.COMPLETE, value=0.1), Outcome.COMPLETE),
        (create_trial(state=TrialState.PRUNED), Outcome.PRUNED),
        (failed(outcome="surplus"), Outcome.SURPLUS),
        (failed(outcome="interrupted", directory="s/trial_0"), Outcome.INTERRUPTED),
        (failed(directory="s/trial_0"), Outcome.FAILED),
        (failed(failure=FAILURE), Outcome.FAILED),
        (failed(), Outcome.UNSTARTED),
        (failed(surplus=True), Outcome.SURPLUS),  # as version 0.1 wrote it
        (failed(interrupted=True), Outcome.INTERRUPTED),
    ],
)
def test_each_trial_has_one_outcome(trial: optuna.trial.FrozenTrial, outcome: Outcome) -> None:
    assert outcome_of(trial) is outcome


def test_a_failure_has_a_class_and_a_reason_and_a_process_that_died_left_neither() -> None:
    assert failure_of(failed(failure=FAILURE)) == ("config", "lr is 0")
    assert failure_of(failed(directory="s/trial_0")).kind == "crash"


def test_interrupted_unstarted_and_surplus_trials_are_no_failures() -> None:
    trials = [failed(directory="d"), failed(outcome="surplus"), failed(outcome="interrupted"), failed()]
    assert failures(trials) == {"crash": 1} and finished(trials) == []


def test_the_best_trial_follows_the_direction_and_the_first_of_equals_wins() -> None:
    study = optuna.create_study()
    for value in (0.2, 0.3, 0.3, 0.1):
        study.add_trial(create_trial(value=value))
    most, least = best_trial(study.trials, "maximize"), best_trial(study.trials, "minimize")
    assert most is not None and most.number == 1
    assert least is not None and least.number == 3
    assert best_trial([create_trial(state=TrialState.PRUNED, value=9.0)], "maximize") is None
