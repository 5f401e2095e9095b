"""What a run has left is read back, whoever trained it; what is no run is an error of one line."""

import json
import shutil
from pathlib import Path
from typing import Any

import polars
import pytest

from atft.errors import InputError
from atft.runs.run_files import read_run


def test_a_run_of_fit_is_read_whole(tiny_run: Any) -> None:
    run = read_run(tiny_run.directory)
    assert run.receipt.status == "completed"
    assert run.config["model"]["horizons"] == [1, 5]
    assert run.metrics["epoch"].to_list() == [0, 1]
    assert run.metrics["val/rank_ic"].dtype == polars.Float64
    assert run.checkpoint == tiny_run.directory / "best_model.ckpt"
    assert run.predictions is not None
    assert run.predictions.columns[:5] == ["date", "code", "horizon", "score", "target"]


def test_a_run_of_python_has_no_predictions_of_its_own(python_run: Any) -> None:
    run = read_run(python_run.trainer.directory)
    assert run.predictions is None and run.checkpoint is not None
    assert len(run.metrics) == 2
    assert run.config["data"]["panel"]["path"].endswith(".parquet")


def test_a_run_that_has_finished_no_epoch_is_read(tiny_run: Any, tmp_path: Path) -> None:
    shutil.copyfile(tiny_run.directory / "receipt.json", tmp_path / "receipt.json")
    run = read_run(tmp_path)
    assert run.metrics.is_empty() and run.checkpoint is None


def test_a_run_in_a_folder_with_brackets_has_its_predictions(tiny_run: Any, tmp_path: Path) -> None:
    moved = tmp_path / "runs [1]" / "version_0"
    moved.mkdir(parents=True)
    for name in ("receipt.json", "predictions.parquet"):
        shutil.copyfile(tiny_run.directory / name, moved / name)
    ours, theirs = read_run(moved).predictions, read_run(tiny_run.directory).predictions
    assert ours is not None and theirs is not None and ours.equals(theirs)


def test_a_metric_that_some_epochs_lack_is_null_there(tiny_run: Any, tmp_path: Path) -> None:
    shutil.copyfile(tiny_run.directory / "receipt.json", tmp_path / "receipt.json")
    epochs = [{"epoch": 0, "a": 1}, {"epoch": 1, "a": 0.5, "val/rank_ic": None}, {"epoch": 2, "b": 2.0}]
    (tmp_path / "metrics.json").write_text(json.dumps({"epochs": epochs}))
    metrics = read_run(tmp_path).metrics
    assert metrics["a"].to_list() == [1.0, 0.5, None] and metrics["b"].to_list() == [None, None, 2.0]


def test_what_is_no_run_is_an_error_that_names_the_runs_below(tiny_run: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no receipt\.json there.*; name one of its runs: version_0"):
        read_run(tiny_run.directory.parent)
    with pytest.raises(InputError, match=rf"a file of a run; name its directory, {tiny_run.directory}$"):
        read_run(tiny_run.directory / "best_model.ckpt")
    with pytest.raises(InputError, match=r"no run's directory$"):
        read_run(tmp_path / "nothing")
    for text in ("{", "[]", '{"version": 99}', '{"version": 4}'):
        (tmp_path / "receipt.json").write_text(text)
        with pytest.raises(InputError, match=r"receipt\.json: cannot be read"):
            read_run(tmp_path)
