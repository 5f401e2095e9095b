"""The study's files tell what its database tells, carry whose they are, and are whole while others write."""

import json
import sqlite3
import time
from datetime import datetime
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from atft.errors import InputError
from atft.search.question.options import SweepOptions
from atft.search.question.space import check_space
from atft.search.study.files import (
    back_up,
    best_params,
    make_trial_directory,
    publish_study_files,
    publish_trial,
    read_trial,
    sqlite_file,
    study_labels,
    utc,
)
from atft.search.study.outcome import Outcome
from full_disk import full_disk

LR = optuna.distributions.FloatDistribution(1e-4, 1e-2, log=True)
LABELS = {"study": "s", "study_id": "id1", "config_digest": "c1", "data_digest": "d1"}


@pytest.fixture
def sweep(tmp_path: Path) -> SweepOptions:
    space = check_space({"lr": {"type": "float", "low": 1e-4, "high": 1e-2}})
    return SweepOptions(study="s", base="base.yaml", space=space, root=str(tmp_path))


@pytest.fixture
def study(sweep: SweepOptions) -> optuna.Study:
    folder = Path(sweep.root) / sweep.study
    folder.mkdir()
    made = optuna.create_study(
        study_name="s", storage=f"sqlite:///{folder / 'study.db'}", direction="maximize"
    )
    for key, value in LABELS.items():
        made.set_user_attr(key, value)
    return made


def add(study: optuna.Study, value: float | None, state: TrialState, **attributes: object) -> None:
    study.add_trial(
        create_trial(
            state=state,
            value=value,
            params={"lr": 1e-3},
            distributions={"lr": LR},
            intermediate_values={0: 0.1, 1: float("nan")},
            user_attrs=attributes,
        )
    )


def test_without_a_complete_trial_the_best_is_null_with_the_reason(
    study: optuna.Study, sweep: SweepOptions
) -> None:
    assert best_params([], sweep)["reason"] == "no trial is complete: none began"
    add(study, None, TrialState.FAIL, failure={"class": "config", "reason": "x"})
    add(study, None, TrialState.FAIL, outcome="surplus")
    add(study, None, TrialState.FAIL, outcome="interrupted")
    add(study, 0.3, TrialState.PRUNED)
    publish_study_files(study, sweep)
    held = json.loads((Path(sweep.root) / "s" / "best_params.json").read_text())
    assert held["trial"] is held["value"] is held["params"] is None
    assert held["reason"] == "no trial is complete: 1 failed, 1 interrupted, 1 pruned, 1 surplus"


def test_the_best_is_of_the_complete_trials_in_the_sweeps_direction(
    study: optuna.Study, sweep: SweepOptions
) -> None:
    for value in (0.1, -0.2, 0.05):
        add(study, value, TrialState.COMPLETE)
    add(study, 9.0, TrialState.PRUNED)
    publish_study_files(study, sweep)
    held = json.loads((Path(sweep.root) / "s" / "best_params.json").read_text())
    assert (held["trial"], held["value"], held["params"]) == (0, 0.1, {"lr": 1e-3})
    assert held["checkpoint"] == str(Path(sweep.root) / "s" / "trial_0" / "best_model.ckpt")
    assert LABELS.items() <= held.items()


def test_all_trials_are_listed_with_their_values_and_whose_they_are(
    study: optuna.Study, sweep: SweepOptions
) -> None:
    add(study, 0.1, TrialState.COMPLETE, directory="s/trial_0")
    add(study, None, TrialState.FAIL, failure={"class": "memory", "reason": "full"})
    publish_study_files(study, sweep)
    held = json.loads((Path(sweep.root) / "s" / "all_trials.json").read_text())
    assert LABELS.items() <= held.items() and held["counts"] == {"complete": 1, "failed": 1}
    assert [t["outcome"] for t in held["trials"]] == ["complete", "failed"]
    assert held["trials"][0]["values"] == {"0": 0.1, "1": None}
    assert held["trials"][1]["user_attrs"]["failure"]["reason"] == "full"


def test_the_backup_is_a_database_that_opens_as_the_study(study: optuna.Study, sweep: SweepOptions) -> None:
    add(study, 0.1, TrialState.COMPLETE)
    publish_study_files(study, sweep)
    place = Path(sweep.root) / "s" / "study.backup.db"
    copy = optuna.load_study(study_name="s", storage=f"sqlite:///{place}")
    assert copy.best_value == 0.1 and study_labels(copy) == LABELS
    assert sorted(p.name for p in place.parent.iterdir()) == [
        "all_trials.json",
        "best_params.json",
        "study.backup.db",
        "study.db",
    ]


def test_the_backup_is_whole_while_another_connection_writes(study: optuna.Study, tmp_path: Path) -> None:
    source = sqlite_file(study)
    assert source is not None
    writer = sqlite3.connect(source)
    writer.execute("INSERT INTO study_user_attributes (study_id, key, value_json) VALUES (1, 'open', '1')")
    writer.commit()
    writer.execute("INSERT INTO study_user_attributes (study_id, key, value_json) VALUES (1, 'later', '1')")
    back_up(study, tmp_path / "copy.db")  # the second is not committed
    writer.rollback()
    writer.close()
    copy = sqlite3.connect(tmp_path / "copy.db")
    keys = {row[0] for row in copy.execute("SELECT key FROM study_user_attributes")}
    assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    copy.close()
    assert "open" in keys and "later" not in keys


def test_a_disk_that_takes_no_backup_is_an_error_and_leaves_none(study: optuna.Study, tmp_path: Path) -> None:
    # As a full disk does: sqlite itself meets the end of the room.
    said = r"copy\.db: the copy of .*study\.db failed .*; make room"
    with full_disk(20_000), pytest.raises(InputError, match=said):
        back_up(study, tmp_path / "copy.db")
    assert not list(tmp_path.glob("*copy.db*"))


def test_a_storage_that_is_no_sqlite_file_is_not_backed_up(tmp_path: Path) -> None:
    back_up(optuna.create_study(), tmp_path / "copy.db")
    assert list(tmp_path.iterdir()) == []


def test_a_trial_of_the_database_can_be_made_again_from_its_file(tmp_path: Path) -> None:
    trial = create_trial(
        value=0.1,
        params={"lr": 1e-3},
        distributions={"lr": LR},
        intermediate_values={0: 0.1, 1: 0.2},
        user_attrs={"attempt": 1},
    )
    publish_trial(tmp_path, LABELS, trial, Outcome.FAILED, None, "full", "memory")
    held = read_trial(tmp_path)
    assert held is not None and LABELS.items() <= held.items()
    again = {
        k: optuna.distributions.json_to_distribution(json.dumps(d)) for k, d in held["distributions"].items()
    }
    assert again == {"lr": LR} and held["values"] == {"0": 0.1, "1": 0.2}
    assert held["user_attrs"] == {"attempt": 1, "failure": {"class": "memory", "reason": "full"}}


def test_start_and_end_of_a_trial_are_of_one_clock_whatever_the_machines_zone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as zone:
        zone.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        publish_trial(tmp_path, LABELS, create_trial(value=0.1), Outcome.COMPLETE, 0.1)
    time.tzset()
    record = read_trial(tmp_path)
    assert record is not None
    seconds = [datetime.fromisoformat(record[key]).timestamp() for key in ("started", "ended")]
    assert abs(seconds[1] - seconds[0]) < 3600


@pytest.mark.parametrize(
    ("attributes", "outcome", "reason"),
    [
        ({}, "failed", "its process ended or stopped responding"),
        ({"failure": {"class": "hang", "reason": "no batch"}}, "failed", "no batch"),
        ({"outcome": "interrupted"}, "interrupted", ""),
    ],
    ids=["killed", "hung", "Ctrl-C twice"],
)
def test_the_file_of_a_killed_trial_gets_the_outcome_that_the_study_has(
    study: optuna.Study, sweep: SweepOptions, attributes: dict[str, object], outcome: str, reason: str
) -> None:
    add(study, None, TrialState.FAIL, directory="s/trial_0", **attributes)
    (trial,), directory = study.trials, sweep.trial_directory(0)
    publish_trial(directory, LABELS, trial)
    publish_study_files(study, sweep)
    record = read_trial(directory)
    assert record is not None and (record["outcome"], record["reason"]) == (outcome, reason)
    assert record["ended"] == utc(trial.datetime_complete)
    assert attributes.items() <= record["user_attrs"].items()


def test_the_file_of_another_trial_is_left_as_it_is(study: optuna.Study, sweep: SweepOptions) -> None:
    # A database from a backup counts from a former number: its trial fails because the directory is taken.
    add(study, None, TrialState.FAIL, directory="s/trial_0", failure={"class": "data", "reason": "taken"})
    earlier = create_trial(value=0.1)
    earlier.number, earlier.datetime_start = 0, datetime(2020, 1, 1)
    publish_trial(sweep.trial_directory(0), LABELS, earlier, Outcome.COMPLETE, 0.1)
    before = read_trial(sweep.trial_directory(0))
    publish_study_files(study, sweep)
    assert read_trial(sweep.trial_directory(0)) == before


def test_a_trials_directory_is_made_where_no_file_is(tmp_path: Path) -> None:
    make_trial_directory(tmp_path / "s" / "trial_0", LABELS)
    make_trial_directory(tmp_path / "s" / "trial_0", LABELS)  # empty: made, and killed before the first file
    assert (tmp_path / "s" / "trial_0").is_dir()


@pytest.mark.parametrize(
    ("whose", "said"),
    [
        (None, "files that no trial of a sweep left"),
        ({**LABELS, "study_id": "id2"}, r"a trial of another study of that name \(id id2"),
        (LABELS, "trial -1 of this study"),
    ],
)
def test_a_directory_with_files_is_an_error_that_names_their_owner(
    whose: dict[str, str] | None, said: str, tmp_path: Path
) -> None:
    (tmp_path / "config.yaml").touch()
    if whose is not None:
        publish_trial(tmp_path, whose, create_trial(value=1.0))
    with pytest.raises(InputError, match=f"holds {said}.*; move it away, or give the sweep another"):
        make_trial_directory(tmp_path, LABELS)
