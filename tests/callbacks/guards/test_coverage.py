"""An epoch that shows less than its plan warns or fails, unless a part was asked for."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from atft.batch import DayBatch
from atft.callbacks.guards.coverage import CoverageGuard, share
from atft.callbacks.record.receipt import Coverage, read_receipt
from atft.callbacks.record.run_record import RunRecord
from atft.data.loader import BlockLoader
from atft.errors import InputError, LowCoverage


def losing(monkeypatch: pytest.MonkeyPatch, blocks: int) -> None:
    """Every pass over the training days silently ends so many blocks too early."""
    former = BlockLoader.__iter__

    def short(self: BlockLoader) -> Iterator[DayBatch]:
        last = len(self.plan) - (blocks if self.plan.shuffle else 0)
        for place, batch in enumerate(former(self)):
            if place < last:
                yield batch

    monkeypatch.setattr(BlockLoader, "__iter__", short)


def test_an_epoch_that_loses_most_of_its_data_silently_fails_the_run(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losing(monkeypatch, 5)
    outcome = atft("fit", "--config", tiny_run.config, "--trainer.default_root_dir", tmp_path)
    last = outcome.err.strip().splitlines()[-1]
    assert outcome.code == 1 and last.startswith("atft: error: epoch 1 saw ")
    receipt = read_receipt(tmp_path / "tiny" / "version_0")
    days = receipt.days["train"]
    assert f"{days.seen} of {days.planned} training days" in last and "coverage_guard.floor 0.99" in last
    assert receipt.status == "failed" and receipt.reason.startswith("LowCoverage: epoch 1 saw")
    assert days.seen < days.planned and len(receipt.alarms) == 1


def test_a_lower_floor_only_warns_every_epoch(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losing(monkeypatch, 1)
    options = ["--trainer.default_root_dir", tmp_path, "--coverage_guard.floor", "0.5"]
    assert atft("fit", "--config", tiny_run.config, *options).code == 0
    receipt = read_receipt(tmp_path / "tiny" / "version_0")
    assert receipt.status == "completed" and [a[:11] for a in receipt.alarms] == [
        "epoch 1 saw",
        "epoch 2 saw",
    ]


def test_a_part_that_was_asked_for_is_limited_and_no_fault(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    part = ["--trainer.default_root_dir", tmp_path, "--trainer.limit_train_batches", "3"]
    assert atft("fit", "--config", tiny_run.config, *part).code == 0
    receipt = read_receipt(tmp_path / "tiny" / "version_0")
    assert receipt.status == "limited" and receipt.alarms == []
    assert receipt.days["train"].seen < receipt.days["train"].planned


def test_the_share_of_the_plan_is_drawn_for_every_epoch_and_is_one(tiny_run: Any) -> None:
    events = EventAccumulator(str(tiny_run.directory)).Reload()
    for name in ("health/coverage_days", "health/coverage_rows"):
        assert [e.value for e in events.Scalars(name)] == [1.0, 1.0]
    assert read_receipt(tiny_run.directory).alarms == []


def ended_epoch(tmp_path: Path, train: int = 100, val: int = 100, **changes: Any) -> Any:
    """A trainer after an epoch that was to show 100 rows of each split."""
    record = RunRecord("", tmp_path)
    for split, seen in (("train", train), ("val", val)):
        record.receipt.days[split] = Coverage(10, 10 if seen else 0)
        record.receipt.rows[split] = Coverage(100, seen)
    whole = {
        "callbacks": [record],
        "loggers": [],
        "is_global_zero": True,
        "is_last_batch": True,
        "global_step": 1,
        "current_epoch": 0,
        "limit_train_batches": 1.0,
        "limit_val_batches": 1.0,
        "fast_dev_run": False,
        "overfit_batches": 0.0,
        "max_steps": -1,
    }
    return SimpleNamespace(**{**whole, **changes})


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, ""),
        ({"train": 99}, "warns"),  # the floor itself
        ({"train": 98}, "98 of 100 rows .98.0 %."),
        ({"val": 98}, "10 of 10 validation days and 98 of 100 rows"),
        ({"val": 0}, ""),  # no validation has run yet
        ({"train": 0, "val": 0}, "0 of 10 training days"),
        ({"train": 98, "is_last_batch": False}, ""),  # cut short by a time limit
        ({"train": 98, "limit_train_batches": 3}, ""),
    ],
)
def test_an_epoch_below_the_floor_fails_where_nothing_cut_it_short(
    changes: dict[str, Any], fault: str, tmp_path: Path
) -> None:
    trainer, guard = ended_epoch(tmp_path, **changes), CoverageGuard()
    with pytest.raises(LowCoverage, match=fault) if fault not in ("", "warns") else nullcontext():
        guard.on_train_epoch_end(trainer, Mock())
    assert len(trainer.callbacks[0].receipt.alarms) == bool(fault)


def test_nothing_planned_is_wholly_seen() -> None:
    assert share(Coverage()) == 1 and share(Coverage(planned=4, seen=1)) == 0.25


def test_a_floor_outside_of_its_range_is_an_error() -> None:
    with pytest.raises(InputError, match=r"coverage_guard.floor must be in \[0, 1\], got 2"):
        CoverageGuard(floor=2.0)
    assert CoverageGuard(floor=1.0).floor == 1
