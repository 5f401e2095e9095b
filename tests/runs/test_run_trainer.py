"""The trainer knows who asked it to stop, and does not stop inside an optimiser step; its default precision."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, Timer
from lightning.pytorch.loops.utilities import _parse_loop_limits

from atft.batch import DayBatch
from atft.callbacks.record.run_checkpoint import RunCheckpoint
from atft.callbacks.record.run_end import run_status
from atft.errors import InputError
from atft.runs.run_trainer import RunTrainer, default_precision
from tests.support.small_task import IN_MEMORY, fit, small_task


class StopsAt(pl.Callback):
    """Asks for a stop after a block, and takes no notice of what it reads."""

    def __init__(self, block: int) -> None:
        self.block, self.seen = block, 0

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self.seen += 1
        trainer.should_stop = trainer.should_stop or self.seen == self.block


@IN_MEMORY
@pytest.mark.parametrize(("block", "blocks"), [(1, 2), (2, 2), (3, 4)])
def test_a_stop_inside_a_step_waits_for_its_last_block(
    block: int, blocks: int, make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    pairs = [make_batch(seed=s)._replace(closes_step=s % 2 == 1) for s in range(6)]
    asks = StopsAt(block)
    run = fit(small_task(), pairs, tmp_path, asks, kind=RunTrainer)
    assert (asks.seen, run.global_step) == (blocks, blocks // 2)
    assert run.stopped_by is asks
    assert "train/loss" in run.callback_metrics
    assert run_status(run, 1, True) == ("stopped", "StopsAt set trainer.should_stop")


@IN_MEMORY
@pytest.mark.parametrize(("most", "blocks"), [(1, 2), (4, 8), (3, 6)])
def test_a_run_of_so_many_steps_validates_where_it_ends_within_an_epoch_and_nobody_asked_for_it(
    most: int, blocks: int, make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    """Early stopping, which finds its metric, writes back what it reads."""
    pairs = [make_batch(seed=s)._replace(closes_step=s % 2 == 1) for s in range(6)]
    counts, watches = StopsAt(0), EarlyStopping("val/rank_ic", mode="max")
    run = fit(
        small_task(),
        pairs,
        tmp_path,
        counts,
        watches,
        kind=RunTrainer,
        val_blocks=pairs[:1],
        max_epochs=3,
        max_steps=most,
        num_sanity_val_steps=0,
    )
    assert (counts.seen, run.global_step, run.stopped_by) == (blocks, most, None)
    assert "val/rank_ic" in run.callback_metrics
    assert run_status(run, 1, True) == ("limited", f"max_steps={most}")


@pytest.mark.filterwarnings("ignore:`max_epochs` was not set")
@pytest.mark.parametrize(
    ("options", "epochs"),
    [
        ({}, 1000),
        ({"max_epochs": 3, "max_time": "00:01:00:00"}, 3),
        ({"max_epochs": 0}, 0),
        ({"max_steps": 7}, -1),
        ({"max_time": "00:01:00:00"}, -1),
        ({"callbacks": [Timer("00:01:00:00")]}, -1),
        ({"max_epochs": -1}, -1),
        ({"fast_dev_run": True}, 1),
    ],
)
def test_the_number_of_epochs_is_known_before_the_run_as_lightning_sets_it_in_the_run(
    options: dict[str, Any], epochs: int
) -> None:
    trainer = RunTrainer(accelerator="cpu", logger=False, enable_checkpointing=False, **options)
    given, limits = pl.Trainer.max_epochs.fget(trainer), (trainer.min_steps, trainer.max_steps)  # type: ignore[attr-defined]
    assert trainer.max_epochs == epochs == _parse_loop_limits(*limits, None, given, trainer)[1]


@pytest.mark.parametrize(
    ("accelerator", "gpu", "multiplies", "expected"),
    [
        ("auto", True, True, "bf16-mixed"),
        ("gpu", True, True, "bf16-mixed"),
        ("gpu", True, False, "32-true"),
        ("cpu", True, True, "32-true"),
        ("auto", False, False, "32-true"),
    ],
)
def test_the_default_precision_follows_the_device(
    accelerator: str, gpu: bool, multiplies: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: multiplies)
    assert default_precision(accelerator) == expected


@pytest.mark.parametrize("precision", ["16-true", "bf16-true", "transformer-engine"])
def test_a_precision_that_rounds_the_weights_is_one_line(precision: str) -> None:
    with pytest.raises(InputError, match=f"trainer.precision {precision} rounds the weights") as caught:
        RunTrainer(precision=precision, accelerator="cpu", logger=False)
    assert len(str(caught.value)) < 200


def test_a_profile_is_a_file_of_the_run_that_was_profiled(tmp_path: Path) -> None:
    trainer = RunTrainer(profiler="simple", accelerator="cpu", logger=False)
    for name in ("taken", "free"):
        trainer.write_to(tmp_path / name, logs=False)
    trainer.profiler.setup(stage="fit")
    with trainer.profiler.profile("a block"):
        pass
    trainer.profiler.describe()
    assert "a block" in (tmp_path / "free" / "fit-profile.txt").read_text()
    assert not (tmp_path / "taken").exists()


def test_a_second_checkpoint_of_a_run_is_one_line_that_names_its_key() -> None:
    two = [RunCheckpoint(monitor=name) for name in ("val/ic", "val/rank_ic")]
    with pytest.raises(InputError, match=r"^trainer\.callbacks: a run has a RunCheckpoint already"):
        RunTrainer(callbacks=two, logger=False, accelerator="cpu")
