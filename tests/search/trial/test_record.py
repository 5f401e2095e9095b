"""Whatever ends a trial is on the disk before the study is told, in the words of trial.json and of the receipt."""

import errno
import json
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from atft.callbacks.record.receipt import read_receipt
from atft.errors import InputError, NonFiniteLoss
from atft.files.publish import disk_errors
from atft.search.question.options import SweepOptions
from atft.search.study.files import read_trial
from atft.search.trial.failures import Interrupted, TrialFailed
from atft.search.trial.record import TrialRecord

LABELS = {"study": "s", "study_id": "id1", "config_digest": "c1", "data_digest": "d1"}
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
        (InputError("model.network.init_args.hidden_size: too small"), "config"),
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


def test_a_full_disk_is_no_failure_of_the_trial(record: Record, tmp_path: Path) -> None:
    with pytest.raises(TrialFailed) as caught, record(), disk_errors(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.kind == "disk" and "the disk is full; make room" in caught.value.reason
    written = read_trial(tmp_path / PLACE) or {}
    assert written["outcome"] == "interrupted" and "failure" not in written["user_attrs"]


def test_a_disk_that_takes_no_directory_is_no_failure_of_the_trial_either(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("atft.search.trial.callbacks.publish_json", broken)
    with pytest.raises(TrialFailed) as caught:
        record()
    assert caught.value.kind == "disk"


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
