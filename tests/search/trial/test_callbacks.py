"""A sweep's callbacks act after an epoch's checkpoint, once, and only while there is something to end."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import lightning.pytorch as pl
import optuna
import pytest
import torch
from lightning.pytorch.callbacks import Checkpoint

from atft.callbacks.record.run_record import RunRecord
from atft.search.study.outcome import Outcome
from atft.search.trial.callbacks import EpochEnd, Heartbeat, TrialPruning


class Running(pl.Trainer):
    """A trainer in the middle of a run, as far as the callbacks look at it."""

    current_epoch = 1
    max_epochs = 5
    should_stop = False
    sanity_checking = False
    global_step = 7
    callback_metrics: ClassVar = {"val/rank_ic": torch.tensor(0.25)}
    train_dataloader = SimpleNamespace(plan=[0] * 4)

    def __init__(self, **changes: Any) -> None:
        for name, value in changes.items():
            setattr(self, name, value)


class Module(pl.LightningModule):
    """A module in its second epoch."""

    current_epoch = 1


MODULE = Module()


def a_trial(prune: bool) -> optuna.Trial:
    pruner = optuna.pruners.ThresholdPruner(lower=2.0) if prune else optuna.pruners.NopPruner()
    return optuna.create_study(pruner=pruner).ask()


def reported(trial: optuna.Trial) -> dict[int, float]:
    return trial.study.get_trials()[trial.number].intermediate_values


@pytest.fixture
def record(tmp_path: Path) -> RunRecord:
    return RunRecord("name: a\n", tmp_path)


def pruning(trial: optuna.Trial, record: RunRecord) -> TrialPruning:
    return TrialPruning(trial, "val/rank_ic", "median", record)


def test_both_act_after_the_checkpoint_is_written() -> None:
    # Lightning calls the ends of an epoch of these after all others, in the order they were added.
    assert issubclass(TrialPruning, Checkpoint) and issubclass(EpochEnd, Checkpoint)


def test_an_epoch_is_reported_when_it_is_over_if_it_was_validated(record: RunRecord) -> None:
    trial = a_trial(prune=False)
    callback = pruning(trial, record)
    callback.on_train_epoch_end(Running(callback_metrics={"train/loss": torch.tensor(1.0)}), MODULE)
    assert reported(trial) == {}
    running = Running()
    callback.on_train_epoch_end(running, MODULE)
    assert reported(trial) == {1: 0.25} and not running.should_stop


def test_a_hopeless_trial_is_stopped_with_the_reason_in_the_record(record: RunRecord) -> None:
    callback, running = pruning(a_trial(prune=True), record), Running()
    callback.on_train_epoch_end(running, MODULE)
    assert running.should_stop
    assert record.receipt.outcome == Outcome.PRUNED
    assert record.stopped == "pruned by median at epoch 2: val/rank_ic +0.2500"


@pytest.mark.parametrize(
    "changes", [{"max_epochs": 2}, {"should_stop": True}], ids=["last epoch", "early stop"]
)
def test_a_trial_that_is_over_anyway_is_reported_and_not_pruned(
    changes: dict[str, Any], record: RunRecord
) -> None:
    trial = a_trial(prune=True)
    callback, running = pruning(trial, record), Running(**changes)
    callback.on_train_epoch_end(running, MODULE)
    assert reported(trial) == {1: 0.25} and record.receipt.outcome == record.stopped == ""


def test_the_clock_and_the_user_end_a_run_after_an_epoch(record: RunRecord) -> None:
    late = EpochEnd(lambda: True, deadline=0.0, minutes=30.0, record=record)
    running = Running()
    late.on_train_epoch_end(running, MODULE)
    assert running.should_stop and record.receipt.outcome == ""
    assert record.stopped == "limits.minutes: 30 minutes were over after epoch 2"
    asked = EpochEnd(lambda: True, deadline=None, minutes=None, record=record)
    asked.on_train_epoch_end(running, MODULE)
    assert record.receipt.outcome == "", "it had been stopped already"
    asked.on_train_epoch_end(Running(), MODULE)
    assert record.receipt.outcome == Outcome.INTERRUPTED
    assert record.stopped == "interrupted by the user after epoch 2"


def test_a_run_goes_on_unless_it_is_ended_and_its_last_epoch_is_no_interruption(record: RunRecord) -> None:
    goes_on = EpochEnd(lambda: False, deadline=None, minutes=None, record=record)
    running = Running()
    goes_on.on_train_epoch_end(running, MODULE)
    asked = EpochEnd(lambda: True, deadline=None, minutes=None, record=record)
    asked.on_train_epoch_end(Running(max_epochs=2), MODULE)
    assert not running.should_stop and record.receipt.outcome == record.stopped == ""


def test_the_heartbeat_publishes_progress_at_most_once_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    place = tmp_path / "progress.json"

    def said() -> dict[str, Any]:
        held = json.loads(place.read_text())
        assert isinstance(held, dict)
        return held

    beat = Heartbeat(tmp_path, "val/rank_ic", {"study_id": "id1", "trial": 3}, folds=2)
    beat.fold = 1
    assert (said()["activity"], said()["study_id"], said()["trial"]) == ("preparing", "id1", 3)
    running = Running(current_epoch=0)
    beat.on_train_start(running, MODULE)
    assert said()["activity"] == "training" and said()["epochs"] == 10
    written = place.stat().st_mtime_ns
    clock[0] += 0.5
    beat.on_train_batch_end(running, MODULE, None, None, 0)
    assert place.stat().st_mtime_ns == written
    clock[0] += 29.5
    beat.on_train_batch_end(running, MODULE, None, None, 1)
    assert (said()["epoch"], said()["step"], said()["metric"]) == (5.5, 7, None)
    assert said()["epochs_per_minute"] == 1.0
    clock[0] += 2
    beat.on_validation_batch_end(running, MODULE)
    assert said()["activity"] == "validating"
    beat.on_train_epoch_end(running, MODULE)
    beat.publish("complete")
    assert (said()["activity"], said()["epoch"]) == ("complete", 6.0)
    assert said()["values"] == [0.25] and said()["metric"] == 0.25
