"""The state of a sweep, from its storage and the files of its running trials."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from atft.errors import InputError
from atft.search.question.frozen import Identity
from atft.search.question.options import SweepOptions
from atft.search.show.overview import overview
from atft.search.study.owner import this_process
from atft.search.study.study import begin_study

MakeStudy = Callable[..., optuna.Study]


def test_trials_are_counted_by_outcome(
    make_sweep: Callable[..., SweepOptions], make_study: MakeStudy
) -> None:
    study = make_study(values=[0.01, 0.03, 0.02], pruned=1, running=1, failed=2, surplus=1, interrupted=1)
    now = overview(study, make_sweep(n_trials=9))
    assert now.outcomes == {
        "complete": 3, "pruned": 1, "running": 1, "failed": 2, "surplus": 1, "interrupted": 1
    }  # fmt: skip
    assert now.finished == 4 and now.n_trials == 9
    assert now.failures == {"config": 2}


@pytest.mark.parametrize("damage", [None, "abc", [1], {}, math.nan, 10**400], ids=type)
def test_a_damaged_progress_file_is_no_progress(
    make_sweep: Callable[..., SweepOptions], make_study: MakeStudy, damage: object
) -> None:
    sweep = make_sweep(n_trials=4)
    study = make_study(running=1)
    directory = Path(sweep.root) / "small" / "trial_0"
    directory.mkdir(parents=True)
    keys = ("time", "epoch", "epochs", "metric", "epochs_per_minute")
    (directory / "progress.json").write_text(json.dumps(dict.fromkeys(keys, damage)))
    (trial,) = overview(study, sweep).running
    assert (trial.epoch, trial.epochs, trial.metric, trial.seconds_left) == (0, 0, None, None)
    assert trial.alive and 50 < trial.silent_seconds < 100


@pytest.mark.parametrize(("metric", "best"), [("val/ic", 0.03), ("train/loss", 0.01)])
def test_the_best_is_the_best_in_the_sweeps_direction(
    make_sweep: Callable[..., SweepOptions], make_study: MakeStudy, metric: str, best: float
) -> None:
    sweep = make_sweep(metric=metric)
    now = overview(make_study(values=[0.01, 0.03, 0.02], direction=sweep.direction), sweep)
    assert now.best is not None and now.best.value == best
    assert now.deflated is not None and now.deflated.best == best


def test_a_running_trial_tells_its_epoch_its_pace_and_its_end(
    make_sweep: Callable[..., SweepOptions], make_study: MakeStudy
) -> None:
    sweep = make_sweep(n_trials=4)
    study = make_study(values=[0.01], running=1)
    progress: dict[str, Any] = {
        "activity": "training", "epoch": 2.5, "epochs": 10, "metric": 0.02, "epochs_per_minute": 5.0, "time": 1000.0
    }  # fmt: skip
    directory = Path(sweep.root) / "small" / "trial_1"
    directory.mkdir(parents=True)
    (directory / "progress.json").write_text(json.dumps(progress))
    (trial,) = overview(study, sweep, now=1010.0).running
    assert (trial.number, trial.activity, trial.epoch, trial.epochs, trial.metric) == (
        1,
        "training",
        2.5,
        10,
        0.02,
    )
    assert trial.seconds_left == pytest.approx(90)
    assert trial.silent_seconds == pytest.approx(10)
    assert trial.alive and trial.pid == this_process()["pid"]


def test_a_trial_whose_process_is_gone_is_not_alive_and_the_sweep_is_paused(
    make_sweep: Callable[..., SweepOptions], make_study: MakeStudy
) -> None:
    study = make_study(values=[0.01], running=1, owner={**this_process(), "started": -1})
    now = overview(study, make_sweep(n_trials=4))
    assert not now.running[0].alive
    assert now.state == "paused"


def test_a_half_written_progress_file_is_as_good_as_none(
    make_sweep: Callable[..., SweepOptions], make_study: MakeStudy
) -> None:
    sweep = make_sweep()
    directory = Path(sweep.root) / "small" / "trial_0"
    directory.mkdir(parents=True)
    (directory / "progress.json").write_text('{"epoch": 1')
    (trial,) = overview(make_study(running=1), sweep).running
    assert trial.activity == "preparing" and trial.epochs_per_minute is None and trial.seconds_left is None


def test_the_budget_is_the_one_that_the_study_was_last_started_with(
    make_sweep: Callable[..., SweepOptions], make_study: MakeStudy
) -> None:
    study = make_study(values=[0.1, 0.2])
    study.set_user_attr("n_trials", 2)  # by `--n-trials 2`, where the file says 24
    now = overview(study, make_sweep(n_trials=24))
    assert (now.state, now.n_trials, now.seconds_left) == ("done", 2, 0.0)


@pytest.mark.parametrize(
    ("trials", "state"),
    [
        ({"values": [0.1, 0.2]}, "done"),
        ({"pruned": 2}, "failed"),
        ({"values": [0.1], "running": 1}, "running"),
        ({"values": [0.1]}, "paused"),
        ({}, "paused"),
    ],
)
def test_the_state_says_whether_trials_run_and_whether_any_is_complete(
    make_sweep: Callable[..., SweepOptions], make_study: MakeStudy, trials: dict[str, Any], state: str
) -> None:
    assert overview(make_study(**trials), make_sweep(n_trials=2)).state == state


def test_what_is_left_is_shared_by_the_workers_that_run(
    make_sweep: Callable[..., SweepOptions], make_study: MakeStudy
) -> None:
    sweep = make_sweep(n_trials=10)
    alone = overview(make_study(values=[0.1, 0.2], running=1, minutes=3.0), sweep).seconds_left
    both = overview(make_study(name="two", values=[0.1, 0.2], running=2, minutes=3.0), sweep).seconds_left
    assert alone == pytest.approx(8 * 180) and both == pytest.approx(4 * 180)
    assert overview(make_study(name="none"), sweep).seconds_left is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metric": "train/loss"}, "metric is val/rank_ic in study small, the sweep's file has train/loss"),
        ({"folds": 2}, "folds is None in study small, the sweep's file has 2"),
    ],
)
def test_a_study_is_not_shown_by_another_metric_than_its_own(
    change: dict[str, Any], message: str, make_sweep: Callable[..., SweepOptions]
) -> None:
    # By a loss the best trial would be the worst one.
    sweep = make_sweep()
    study = begin_study(sweep, Identity({"metric": sweep.metric, "folds": sweep.folds}, "d" * 16))
    assert overview(study, sweep).finished == 0
    with pytest.raises(InputError, match=f"{message}; put it back"):
        overview(study, make_sweep(**change))
