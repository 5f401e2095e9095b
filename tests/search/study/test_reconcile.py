import sqlite3
import warnings
from pathlib import Path

import optuna
import pytest
from optuna.exceptions import ExperimentalWarning
from optuna.trial import TrialState

from atft.search.study.budget import slots_left
from atft.search.study.outcome import failure_of
from atft.search.study.owner import this_process
from atft.search.study.reconcile import fail, reconcile

GONE = {**this_process(), "started": 1}


def new_study(path: Path, **heartbeat: int) -> optuna.Study:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        storage = optuna.storages.RDBStorage(f"sqlite:///{path}", **heartbeat)
    return optuna.create_study(study_name="s", storage=storage)


def owned(study: optuna.Study, owner: dict[str, object], **attributes: object) -> optuna.Trial:
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    for key, value in {"owner": owner, "directory": f"trial_{trial.number}", **attributes}.items():
        trial.set_user_attr(key, value)
    return trial


def states(study: optuna.Study) -> list[str]:
    return [t.state.name for t in study.trials]


def test_a_trial_whose_process_is_gone_is_failed_at_once_and_tried_again() -> None:
    study = optuna.create_study()
    lost = owned(study, GONE)
    assert reconcile(study, n_trials=5, max_retry=1) == ([0], [0])
    assert states(study) == ["FAIL", "WAITING"]
    assert failure_of(study.trials[0]).kind == "crash"
    again = study.ask()
    assert again.suggest_float("x", 0, 1) == lost.params["x"]
    assert reconcile(study, n_trials=5, max_retry=1) == ([], [])


def test_a_trial_that_runs_here_or_elsewhere_is_left_alone() -> None:
    study = optuna.create_study()
    owned(study, this_process())
    owned(study, {**GONE, "host": "elsewhere"})
    assert reconcile(study, n_trials=5, max_retry=1) == ([], [])
    assert states(study) == ["RUNNING", "RUNNING"]


def test_a_trial_without_an_owner_is_failed_after_a_while() -> None:
    study = optuna.create_study()
    study.enqueue_trial({"x": 0.5})
    study.ask()
    assert reconcile(study, n_trials=5, max_retry=0) == ([], [])
    assert reconcile(study, n_trials=5, max_retry=0, patience=0) == ([0], [0])
    assert study.trials[1].system_attrs["fixed_params"] == {"x": 0.5}


def test_a_kill_between_failing_and_enqueueing_is_made_good() -> None:
    study = optuna.create_study()
    owned(study, GONE)
    study.tell(0, state=TrialState.FAIL)
    assert reconcile(study, n_trials=5, max_retry=1) == ([], [0])


def test_a_point_is_given_up_after_max_retry() -> None:
    study = optuna.create_study()
    owned(study, GONE, attempt=2)
    assert reconcile(study, n_trials=5, max_retry=2) == ([0], [])
    assert slots_left(study.trials, n_trials=1) == 1


def test_no_retry_is_enqueued_beyond_the_budget() -> None:
    study = optuna.create_study()
    owned(study, GONE)
    owned(study, this_process())
    assert reconcile(study, n_trials=1, max_retry=1) == ([0], [])
    assert reconcile(study, n_trials=2, max_retry=1) == ([], [0])


def test_a_trial_that_ended_in_the_meantime_is_not_failed() -> None:
    study = optuna.create_study()
    trial = owned(study, this_process())
    seen = study.trials[0]
    study.tell(trial, 0.5)
    assert not fail(study, seen, failure={"class": "hang", "reason": "still"})
    assert states(study) == ["COMPLETE"]


@pytest.mark.filterwarnings("ignore:Heartbeat of storage")
def test_a_process_elsewhere_that_fell_silent_is_found_by_its_heartbeat(tmp_path: Path) -> None:
    study = new_study(tmp_path / "s.db", heartbeat_interval=600, grace_period=1200)
    trial = owned(study, {**GONE, "host": "elsewhere"})
    study._storage.record_heartbeat(trial._trial_id)
    assert reconcile(study, n_trials=5, max_retry=1) == ([], [])
    with sqlite3.connect(tmp_path / "s.db") as database:
        database.execute("UPDATE trial_heartbeats SET heartbeat = datetime(heartbeat, '-21 minutes')")
    assert reconcile(study, n_trials=5, max_retry=1) == ([], [0])
    assert states(study) == ["FAIL", "WAITING"]
