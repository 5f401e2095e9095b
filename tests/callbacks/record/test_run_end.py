"""How a run ended: limited, stopped with the reason, failed without a step, completed."""

from types import SimpleNamespace
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Timer
from lightning.pytorch.callbacks import early_stopping as lightning
from lightning.pytorch.callbacks.early_stopping import EarlyStoppingReason

from atft.callbacks.guards.early_stopping import EarlyStopping
from atft.callbacks.record.run_end import limits, run_status

EXHAUSTED = EarlyStoppingReason.PATIENCE_EXHAUSTED


def ended(**changes: Any) -> Any:
    """A trainer after a run; the parts that are looked at."""
    whole = {
        "max_epochs": 3,
        "is_last_batch": True,
        "callbacks": [],
        "stopped_by": None,
        "limit_train_batches": 1.0,
        "limit_val_batches": 1.0,
        "fast_dev_run": False,
        "overfit_batches": 0.0,
        "max_steps": -1,
    }
    return SimpleNamespace(**{**whole, **changes})


def test_a_run_of_all_its_epochs_is_completed() -> None:
    assert run_status(ended(), 3, True) == ("completed", "")


def test_fewer_epochs_without_a_known_reason_are_a_stop() -> None:
    assert run_status(ended(), 2, True) == ("stopped", "2 of 3 epochs, for no known reason")


@pytest.mark.parametrize(("epochs", "last"), [(2, True), (3, False)])
def test_a_time_limit_is_named(epochs: int, last: bool) -> None:
    timer = Timer(duration={"minutes": 90})
    run = ended(stopped_by=timer, is_last_batch=last)
    assert run_status(run, epochs, True) == ("stopped", "trainer.max_time: 1:30:00 were over")


@pytest.mark.parametrize("endless", [None, -1])
def test_a_run_without_a_number_of_epochs_is_never_whole(endless: int | None) -> None:
    run = ended(max_epochs=endless, stopped_by=Timer(duration={"minutes": 90}))
    assert run_status(run, 7, True) == ("stopped", "trainer.max_time: 1:30:00 were over")


def early(kind: Any = EarlyStopping, **state: Any) -> Any:
    """An early stopping whose best val/ic was 0.06."""
    callback = kind("val/ic", mode="max", patience=2)
    callback.best_score = torch.tensor(0.06)
    for name, value in state.items():
        setattr(callback, name, value)
    return callback


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"stopping_reason": EXHAUSTED}, "no better val/ic than 0.0600 for 2 epochs"),
        ({"stopping_reason": EXHAUSTED, "patience": 1}, "no better val/ic than 0.0600 for 1 epoch"),
        (
            {"stopping_reason": EXHAUSTED, "waits_for_divergence": True},
            "val/ic was worse than its best, 0.0600, by over half of it for 2 epochs",
        ),
        (
            {
                "stopping_reason": EarlyStoppingReason.STOPPING_THRESHOLD,
                "stopping_reason_message": "val/ic = 0.09 > 0.08. Signaling Trainer to stop.",
            },
            "val/ic = 0.09 > 0.08.",
        ),
    ],
)
def test_early_stopping_says_what_it_saw(state: dict[str, Any], reason: str) -> None:
    callback = early(stopped_epoch=3, **state)
    assert run_status(ended(stopped_by=callback), 2, True) == ("stopped", reason)
    # A trainer of Lightning's own does not say who asked: the one that stopped.
    others = [SimpleNamespace(stopped_epoch=9), early()]
    assert run_status(ended(callbacks=[*others, callback]), 2, True) == ("stopped", reason)


def test_an_early_stopping_that_did_not_stop_is_no_reason() -> None:
    callbacks = [early(), early(lightning.EarlyStopping)]
    assert run_status(ended(callbacks=callbacks), 2, True)[1] == "2 of 3 epochs, for no known reason"


def test_a_callback_that_asks_for_a_stop_is_named() -> None:
    run = ended(stopped_by=SimpleNamespace())
    assert run_status(run, 1, True) == ("stopped", "SimpleNamespace set trainer.should_stop")


def test_a_stop_that_was_asked_for_and_cut_nothing_off_is_no_stop() -> None:
    assert run_status(ended(stopped_by=SimpleNamespace()), 3, True) == ("completed", "")


def test_a_limited_run_says_both() -> None:
    run = ended(limit_train_batches=2, stopped_by=SimpleNamespace())
    assert run_status(run, 1, True) == (
        "limited",
        "limit_train_batches=2; SimpleNamespace set trainer.should_stop",
    )


def test_a_run_without_a_step_has_failed() -> None:
    assert run_status(ended(limit_train_batches=0), 0, False) == (
        "failed",
        "no optimiser step was taken; limit_train_batches=0",
    )
    assert run_status(ended(max_epochs=0), 0, False) == (
        "failed",
        "no optimiser step was taken; max_epochs=0",
    )


def test_a_gate_or_a_sweep_says_why_it_ended_a_run() -> None:
    assert run_status(ended(), 3, True, "pruned by median") == ("stopped", "pruned by median")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, []),
        ({"limit_val_batches": 1.0, "limit_train_batches": 1.0}, []),
        ({"limit_val_batches": 1}, ["limit_val_batches=1"]),
        ({"limit_val_batches": 0.5}, ["limit_val_batches=0.5"]),
        ({"limit_train_batches": 1}, ["limit_train_batches=1"]),
        ({"fast_dev_run": 2}, ["fast_dev_run=2"]),
        ({"limit_train_batches": 0.5, "max_steps": 7}, ["limit_train_batches=0.5", "max_steps=7"]),
        ({"overfit_batches": 2}, ["overfit_batches=2"]),
    ],
)
def test_one_block_is_a_limit_and_all_of_them_is_none(options: dict[str, Any], said: list[str]) -> None:
    trainer = pl.Trainer(**options, logger=False, enable_checkpointing=False, accelerator="cpu")
    assert [line for line in limits(trainer) if line in said] == said
    assert bool(limits(trainer)) == bool(said)
