"""A run whose output is a file prints how far its epoch is, at least every 30 s."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atft.callbacks.record.epoch_progress import EpochProgress
from atft.process.progress import LineTimer, Progress

SECONDS_A_BLOCK = 12.0


class SlowBlocks(EpochProgress):
    """Each block takes 12 s on a clock of its own, and the thread that prints is this one."""

    now = 0.0

    def __init__(self) -> None:
        super().__init__(LineTimer(lambda: self.now))

    def _next(self) -> None:
        self.now += SECONDS_A_BLOCK
        assert self._work is not None
        self._work.print_if_due()

    def on_train_batch_end(self, *arguments: Any) -> None:
        super().on_train_batch_end(*arguments)
        self._next()

    def on_validation_batch_end(self, *arguments: Any) -> None:
        super().on_validation_batch_end(*arguments)
        self._next()


@pytest.fixture
def slow_run(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[str]]:
    """Train the small network with slow blocks: what stderr got."""

    def run(*words: object) -> list[str]:
        monkeypatch.setattr("atft.process.progress.WAKE_SECONDS", 1e6)
        monkeypatch.setattr("atft.runs.run_callbacks.EpochProgress", SlowBlocks)
        outcome = atft("fit", "--config", tiny_run.config, "--trainer.default_root_dir", tmp_path, *words)
        assert outcome.code == 0, outcome
        return list(outcome.err.splitlines())

    return run


def test_lines_come_every_third_block_and_count_steps_loss_speed_and_validation(
    slow_run: Callable[..., list[str]],
) -> None:
    lines = slow_run("--trainer.max_epochs", "1")
    *within, epoch = lines
    training = [line for line in within if "validating" not in line]
    pattern = r"epoch   1/1   step (\d+) of (\d+)(   loss \d\.\d{4})?   [\d,]+ stock-days/s   0:\d\d:\d\d"
    steps = [re.fullmatch(pattern, line) for line in training]
    assert len(steps) >= 2 and all(steps), lines
    done = [int(step[1]) for step in steps if step]
    assert done == sorted(done) and {step[2] for step in steps if step} == {steps[0][2] if steps[0] else ""}
    validating = [line for line in within if "validating" in line]
    assert validating and re.match(
        r"epoch   1/1   validating: block \d of \d   loss \d\.\d{4}   0:", validating[0]
    )
    last_loss, of_epoch = (re.search(r"loss (\d\.\d{4})", line) for line in (validating[0], epoch))
    assert last_loss and of_epoch and last_loss[1] == of_epoch[1]  # all steps were closed by then
    clock = [int(m) * 60 + int(s) for m, s in re.findall(r"   0:(\d\d):(\d\d)$", "\n".join(within), re.M)]
    assert all(b - a <= 30 + SECONDS_A_BLOCK for a, b in zip([0, *clock], clock, strict=False))


def test_the_speed_is_that_of_the_blocks_that_this_process_trained() -> None:
    from atft.data.block_plan import BlockSampler

    plan = BlockSampler(list(range(20)), [50] * 20, block_days=2, batch_size=200).plan()
    progress = SlowBlocks()
    progress._blocks, progress._first, progress._done = plan, 2, 6
    work = Progress("epoch", timer=progress._timer)
    progress.now += 10
    speed = sum(block.rows for block in plan[2:6]) / 10
    assert f"   {speed:,.0f} stock-days/s   0:00:10" in progress.line(work)


def test_nothing_is_printed_after_the_last_epoch(slow_run: Callable[..., list[str]]) -> None:
    from atft.process.progress import OF_PROCESS

    lines = slow_run("--trainer.max_epochs", "1", "--trainer.limit_train_batches", "2")
    assert lines[-1].startswith("epoch   1/1   loss ") and OF_PROCESS.running == []


def test_a_trial_of_a_sweep_shows_none_and_a_bar_ends_before_the_epochs_line(tiny_run: Any) -> None:
    from atft.commands.train import build

    for quiet in (True, False):
        callbacks = build("fit", ["--config", str(tiny_run.config)], quiet=quiet).trainer.callbacks  # type: ignore[attr-defined]
        names = [type(callback).__name__ for callback in callbacks]
        assert ("EpochProgress" in names) != quiet
    assert names.index("EpochProgress") < names.index("EpochLine")
