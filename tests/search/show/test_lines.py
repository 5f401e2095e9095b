from collections.abc import Callable

import optuna
from optuna.trial import TrialState, create_trial

from atft.search.question.options import SweepOptions
from atft.search.show.lines import closing, ended_line, live_line


def study_of(*trials: optuna.trial.FrozenTrial) -> list[optuna.trial.FrozenTrial]:
    study = optuna.create_study(direction="maximize")
    for trial in trials:
        study.add_trial(trial)
    return study.trials


DONE = {"state": TrialState.COMPLETE, "user_attrs": {"directory": "toy/trial_0"}}
RUNNING = create_trial(state=TrialState.RUNNING, intermediate_values={0: 0.01, 1: 0.02})
PRUNED = create_trial(state=TrialState.PRUNED, intermediate_values={2: 0.005})
CRASHED = create_trial(state=TrialState.FAIL, user_attrs={"directory": "toy/trial_3"})
SURPLUS = create_trial(state=TrialState.FAIL, user_attrs={"outcome": "surplus"})
STOPPED = create_trial(state=TrialState.FAIL, user_attrs={"outcome": "interrupted"})

Make = Callable[..., SweepOptions]


def test_the_live_line_says_how_far_it_is_what_runs_and_what_is_best(toy_sweep: Make) -> None:
    starting = create_trial(state=TrialState.RUNNING)
    trials = study_of(
        create_trial(value=0.0345, **DONE), PRUNED, RUNNING, CRASHED, starting, SURPLUS, STOPPED
    )
    assert live_line(trials, toy_sweep()) == (
        "2/4 · trial 2 epoch 2 +0.0200 · trial 4 starting · best +0.0345 (trial 0) · 1 failed (1 crash)"
    )


def test_with_folds_a_step_is_a_fold(toy_sweep: Make) -> None:
    assert "trial 0 fold 2 +0.0200" in live_line(study_of(RUNNING), toy_sweep(folds=3))


def test_each_end_has_a_line(toy_sweep: Make) -> None:
    invalid = create_trial(
        state=TrialState.FAIL, user_attrs={"failure": {"class": "config", "reason": "lr is 0"}}
    )
    trials = study_of(create_trial(value=0.0345, **DONE), PRUNED, CRASHED, STOPPED, invalid)
    lines = [ended_line(t, trials, toy_sweep()).partition(" · ")[0] for t in trials]
    assert lines == [
        "trial 0 complete +0.0345",
        "trial 1 pruned, epoch 3 +0.0050",
        "trial 2 failed: crash, its process ended or stopped responding",
        "trial 3 interrupted, it goes on at the next start",
        "trial 4 failed: config, lr is 0",
    ]


def test_the_closing_names_the_best_point_and_where_it_lies(toy_sweep: Make) -> None:
    distributions = {"x": optuna.distributions.FloatDistribution(0, 1)}
    trials = study_of(
        create_trial(value=0.0345, params={"x": 0.25}, distributions=distributions, **DONE), PRUNED
    )
    lines = closing(trials, toy_sweep()).splitlines()
    assert lines[0] == "toy: 2 of 4 trials finished, 1 complete, 1 pruned"
    assert lines[1:3] == ["best val/rank_ic +0.0345, trial 0:", "  x  0.25"]
    assert lines[3].endswith("toy/trial_0")


def test_the_closing_says_plainly_that_nothing_is_complete(toy_sweep: Make) -> None:
    assert "no trial is complete: there is no best one" in closing(study_of(PRUNED, CRASHED), toy_sweep())
