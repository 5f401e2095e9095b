"""A warning is printed, logged and kept in the receipt; run.log keeps what the terminal showed."""

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import lightning.pytorch as pl
import pytest

from atft.callbacks.record.messages import append_log, warn
from atft.callbacks.record.run_record import RunRecord


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
