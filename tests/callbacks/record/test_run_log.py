"""run.log keeps what the terminal showed."""

from pathlib import Path
from typing import Any

from atft.callbacks.record.run_log import append_log


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
