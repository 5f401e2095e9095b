"""Whatever ends a trial is on the disk before the study is told, in the words of trial.json and of the receipt."""

import json
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.trial import create_trial

from atft.callbacks.record.receipt import read_receipt
from atft.errors import InputError, NonFiniteLoss
from atft.search.question.options import SweepOptions
from atft.search.study.outcome import Outcome
from atft.search.trial.failures import Interrupted, TrialFailed
from atft.search.trial.record import TrialRecord, make_trial_directory, publish_trial, read_trial

LABELS = {"study": "s", "study_id": "id1", "config_digest": "c1", "data_digest": "d1"}
LR = optuna.distributions.FloatDistribution(1e-4, 1e-2, log=True)
Record = Callable[[], TrialRecord]
PLACE = Path("s") / "trial_0"


@pytest.fixture
def record(toy_sweep: Callable[..., SweepOptions], tmp_path: Path) -> Record:
    """The record of a running trial of a study in memory; its directory is ``tmp_path / PLACE``."""

    def make() -> TrialRecord:
        study = optuna.create_study(study_name="s")
        for key, value in LABELS.items():
            study.set_user_attr(key, value)
        return TrialRecord(toy_sweep(study="s", root=str(tmp_path)), study.ask(), lambda: False)

    return make


def end_of(folder: Path) -> tuple[str, str, str]:
    """Outcome, receipt's status and heartbeat's activity."""
    activity = json.loads((folder / "progress.json").read_text())["activity"]
    return (read_trial(folder) or {})["outcome"], read_receipt(folder).status, activity


def test_a_trial_is_on_the_disk_while_it_runs(record: Record, tmp_path: Path) -> None:
    with record() as running:
        assert (read_trial(tmp_path / PLACE) or {})["outcome"] == "running"
        running.value = 0.25
    assert end_of(tmp_path / PLACE) == ("complete", "completed", "complete")
    held = read_trial(tmp_path / PLACE) or {}
    assert held["value"] == 0.25 and LABELS.items() <= held.items()
    assert read_receipt(tmp_path / PLACE).digests == {
        "study_id": "id1",
        "study_config": "c1",
        "study_data": "d1",
    }


@pytest.mark.parametrize(
    ("error", "state", "status"),
    [
        (optuna.TrialPruned("pruned by median at epoch 2"), "pruned", "stopped"),
        (Interrupted("interrupted by the user after epoch 1"), "interrupted", "stopped"),
        (TrialFailed("time", "60 minutes were over"), "failed", "failed"),
    ],
)
def test_an_end_that_a_sweep_knows_passes_through_as_it_is(
    record: Record, tmp_path: Path, error: Exception, state: str, status: str
) -> None:
    with pytest.raises(type(error)) as caught, record() as running:
        running.value = 0.25
        raise error
    assert caught.value is error
    assert end_of(tmp_path / PLACE) == (state, status, state)
    assert (read_trial(tmp_path / PLACE) or {})["value"] is None, "only a complete trial has a value"
    assert f"trial 0 {state}: " in (tmp_path / PLACE / "run.log").read_text()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InputError("model.network.hidden_size: too small"), "config"),
        (NonFiniteLoss("epoch 1: the loss is nan"), "config"),
        (MemoryError(), "memory"),
        (KeyError("neighbour"), "code"),
    ],
)
def test_any_other_exception_becomes_a_failure_of_a_class(
    record: Record, tmp_path: Path, error: Exception, kind: str
) -> None:
    with pytest.raises(TrialFailed) as caught, record():
        raise error
    assert caught.value.kind == kind and caught.value.__cause__ is error
    assert (read_trial(tmp_path / PLACE) or {})["user_attrs"]["failure"]["class"] == kind
    assert ("Traceback" in (tmp_path / PLACE / "run.log").read_text()) == (kind == "code")


def test_the_end_of_the_process_is_left_to_the_next_one(record: Record, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), record():
        raise KeyboardInterrupt
    assert (read_trial(tmp_path / PLACE) or {})["outcome"] == "running"


def test_a_full_disk_does_not_hide_how_the_trial_ended(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(optuna.TrialPruned), record():
        monkeypatch.setattr("atft.search.trial.record.append_log", full)
        raise optuna.TrialPruned("pruned")


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


def test_a_trials_directory_is_made_where_nothing_lies(tmp_path: Path) -> None:
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
def test_a_directory_that_holds_anything_is_refused(
    whose: dict[str, str] | None, said: str, tmp_path: Path
) -> None:
    (tmp_path / "config.yaml").touch()
    if whose is not None:
        publish_trial(tmp_path, whose, create_trial(value=1.0))
    with pytest.raises(InputError, match=f"holds {said}.*; move it away, or give the sweep another"):
        make_trial_directory(tmp_path, LABELS)
