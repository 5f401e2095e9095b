"""Whatever ends a trial is on the disk before the study is told, in the words of trial.json and of the receipt."""

import json
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from atft.callbacks.record.receipt import read_receipt
from atft.errors import InputError, NonFiniteLoss
from atft.search.trial.account import TrialAccount
from atft.search.trial.callbacks import Heartbeat
from atft.search.trial.failures import Interrupted, TrialFailed
from atft.search.trial.files import read_trial

LABELS = {"study": "s", "study_id": "id1", "config_digest": "c1", "data_digest": "d1"}
Account = Callable[[], TrialAccount]


@pytest.fixture
def account(tmp_path: Path) -> Account:
    """The account of a running trial of a study in memory."""

    def make() -> TrialAccount:
        trial = optuna.create_study().ask()
        return TrialAccount(tmp_path, LABELS, trial, Heartbeat(tmp_path, "val/rank_ic", LABELS))

    return make


def end_of(folder: Path) -> tuple[str, str, str]:
    """Outcome, receipt's status and heartbeat's phase."""
    phase = json.loads((folder / "progress.json").read_text())["phase"]
    return (read_trial(folder) or {})["outcome"], read_receipt(folder).status, phase


def test_a_trial_is_on_the_disk_while_it_runs(account: Account, tmp_path: Path) -> None:
    with account() as running:
        assert (read_trial(tmp_path) or {})["outcome"] == "running"
        running.value = 0.25
    assert end_of(tmp_path) == ("complete", "completed", "complete")
    held = read_trial(tmp_path) or {}
    assert held["value"] == 0.25 and LABELS.items() <= held.items()
    assert read_receipt(tmp_path).digests == {"study_id": "id1", "study_config": "c1", "study_data": "d1"}


@pytest.mark.parametrize(
    ("error", "state", "status"),
    [
        (optuna.TrialPruned("pruned by median at epoch 2"), "pruned", "stopped"),
        (Interrupted("interrupted by the user after epoch 1"), "interrupted", "stopped"),
        (TrialFailed("time", "60 minutes were over"), "failed", "failed"),
    ],
)
def test_an_end_that_a_sweep_knows_passes_through_as_it_is(
    account: Account, tmp_path: Path, error: Exception, state: str, status: str
) -> None:
    with pytest.raises(type(error)) as caught, account() as running:
        running.value = 0.25
        raise error
    assert caught.value is error
    assert end_of(tmp_path) == (state, status, state)
    assert (read_trial(tmp_path) or {})["value"] is None, "only a complete trial has a value"
    assert f"trial 0 {state}: " in (tmp_path / "run.log").read_text()


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
    account: Account, tmp_path: Path, error: Exception, kind: str
) -> None:
    with pytest.raises(TrialFailed) as caught, account():
        raise error
    assert caught.value.kind == kind and caught.value.__cause__ is error
    assert (read_trial(tmp_path) or {})["user_attrs"]["failure"]["class"] == kind
    assert ("Traceback" in (tmp_path / "run.log").read_text()) == (kind == "code")


def test_the_end_of_the_process_is_left_to_the_next_one(account: Account, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), account():
        raise KeyboardInterrupt
    assert (read_trial(tmp_path) or {})["outcome"] == "running"


def test_a_full_disk_does_not_hide_how_the_trial_ended(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(optuna.TrialPruned), account():
        monkeypatch.setattr("atft.search.trial.account.append_log", full)
        raise optuna.TrialPruned("pruned")
