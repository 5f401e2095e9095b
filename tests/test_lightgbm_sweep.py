"""The sweep of LightGBM's settings: the scores are those of the baseline, nothing is made twice."""

import csv
import json
import re
import shlex
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from atft.errors import InputError
from atft.tasks import baseline_scores
from benchmarks import lightgbm_sweep
from benchmarks.ladder_rungs import file_parts
from benchmarks.lightgbm_sweep import GRID, main, read_grid, read_options

pytest.importorskip("lightgbm", reason="lightgbm is not installed")
FOLDS = '{every: 10, val_days: 10, period: ["2015-03-20", "2015-04-24"]}'


@pytest.fixture
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atft.baselines.lightgbm.MAX_TREES", 3)
    monkeypatch.setattr("benchmarks.ladder_scores.MIN_STOCKS", 5)


@pytest.mark.slow
def test_settings_are_fitted_once_a_fold_and_compared_with_the_default(
    tiny_run: Any, tmp_path: Path, few_trees: None, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    grid = tmp_path / "grid.yaml"
    grid.write_text("default: {}\ntwo leaves: {num_leaves: 2}\nother: {lambda_l2: 3}\n")
    read = []
    of_days = baseline_scores.stock_days
    monkeypatch.setattr(baseline_scores, "stock_days", lambda *words: read.append(1) or of_days(*words))
    words = ["--config", str(tiny_run.config), "--grid", str(grid), "--out", str(tmp_path / "out")]
    words += ["--only", "two leaves", "--mean", "1", "5", "--threads", "1", "--folds", "0", "1"]
    words += ["--data.split.folds", FOLDS]
    assert main(words) == 0
    assert len(read) == 4  # training and validation days of two folds
    parts = file_parts(tmp_path / "out" / "two_leaves")
    assert [(part.fold, part.seed) for part in parts] == [(0, 3), (1, 3)]
    rows = pl.read_parquet(parts[1].path)
    assert set(rows["split"].unique()) == {"val", "test"} and rows["fold"].unique().to_list() == [1]
    with (tmp_path / "out" / "sweep.csv").open() as file:
        figures = list(csv.DictReader(file))
    assert {row["rung"] for row in figures} == {"default", "two leaves"}
    assert {row["lag"] for row in figures} == {"0"}  # the panel knows no return of a close later
    assert json.loads(parts[0].path.with_suffix(".json").read_text())["settings"]["num_leaves"] == 2
    printed = capsys.readouterr().out
    assert main(words) == 0 and len(read) == 4
    assert capsys.readouterr().out.split("RankIC on")[1] == printed.split("RankIC on")[1]
    grid.write_text("two leaves: {num_leaves: 3}\n")
    assert main(words) == 2 and "made with other settings; rename 'two leaves'" in capsys.readouterr().err
    assert main([*words, "--folds", "7"]) == 2
    assert "no fold 7, there are 3" in capsys.readouterr().err


def test_the_commands_of_its_head_name_settings_of_the_grid_that_comes_with_it() -> None:
    commands = [line for line in str(lightgbm_sweep.__doc__).splitlines() if "--only" in line]
    for command in commands:
        named = read_options(shlex.split(command)[3:]).only
        assert list(read_grid(GRID, named)) == ["default", *named]
    assert commands
    (folder,) = re.findall(r"benchmark_lightgbm/(\w+)", str(lightgbm_sweep.__doc__))
    assert folder.replace("_", " ") in read_grid(GRID)


def test_the_grid_that_comes_with_it_can_be_read_and_a_wrong_one_is_one_line(tmp_path: Path) -> None:
    assert next(iter(read_grid(GRID))) == "default" and list(read_grid(GRID, ["huber"])) == [
        "default",
        "huber",
    ]
    path = tmp_path / "grid.yaml"
    path.write_text("a: {num_leafs: 3}")
    with pytest.raises(InputError, match="'a' has no setting 'num_leafs'; did you mean 'num_leaves'"):
        read_grid(path)
    with pytest.raises(InputError, match="no setting is called 'hubre'; did you mean 'huber'"):
        read_grid(GRID, ["hubre"])
