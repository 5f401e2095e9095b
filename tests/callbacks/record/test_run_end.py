"""How a run ended: limited, stopped with the reason, failed without a step, completed."""

from types import SimpleNamespace
from typing import Any

import lightning.pytorch as pl
import pytest
from lightning.pytorch.callbacks import Timer

from atft.callbacks.record.run_end import limits, run_status


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


def test_a_gate_or_a_sweep_says_why_it_ended_a_run() -> None:
    assert run_status(ended(), 3, True, "pruned by median") == ("stopped", "pruned by median")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, []),
        ({"limit_val_batches": 1.0, "limit_train_batches": 1.0}, []),
        ({"limit_val_batches": 1}, ["limit_val_batches=1"]),
        ({"limit_train_batches": 0.5, "max_steps": 7}, ["limit_train_batches=0.5", "max_steps=7"]),
        ({"overfit_batches": 2}, ["overfit_batches=2"]),
    ],
)
def test_one_block_is_a_limit_and_all_of_them_is_none(options: dict[str, Any], said: list[str]) -> None:
    trainer = pl.Trainer(**options, logger=False, enable_checkpointing=False, accelerator="cpu")
    assert [line for line in limits(trainer) if line in said] == said
    assert bool(limits(trainer)) == bool(said)
