"""A run's folder says whether the run is finished, goes on, or begins again."""

from pathlib import Path
from typing import Any

import pytest

from atft.callbacks.record.receipt import Receipt, write_receipt
from atft.commands.after_fit import AFTER_TRAINING
from atft.crossval.run_state import read_state
from crossval_files import write_predictions

WELL = ("completed", "stopped", "limited")


def version(folder: Path, number: int, status: str, last: bool = True, **receipt: Any) -> Path:
    """A version as fit leaves it: with its predictions, where it ended well."""
    directory = folder / f"version_{number}"
    missing = [] if status in WELL else list(AFTER_TRAINING)
    write_receipt(Receipt(**{"status": status, "missing": missing, **receipt}), directory)
    if last:
        (directory / "last.ckpt").write_text("weights")
    if status in WELL:
        write_predictions(directory / "predictions.parquet", 0, days=2)
    return directory


def test_an_empty_folder_has_not_begun(tmp_path: Path) -> None:
    state = read_state(tmp_path)
    assert not state.finished and not state.failed and state.checkpoint is None


@pytest.mark.parametrize("status", WELL)
def test_a_run_that_ended_well_with_all_its_files_is_finished(status: str, tmp_path: Path) -> None:
    first = version(tmp_path, 0, status)
    state = read_state(tmp_path)
    assert state.directory == first and state.finished and not state.failed


def test_a_killed_run_goes_on_from_its_last_checkpoint(tmp_path: Path) -> None:
    first = version(tmp_path, 0, "running")
    (tmp_path / "version_old").mkdir()
    state = read_state(tmp_path)
    assert state.checkpoint == first / "last.ckpt" and not state.finished and not state.failed


def test_a_run_that_failed_by_its_last_figure_is_not_finished_whatever_it_has_written(tmp_path: Path) -> None:
    directory = version(tmp_path, 0, "failed", missing=[], reason="test/rank_ic is not a number")
    write_predictions(directory / "predictions.parquet", 0, days=2)
    state = read_state(tmp_path)
    assert state.failed and not state.finished and state.checkpoint is None


def test_a_run_stopped_by_a_signal_goes_on_too(tmp_path: Path) -> None:
    first = version(tmp_path, 0, "stopped", missing=list(AFTER_TRAINING))
    state = read_state(tmp_path)
    assert not state.finished and state.checkpoint == first / "last.ckpt"


def test_a_run_killed_again_before_its_first_epoch_goes_on_from_where_it_had_gone_on(tmp_path: Path) -> None:
    first = version(tmp_path, 0, "running")
    version(tmp_path, 1, "running", last=False, resumed_from=str(first / "last.ckpt"))
    assert read_state(tmp_path).checkpoint == first / "last.ckpt"


def test_a_failed_run_begins_again_whatever_was_before_it(tmp_path: Path) -> None:
    version(tmp_path, 0, "running")
    version(tmp_path, 1, "failed", reason="VarianceCollapse")
    state = read_state(tmp_path)
    assert state.failed and state.checkpoint is None
    assert state.receipt is not None and state.receipt.reason == "VarianceCollapse"


def test_what_was_begun_again_after_a_failure_does_not_go_on_from_before_it(tmp_path: Path) -> None:
    version(tmp_path, 0, "failed")
    version(tmp_path, 1, "running", last=False)
    assert read_state(tmp_path).checkpoint is None


def test_versions_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    version(tmp_path, 9, "running")
    version(tmp_path, 10, "failed")
    assert read_state(tmp_path).failed


def test_a_version_without_a_receipt_counts_as_not_started(tmp_path: Path) -> None:
    first = version(tmp_path, 0, "running")
    (tmp_path / "version_1").mkdir()
    assert read_state(tmp_path).checkpoint == first / "last.ckpt"


def test_a_finished_run_whose_predictions_are_damaged_begins_again(tmp_path: Path) -> None:
    path = version(tmp_path, 0, "completed") / "predictions.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    state = read_state(tmp_path)
    assert not state.finished and state.checkpoint is None
