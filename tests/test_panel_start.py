"""No score of a day changes by a bit, wherever the panel begins, as long as it holds the history of the day."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from atft.data.build import CacheOptions, build_cache
from atft.data.cache import DayCache
from atft.data.graph import GraphOptions
from atft.panel import PanelSchema

GRAPH = GraphOptions(k=3, window=20, min_observations=10, refresh_days=5, sector_k=2)
KEY = ["date", "code", "horizon", "score"]


def cut_panel(panel: Path, folder: Path, days: int) -> Path:
    """The panel without its first ``days``, and without a stock that only they had in the universe."""
    frame = pl.read_parquet(panel)
    first = sorted(frame["date"].unique())[days]
    path = folder / f"cut_{days}.parquet"
    frame.filter(pl.col("date") >= first).write_parquet(path)
    return path


@pytest.mark.parametrize("cut", [2, 5, 13])
def test_a_cache_of_a_panel_that_begins_later_holds_the_same_days(
    make_panel: Callable[..., Path], tmp_path: Path, cut: int
) -> None:
    panel = make_panel(features=4)
    frame = pl.read_parquet(panel)
    early = (pl.col("code") != "S003") | (pl.col("date") < pl.col("date").min().dt.offset_by("5d"))
    frame.with_columns(universe=pl.col("universe") & early).write_parquet(panel)
    options = CacheOptions(dir=str(tmp_path / "cache"), rank=["x_0"], zscore=["x_1", "x_2"])
    whole, later = (
        DayCache(build_cache(p, PanelSchema(), [1, 5], options, GRAPH))
        for p in (panel, cut_panel(panel, tmp_path, cut))
    )
    every, place = np.arange(later.stocks), np.array([whole.codes.index(c) for c in later.codes])
    code_of = [np.array([*cache.codes, ""]) for cache in (later, whole)]
    compared = 0
    for day in range(len(later)):
        ours, theirs = later.day(day), whole.day(day + cut)
        for name in ("features", "universe", "target", "exposure", "return_1d"):
            a, b = ours.of_stocks(name, every), theirs.of_stocks(name, place)
            np.testing.assert_array_equal(a, b, err_msg=name)
        refresh = np.searchsorted(later.refreshes, day, side="right") - 1
        if later.graph_days[refresh] == GRAPH.window:
            (near, weight), (near_whole, weight_whole) = (
                later.graph(day, every),
                whole.graph(day + cut, place),
            )
            np.testing.assert_array_equal(code_of[0][near], code_of[1][near_whole])
            np.testing.assert_array_equal(weight, weight_whole)
            compared += 1
    assert compared >= len(later) - GRAPH.window - 2 * GRAPH.refresh_days


@pytest.mark.parametrize("cut", [2, 5, 23])
def test_predicting_from_a_recent_slice_gives_the_scores_of_the_whole_panel(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path, cut: int
) -> None:
    whole = pl.read_parquet(tiny_run.directory / "predictions.parquet").select(KEY)
    panel = cut_panel(tiny_run.panel, tmp_path, cut)
    best = ["--ckpt_path", tiny_run.directory / "best_model.ckpt", "--out", tmp_path / "slice.parquet"]
    outcome = atft("predict", *best, "--data.panel.path", panel, "--data.cache.dir", tmp_path / "cache")
    assert outcome.code == 0, outcome
    found = pl.read_parquet(tmp_path / "slice.parquet").select(KEY)
    same = sorted(found["date"].unique())
    if cut == 23:  # the first week's graph has fewer days than its window
        same = [d for d in same if d >= sorted(pl.read_parquet(panel)["date"].unique())[24]]
    assert len(same) >= 30
    assert found.filter(pl.col("date").is_in(same)).equals(whole.filter(pl.col("date").is_in(same)))


def test_the_first_day_asked_for_changes_no_score(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    whole = pl.read_parquet(tiny_run.directory / "predictions.parquet").select(KEY)
    asked = ["--data.predict", "[2015-04-01, 2015-04-10]", "--out", tmp_path / "some.parquet"]
    assert atft("predict", *tiny_run.best, *asked).code == 0
    found = pl.read_parquet(tmp_path / "some.parquet").select(KEY)
    assert found.equals(whole.filter(pl.col("date").is_in(found["date"].unique()))) and len(found) > 200


def test_training_on_a_panel_that_begins_later_gives_the_same_weights(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    scores = []
    for cut in (0, 3):
        panel, folder = cut_panel(tiny_run.panel, tmp_path, cut), tmp_path / str(cut)
        where = ["--data.panel.path", panel, "--data.cache.dir", folder, "--trainer.default_root_dir", folder]
        # From the first day with whole history on; a step of 12 rows draws parts of a day.
        asked = ["--data.split.train", "[2015-02-09, 2015-02-27]", "--data.loader.batch_size", "12"]
        outcome = atft("fit", "--config", tiny_run.config, *where, *asked, "--trainer.max_epochs", "1")
        assert outcome.code == 0, outcome
        scores.append(pl.read_parquet(folder / "tiny" / "version_0" / "predictions.parquet"))
    assert scores[0].equals(scores[1])
