"""The last whole checkpoint decides how far a failed trial had come; what is damaged is not used, and says so."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from atft.search.trial.resume import former_directories, nearest_run, read_previous, report_again


@pytest.fixture
def failed(tiny_run: Any, tmp_path: Path) -> Path:
    """A copy of a run of two epochs that was killed in the third."""
    place = tmp_path / "trial_0"
    shutil.copytree(tiny_run.directory, place)
    change(place / "receipt.json", status="running")
    history = json.loads((place / "metrics.json").read_text())["epochs"]
    change(place / "metrics.json", epochs=[*history, {"epoch": 2, "val/rank_ic": 0.9}])
    return place


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_the_checkpoint_decides_how_far_a_trial_had_come(failed: Path) -> None:
    alarms: list[str] = []
    found = read_previous(failed, alarms, epochs=5)
    assert found is not None and alarms == []
    assert (found.directory, found.over) == (failed, False)
    assert [e["epoch"] for e in found.history] == [0, 1]


@pytest.mark.parametrize(
    ("status", "outcome", "epochs", "over"),
    [
        ("running", "", 2, True),  # killed after its last checkpoint
        ("completed", "complete", 5, True),
        ("completed", "", 5, True),  # killed between the end of training and its conclusion
        ("stopped", "complete", 5, True),
        ("stopped", "pruned", 5, True),
        ("stopped", "interrupted", 5, False),
        ("failed", "failed", 5, False),
    ],
)
def test_a_trial_that_had_ended_by_itself_is_over(
    status: str, outcome: str, epochs: int, over: bool, failed: Path
) -> None:
    change(failed / "receipt.json", status=status, outcome=outcome)
    found = read_previous(failed, [], epochs)
    assert found is not None and found.over == over


@pytest.mark.parametrize("name", ["last.ckpt", "metrics.json", "receipt.json"])
def test_what_is_damaged_is_not_used_with_a_warning(name: str, failed: Path) -> None:
    (failed / name).write_bytes((failed / name).read_bytes()[:200])
    alarms: list[str] = []
    assert read_previous(failed, alarms, epochs=5) is None
    assert len(alarms) == 1 and str(failed) in alarms[0] and "starts from the beginning" in alarms[0]


@pytest.mark.parametrize("epochs", [None, 3, [1], ["a"], [{}], [{"epoch": None}], "abc"], ids=str)
def test_epochs_of_another_type_are_not_used_with_a_warning(epochs: object, failed: Path) -> None:
    change(failed / "metrics.json", epochs=epochs)
    alarms: list[str] = []
    assert read_previous(failed, alarms, epochs=5) is None
    assert len(alarms) == 1 and "starts from the beginning" in alarms[0]


def test_a_trial_without_a_checkpoint_left_nothing_and_that_is_no_alarm(tmp_path: Path) -> None:
    alarms: list[str] = []
    assert read_previous(tmp_path, alarms, epochs=5) is None and alarms == []


def test_former_values_are_reported_again_with_their_steps() -> None:
    study = optuna.create_study()
    trial = study.ask()
    history = [{"epoch": 0, "a": 0.1}, {"epoch": 1, "a": math.nan}, {"epoch": 2}, {"epoch": 3, "a": 0.4}]
    report_again(trial, history, "a")
    told = study.get_trials()[0].intermediate_values
    assert sorted(told) == [0, 1, 3] and math.isnan(told[1]) and (told[0], told[3]) == (0.1, 0.4)


def retry(number: int, of: int | None, **attributes: object) -> optuna.trial.FrozenTrial:
    own: dict[str, object] = {"directory": f"s/trial_{number}", **attributes}
    made = create_trial(state=TrialState.FAIL, user_attrs=own if of is None else {**own, "retry_of": of})
    made.number = number
    return made


def test_the_trials_that_a_retry_takes_the_place_of_are_named_from_the_nearest_on(tmp_path: Path) -> None:
    never_began = create_trial(state=TrialState.FAIL, user_attrs={"retry_of": 0})
    never_began.number = 1
    trials = [retry(0, None), never_began, retry(2, 1), retry(3, 2), retry(4, None)]
    assert former_directories(trials, 3, tmp_path) == [tmp_path / "s/trial_2", tmp_path / "s/trial_0"]
    assert former_directories(trials, 4, tmp_path) == []


def test_the_nearest_run_is_the_first_with_a_checkpoint(tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("absent", "empty", "near", "far")]
    for place in places[1:]:
        place.mkdir()
    assert nearest_run(places) is None
    for place in places[3:1:-1]:
        (place / "last.ckpt").touch()
        assert nearest_run(places) == place


def test_a_checkpoint_of_the_whole_batch_is_not_continued_with_half_of_it(tmp_path: Path) -> None:
    trials = [retry(0, None), retry(1, 0, halved_batch=True), retry(2, 1, halved_batch=True)]
    assert former_directories(trials, 1, tmp_path) == []
    assert former_directories(trials, 2, tmp_path) == [tmp_path / "s/trial_1"]
