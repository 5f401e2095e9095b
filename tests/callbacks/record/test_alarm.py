"""An alarm is printed, logged and kept in the receipt."""

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import lightning.pytorch as pl
import pytest

from atft.callbacks.record.alarm import sound_alarm
from atft.callbacks.record.run_record import RunRecord


def trainer(*callbacks: Any, first: bool = True) -> Any:
    return Mock(spec=pl.Trainer, callbacks=list(callbacks), is_global_zero=first)


def test_an_alarm_reaches_terminal_log_and_receipt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = RunRecord("name: a\n", tmp_path)
    sound_alarm(trainer(record), "the scores [days] have collapsed")
    assert capsys.readouterr().err == "warning: the scores [days] have collapsed\n"
    assert record.receipt.alarms == ["the scores [days] have collapsed"]
    assert (tmp_path / "run.log").read_text() == "warning: the scores [days] have collapsed\n"


def test_a_run_without_a_record_still_prints(capsys: pytest.CaptureFixture[str]) -> None:
    sound_alarm(trainer(), "something")
    assert capsys.readouterr().err == "warning: something\n"


def test_one_rank_speaks_for_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = RunRecord("name: a\n", tmp_path)
    sound_alarm(trainer(record, first=False), "something")
    assert capsys.readouterr().err == "" and record.receipt.alarms == []
