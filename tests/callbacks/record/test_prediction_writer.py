"""The predictions file: the design's columns, every day's universe, unknown targets as nulls."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
import torch

from atft.batch import DayBatch, Forecast
from atft.callbacks.record.prediction_writer import PredictionWriter
from atft.errors import InputError
from atft.evaluation.predictions import check_predictions, prediction_horizons, read_horizon
from atft.losses.options import ObjectiveOptions
from small_task import small_task

KEY = ["date", "horizon", "code"]


@pytest.fixture(scope="module")
def frame(tiny_run: Any) -> pl.DataFrame:
    return pl.read_parquet(tiny_run.directory / "predictions.parquet")


def test_the_schema_is_the_one_that_reports_read(tiny_run: Any) -> None:
    path = tiny_run.directory / "predictions.parquet"
    types = check_predictions(path)
    wanted = ["date", "code", "horizon", "score", "target", "split", "fold", "seed", "causal", "sector"]
    wanted += ["return_1d", "momentum_20d", "traded_value", "exposure_size", "regime_volatility"]
    assert list(types) == wanted
    assert prediction_horizons(path) == (1, 5)
    metadata = {k.decode(): v.decode() for k, v in pq.read_schema(path).metadata.items()}
    assert metadata["atft.data"] == tiny_run.cache.name
    assert metadata["atft.run"] == "tiny" and len(metadata["atft.config"]) == 16


def test_rows_are_the_universe_of_every_day_from_validation_on_in_order(
    tiny_run: Any, frame: pl.DataFrame
) -> None:
    from datetime import date

    panel = pl.read_parquet(tiny_run.panel).filter(pl.col("universe") & (pl.col("date") >= date(2015, 3, 2)))
    for horizon in (1, 5):
        rows = frame.filter(pl.col("horizon") == horizon).select("date", "code")
        assert rows.equals(panel.select("date", "code"))
    assert frame.equals(frame.sort(KEY))


def test_what_stands_beside_a_score_is_the_panels(tiny_run: Any, frame: pl.DataFrame) -> None:
    panel = pl.read_parquet(tiny_run.panel)
    for horizon in (1, 5):
        rows = frame.filter(pl.col("horizon") == horizon)
        joined = rows.join(panel, on=["date", "code"], how="left", suffix="_panel", maintain_order="left")
        assert joined["target"].equals(joined[f"target_{horizon}d"], null_equal=True)
        for name in (
            "sector",
            "return_1d",
            "momentum_20d",
            "traded_value",
            "exposure_size",
            "regime_volatility",
        ):
            assert joined[name].equals(joined[f"{name}_panel"], null_equal=True), name


def test_unknown_targets_are_null_and_their_scores_are_there(frame: pl.DataFrame) -> None:
    last = frame.filter(pl.col("date") == pl.col("date").max())
    assert last["target"].null_count() == len(last) and last["score"].is_finite().all()
    assert frame["score"].null_count() == 0


def test_a_day_is_in_the_split_that_used_it_and_purged_days_are_in_none(frame: pl.DataFrame) -> None:
    days = frame.group_by("split").agg(pl.col("date").n_unique()).sort("split")
    # Validation dates are 18 days; the longest horizon (5) and the embargo (2) take the last 7 of them.
    assert dict(days.iter_rows()) == {"gap": 7, "test": 22, "val": 11}


def test_predicting_again_from_the_checkpoint_alone_gives_the_same_scores(
    tiny_run: Any, frame: pl.DataFrame, atft: Callable[..., Any], tmp_path: Path
) -> None:
    moved = tmp_path / "moved.ckpt"
    moved.write_bytes((tiny_run.directory / "best_model.ckpt").read_bytes())
    outcome = atft("predict", "--ckpt_path", moved, "--data.cache.dir", tiny_run.folder / "cache")
    assert outcome.code == 0 and "predictions in" in outcome.out
    own = "predictions_moved_2015-03-02_2015-04-24.parquet"
    assert pl.read_parquet(tmp_path / own).equals(frame)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["moved.ckpt", own]


def test_the_panels_columns_may_come_in_another_order_and_more_of_them(
    tiny_run: Any, frame: pl.DataFrame, atft: Callable[..., Any], tmp_path: Path
) -> None:
    panel = pl.read_parquet(tiny_run.panel).with_columns(x_new=pl.col("x_0") * 2 + pl.col("x_1"))
    panel.select(sorted(panel.columns, reverse=True)).write_parquet(tmp_path / "panel.parquet")
    where = ["--data.panel.path", tmp_path / "panel.parquet", "--data.cache.dir", tmp_path / "cache"]
    best = ["--ckpt_path", tiny_run.directory / "best_model.ckpt", "--out", tmp_path / "out.parquet"]
    outcome = atft("predict", *best, *where)
    assert outcome.code == 0, outcome
    assert (
        pl.read_parquet(tmp_path / "out.parquet")
        .select([*KEY, "score"])
        .equals(frame.select([*KEY, "score"]))
    )


def test_quantiles_have_columns_that_do_not_cross(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    asked = ["--model.network.quantiles", "[0.05, 0.5, 0.95]", "--model.objective.terms.pinball", "0.1"]
    asked += ["--trainer.max_epochs", "1"]
    assert atft("fit", "--config", tiny_run.config, *asked, "--trainer.default_root_dir", tmp_path).code == 0
    table = pl.read_parquet(tmp_path / "tiny" / "version_0" / "predictions.parquet")
    assert table.select((pl.col("q05") <= pl.col("q50")) & (pl.col("q50") <= pl.col("q95"))).to_series().all()


def test_no_flipped_byte_of_a_run_s_predictions_is_read(tiny_run: Any, tmp_path: Path) -> None:
    whole = (tiny_run.directory / "predictions.parquet").read_bytes()
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    rng = np.random.default_rng(0)
    path = tmp_path / "predictions.parquet"
    for at in (*rng.integers(4, footer - 12, 150).tolist(), *rng.integers(footer, len(whole), 50).tolist()):
        broken = bytearray(whole)
        broken[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(broken)
        with pytest.raises(InputError, match=r"predictions\.parquet: .*write it again"):
            read_horizon(path, 1)


def test_quantiles_have_intervals_beside_them_and_what_these_are_compared_with(
    make_batch: Callable[..., DayBatch],
) -> None:
    writer = PredictionWriter.__new__(PredictionWriter)
    writer.levels = [0.1, 0.5, 0.9]
    batch, quantiles = make_batch(days=1), torch.arange(3.0).expand(1, 17, 2, 3)
    forecast = Forecast(torch.zeros(1, 17, 2), quantiles)
    task = small_task(objective=ObjectiveOptions(terms={"ic": 1.0}, target="raw"))
    columns = writer._quantiles(forecast, batch, task)
    assert list(columns) == ["q10", "q50", "q90", "interval_target"]
    valid = batch.valid[..., :].numpy()
    np.testing.assert_array_equal(columns["interval_target"][valid], batch.target.numpy()[valid])
    assert np.isnan(columns["interval_target"][~valid]).all()
    task.interval_widths = {1: [0.5], 5: [math.inf]}
    columns = writer._quantiles(forecast, batch, task)
    assert list(columns)[3:5] == ["interval_low80", "interval_high80"]
    assert (columns["interval_low80"][..., 0] == -0.5).all() and (
        columns["interval_high80"][..., 0] == 2.5
    ).all()
    assert np.isnan(columns["interval_low80"][..., 1]).all()  # too few validation days
    assert writer._quantiles(forecast._replace(quantiles=None), batch, task) == {}
