"""predict: a file of its own, in the format of its suffix, from a checkpoint and a panel of recent days alone."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import torch

from atft.commands.after_fit import days_title
from atft.commands.start_lines import start_lines
from atft.commands.train import build
from atft.files.checkpoint_io import AtomicCheckpointIO
from tests.conftest import trading_days

LATE = date(2015, 4, 6)
"""The slice begins there: after validation, in the middle of the test days."""


def test_predicting_leaves_the_runs_own_file_as_it_was(tiny_run: Any, atft: Callable[..., Any]) -> None:
    evidence = tiny_run.directory / "predictions.parquet"
    before = evidence.read_bytes()
    best = [
        *tiny_run.best,
        "--data.predict",
        "[2015-04-01, 2015-04-02]",
    ]
    assert "evidence of the run" in atft("predict", *best, "--out", evidence).error_line
    outcome = atft("predict", *best)
    assert outcome.code == 0 and evidence.read_bytes() == before
    own = tiny_run.directory / "predictions_best_model_2015-04-01_2015-04-02.parquet"
    assert pl.read_parquet(own)["date"].unique().sort().to_list() == [date(2015, 4, 1), date(2015, 4, 2)]
    own.unlink()


def test_a_csv_holds_the_rows_of_the_parquet_file(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    best = [
        *tiny_run.best,
        "--data.predict",
        "[2015-04-20, 2015-04-24]",
    ]
    assert atft("predict", *best, "--out", tmp_path / "today.csv").code == 0
    found = pl.read_csv(tmp_path / "today.csv", try_parse_dates=True)
    whole = pl.read_parquet(tiny_run.directory / "predictions.parquet")
    wanted = whole.filter(pl.col("date") >= date(2015, 4, 20))
    assert found.columns == wanted.columns and found["code"].to_list() == wanted["code"].to_list()
    assert found["score"].cast(pl.Float32).equals(wanted["score"])
    assert found["target"].null_count() == wanted["target"].null_count() > 0


def test_a_checkpoint_and_a_panel_of_recent_days_are_enough(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    frame = pl.read_parquet(tiny_run.panel).filter(pl.col("date") >= LATE)
    blind = frame.with_columns(pl.lit(None, pl.Float32).alias(n) for n in ("target_1d", "target_5d"))
    blind.write_parquet(tmp_path / "recent.parquet")
    where = ["--data.panel.path", tmp_path / "recent.parquet", "--data.cache.dir", tmp_path / "cache"]
    best = ["--ckpt_path", tiny_run.directory / "best_model.ckpt"]
    outcome = atft("predict", *best, *where, "--out", tmp_path / "recent_scores.parquet")
    assert outcome.code == 0, outcome
    assert "no score for 5 days (2015-04-06 to 2015-04-10): a day needs 6 days of history" in outcome.out
    assert (
        "graph of fewer days than its window of 20 (6 to 11) on 10 days (2015-04-13 to 2015-04-24)"
        in outcome.out
    )
    found = pl.read_parquet(tmp_path / "recent_scores.parquet")
    whole = pl.read_parquet(tiny_run.directory / "predictions.parquet").filter(
        pl.col("date") >= date(2015, 4, 13)
    )
    key = ["date", "code", "horizon", "split"]
    assert found.select(key).equals(whole.select(key)) and set(found["split"]) == {"test"}
    assert "has no usable day" in atft("test", *best, *where).error_line  # a split is what test needs


def test_last_is_scored_as_the_file_that_it_means_is(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    grown = pl.read_parquet(tiny_run.panel).with_columns(x_later=pl.col("x_1"))
    grown.write_parquet(tmp_path / "grown.parquet")
    words = ["--config", tiny_run.config, "--data.panel.path", tmp_path / "grown.parquet"]
    scores = []
    for checkpoint in ("last", tiny_run.directory / "last.ckpt"):
        out = tmp_path / f"{len(scores)}.parquet"
        assert atft("predict", *words, "--ckpt_path", checkpoint, "--out", out).code == 0
        scores.append(pl.read_parquet(out))
    assert scores[0].equals(scores[1])


def test_validating_on_days_whose_graph_saw_less_than_its_window_says_so(
    tiny_run: Any, atft: Callable[..., Any]
) -> None:
    dates = ["--data.split.train", "[2015-01-12, 2015-01-16]", "--data.split.val", "[2015-01-26, 2015-01-30]"]
    dates += ["--data.split.test", "null", "--data.split.embargo_days", "0"]
    outcome = atft("validate", *tiny_run.best, *dates)
    assert outcome.code == 0, outcome
    said = "graph of fewer days than its window of 20 (16 to 16) on 5 days (2015-01-26 to 2015-01-30)"
    assert said in outcome.out and "val/rank_ic_5d" in outcome.out


FOLD = ["--data.split.folds", "{scheme: k_fold, n: 3, val_days: 6, period: [2015-02-23, 2015-04-24]}"]


def test_scores_of_a_fold_name_it_and_are_of_its_own_days_whatever_the_panel(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    checkpoint = torch.load(tiny_run.directory / "best_model.ckpt", weights_only=True)
    days = {"train": "2015-01-12 2015-02-05", "val": "2015-02-20 2015-02-27", "test": "2015-03-16 2015-04-03"}
    checkpoint["atft"]["fold"] = {"fold": "1", **days, "train": f"{days['train']} 2015-04-20 2015-04-24"}
    path = tmp_path / "of_fold.ckpt"
    AtomicCheckpointIO().save_checkpoint(checkpoint, path)
    where = ["--data.panel.path", tiny_run.panel, "--data.cache.dir", tiny_run.folder / "cache"]
    outcome = atft("predict", "--ckpt_path", path, *where, "--out", tmp_path / "own.parquet")
    assert outcome.code == 0, outcome
    own = pl.read_parquet(tmp_path / "own.parquet")
    names = own.select("split", "fold", "seed", "causal").unique().sort("split").rows()
    assert names == [("test", 1, 3, False), ("val", 1, 3, False)]
    assert own.filter(pl.col("split") == "test")["date"].unique().sort().to_list() == trading_days(65)[50:]
    # Of a panel that begins after the fold: the days asked for, named as the fold used them.
    pl.read_parquet(tiny_run.panel).filter(pl.col("date") >= date(2015, 4, 6)).write_parquet(
        tmp_path / "p.parquet"
    )
    where = ["--data.panel.path", tmp_path / "p.parquet", "--data.cache.dir", tmp_path / "cache"]
    recent = ["predict", "--ckpt_path", path, *where, "--out", tmp_path / "recent.parquet"]
    assert "no day that fold 1 validates or tests on has 6 days" in atft(*recent).error_line
    outcome = atft(*recent, "--data.predict", "[2015-04-16, 2015-04-24]")
    assert outcome.code == 0, outcome
    found = dict(pl.read_parquet(tmp_path / "recent.parquet").select("date", "split").unique().rows())
    assert found[date(2015, 4, 17)] == "gap" and found[date(2015, 4, 20)] == "train"
    checkpoint["atft"]["fold"] = {"fold": "1", **days, "val": "soon"}
    AtomicCheckpointIO().save_checkpoint(checkpoint, path)
    assert "atft.fold is no fold's dates" in atft(*recent).error_line


def test_a_run_says_at_its_start_and_in_its_tables_title_which_fold_it_is(
    tiny_run: Any, tmp_path: Path
) -> None:
    words = ["--config", tiny_run.config, *FOLD, "--data.split.fold", "1", "--data.split.test", "null"]
    words += ["--data.cache.dir", tiny_run.folder / "cache", "--trainer.default_root_dir", tmp_path]
    cli = build("fit", [str(word) for word in words])
    assert "fold      1 of 3 (k_fold), causal: false (trains on later days)" in start_lines(cli)
    title = "test days 2015-03-16 to 2015-04-03, fold 1 of 3 (k_fold), causal: false (trains on later days)"
    assert days_title(cli.datamodule, "test") == title
    assert not list(tmp_path.iterdir())
