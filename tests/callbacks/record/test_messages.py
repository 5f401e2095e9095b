"""Warnings and a line an epoch: printed, and kept in the run's log; nothing moves where no terminal is."""

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping
from rich.console import Console
from rich.progress import Progress

from atft.callbacks.record.messages import EpochLine, append_log, print_and_log, warn
from atft.callbacks.record.receipt import read_receipt
from atft.callbacks.record.run_checkpoint import RunCheckpoint
from atft.callbacks.record.run_record import RunRecord
from atft.nn.heads import Heads
from atft.tasks.ranking import RankingTask

NUMBER = r"[+-]\d\.\d{4}"
LINE = re.compile(
    rf"epoch   \d/2   loss \d\.\d{{4}}   val/rank_ic {NUMBER}   val/ic {NUMBER}   val/scale \d\.\d\d   "
    r"[\d,]+ stock-days/s   \d+\.\d s"
)


def trainer(*callbacks: Any, first: bool = True) -> Any:
    return Mock(spec=pl.Trainer, callbacks=list(callbacks), is_global_zero=first)


def test_a_warning_reaches_terminal_log_and_receipt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = RunRecord("name: a\n", tmp_path)
    warn(trainer(record), "the scores [days] have collapsed")
    assert capsys.readouterr().err == "warning: the scores [days] have collapsed\n"
    assert record.receipt.alarms == ["the scores [days] have collapsed"]
    assert (tmp_path / "run.log").read_text() == "warning: the scores [days] have collapsed\n"


def test_a_run_without_a_record_still_prints(capsys: pytest.CaptureFixture[str]) -> None:
    warn(trainer(), "something")
    assert capsys.readouterr().err == "warning: something\n"


def test_a_warning_has_a_line_of_its_own_above_a_progress_bar() -> None:
    terminal = io.StringIO()
    with Progress(console=Console(file=terminal, force_terminal=True)) as bar:
        bar.add_task("epoch 1/2", total=2)
        warn(trainer(), "something")
    assert "\x1b[2Kwarning: something\n" in terminal.getvalue()


def test_one_rank_speaks_for_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = RunRecord("name: a\n", tmp_path)
    warn(trainer(record, first=False), "something")
    assert capsys.readouterr().err == "" and record.receipt.alarms == []


def test_lines_are_appended_and_end_once(tmp_path: Path) -> None:
    append_log(tmp_path, "epoch 1")
    append_log(tmp_path, "table\nof two lines\n\n")
    assert (tmp_path / "run.log").read_text() == "epoch 1\ntable\nof two lines\n"


def test_a_run_without_a_directory_has_no_log(tmp_path: Path) -> None:
    append_log(tmp_path / "none", "epoch 1")
    assert not (tmp_path / "none").exists()


def test_a_run_keeps_its_epoch_lines_its_table_and_its_end(tiny_run: Any) -> None:
    log = (tiny_run.directory / "run.log").read_text()
    assert log.count("epoch   ") == 2 and "epoch   2/2   loss " in log
    assert "random 95 %" in log and log.rstrip().endswith(f"everything about the run: {tiny_run.directory}")


def test_an_epoch_prints_one_line_and_nothing_else_is_said_while_training(tiny_run: Any) -> None:
    lines = tiny_run.printed.err.splitlines()
    assert len(lines) == 2 and all(LINE.fullmatch(line) for line in lines), lines


def test_the_lines_say_what_the_metrics_file_says(tiny_run: Any) -> None:
    import json

    epochs = json.loads((tiny_run.directory / "metrics.json").read_text())["epochs"]
    for line, epoch in zip(tiny_run.printed.err.splitlines(), epochs, strict=True):
        assert f"val/rank_ic {epoch['val/rank_ic']:+.4f}" in line
        assert f"loss {epoch['train/loss']:.4f}" in line


def test_the_line_of_an_epoch_shows_each_metric_that_selects_or_stops_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    checkpoint = RunCheckpoint(monitor="val/sharpe", mode="max")
    stopping = [EarlyStopping(name, mode="max") for name in ("val/rank_ic", "val/scale", "val/absent")]
    run = trainer(checkpoint, *stopping)
    run.current_epoch, run.max_epochs = 0, 2
    run.callback_metrics = {
        "train/loss": 0.5,
        "val/rank_ic": 0.1,
        "val/scale": 0.25,
        "val/sharpe": 1.5,
        "val/hits": 1,
    }
    EpochLine().on_train_epoch_end(run, Mock())
    assert capsys.readouterr().err == (
        "epoch   1/2   loss 0.5000   val/rank_ic +0.1000   val/sharpe +1.5000   val/scale 0.25\n"
    )


def test_no_escape_code_reaches_a_file(tiny_run: Any) -> None:
    assert "\x1b" not in tiny_run.printed.err + tiny_run.printed.out


def test_an_epoch_that_is_finished_from_its_middle_counts_the_time_since_the_resume(
    tiny_run: Any, tiny_config: Callable[..., Path], atft: Callable[..., Any], tmp_path: Path
) -> None:
    saver = {"every_n_train_steps": 2, "dirpath": str(tmp_path), "filename": "middle", "save_last": False}
    config = tiny_config(
        tmp_path,
        tiny_run.panel,
        trainer__callbacks=[
            {"class_path": "lightning.pytorch.callbacks.ModelCheckpoint", "init_args": saver}
        ],
    )
    assert atft("fit", "--config", config).code == 0
    resumed = atft("fit", "--config", config, "--ckpt_path", tmp_path / "middle.ckpt")
    assert resumed.code == 0, resumed
    (line,) = [row for row in resumed.err.splitlines() if row.startswith("epoch")]
    assert float(line.split()[-2]) < 60


def test_a_run_that_is_short_of_memory_says_so_and_ends_with_the_weights_of_one_that_is_not(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = [
        "--model.network.dropout",
        "0",
        "--model.network.gat_dropout",
        "0",
        "--trainer.max_epochs",
        "1",
    ]
    plenty = ["fit", "--config", tiny_run.config, *options, "--trainer.default_root_dir"]
    assert atft(*plenty, tmp_path / "plenty").code == 0
    monkeypatch.setattr(RankingTask, "retry_device", "cpu")  # stands in for CUDA
    former = Heads.forward

    def forward(self: Heads, state: torch.Tensor) -> Any:
        if len(state) > (2 if self.training else 1):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has")
        return former(self, state)

    monkeypatch.setattr(Heads, "forward", forward)
    outcome = atft(*plenty, tmp_path / "short")
    assert outcome.code == 0, outcome.err
    runs = [tmp_path / name / "tiny" / "version_0" for name in ("plenty", "short")]
    receipts = [read_receipt(run) for run in runs]
    fields = ("split", "epoch", "from_days", "to_days")
    retries = [tuple(retry[f] for f in fields) for retry in receipts[1].retries]
    assert retries == [("train", 1, 3, 2), ("evaluation", 1, 3, 2), ("evaluation", 1, 2, 1)]
    assert receipts[0].retries == receipts[0].alarms == [] and len(receipts[1].alarms) == 3
    assert (
        receipts[1].alarms[0].startswith("memory ran out (train, epoch 1, step 1) with 3 days of 20 stocks")
    )
    assert "memory ran out" in (runs[1] / "run.log").read_text() and "warning: memory ran out" in outcome.err
    assert receipts[0].steps == receipts[1].steps and receipts[0].rows == receipts[1].rows
    weights = [torch.load(run / "last.ckpt")["state_dict"] for run in runs]
    torch.testing.assert_close(weights[1], weights[0], atol=1e-5, rtol=1e-4)


def test_a_day_that_does_not_fit_ends_the_command_with_one_line(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RankingTask, "retry_device", "cpu")

    def forward(self: Heads, state: torch.Tensor) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has")

    monkeypatch.setattr(Heads, "forward", forward)
    outcome = atft("fit", "--config", tiny_run.config, "--trainer.default_root_dir", tmp_path)
    assert outcome.code == 1 and "Traceback" not in outcome.err
    last = outcome.err.strip().splitlines()[-1]
    assert re.match(
        r"atft: error: one day of (19|20) stocks and 6 days of history does not fit in memory", last
    )
    receipt = read_receipt(tmp_path / "tiny" / "version_0")
    assert receipt.status == "failed" and receipt.reason.startswith("OutOfMemory: one day of")


SHORT_RANK = """
import os, sys
import torch
from atft.cli import main
from atft.nn.heads import Heads
from atft.tasks.ranking import RankingTask

RankingTask.retry_device = "cpu"
former = Heads.forward

def forward(self, state):
    if os.environ.get("LOCAL_RANK") == "1" and len(state) > 1:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
    return former(self, state)

Heads.forward = forward
if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_one_of_two_devices_that_is_short_of_memory_does_not_change_the_weights(
    tiny_run: Any, tmp_path: Path
) -> None:
    import subprocess
    import sys

    script = tmp_path / "short_rank.py"
    script.write_text(SHORT_RANK)
    two = ["--config", tiny_run.config, "--trainer.strategy", "ddp", "--trainer.devices", "2"]
    two += ["--model.network.dropout", "0", "--model.network.gat_dropout", "0", "--trainer.max_epochs", "1"]
    for name, start in (("plenty", ["-m", "atft"]), ("short", [script])):
        words = [sys.executable, *start, "fit", *two, "--trainer.default_root_dir", tmp_path, "--name", name]
        done = subprocess.run([str(w) for w in words], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
    assert "warning: memory ran out 2 times so far on the other devices" in done.stderr
    weights = [
        torch.load(tmp_path / n / "version_0" / "last.ckpt")["state_dict"] for n in ("plenty", "short")
    ]
    torch.testing.assert_close(weights[1], weights[0], atol=1e-5, rtol=1e-4)


def test_lines_are_printed_and_kept_where_the_run_has_a_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for directory in (tmp_path, tmp_path / "not made"):
        print_and_log(directory, "panel", "days")
    assert capsys.readouterr().out == 2 * "panel\ndays\n"
    assert (tmp_path / "run.log").read_text() == "panel\ndays\n" and len([*tmp_path.iterdir()]) == 1
