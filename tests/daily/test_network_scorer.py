"""A day's scores have the bits of predict; what the panel lacks is one line."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from atft.daily.network_scorer import load_network, score_day
from atft.errors import InputError
from atft.files.checkpoint_file import read_checkpoint, write_checkpoint
from networks import small_atft


def test_scores_have_the_bits_of_the_runs_own_predictions(daily: Any, tiny_run: Any) -> None:
    whole = pl.read_parquet(tiny_run.directory / "predictions.parquet")
    dates = daily.cache.manifest.dates
    for day in (len(dates) - 1, len(dates) - 9):
        scores = daily.scorer.score(daily.cache, day, daily.source.lookback)
        rows = whole.filter(pl.col("date") == dates[day])
        for place, horizon in enumerate(daily.scorer.horizons):
            own = rows.filter(pl.col("horizon") == horizon)
            assert own["code"].to_list() == scores.codes and own["sector"].to_list() == scores.sectors
            assert own["score"].to_numpy().tobytes() == scores.score[:, place].tobytes()
    assert scores.quantiles is None


def test_features_in_another_order_score_the_same(daily: Any) -> None:
    day, lookback = len(daily.cache) - 1, daily.source.lookback
    network, inputs, widths = daily.scorer.score.args
    turned = inputs._replace(features=inputs.features[::-1])
    other = score_day(network, turned, widths, daily.cache, day, lookback)
    assert not np.array_equal(other.score, daily.scorer.score(daily.cache, day, lookback).score)
    lacks = inputs._replace(features=("x_0", "x_new", "x_newer"))
    with pytest.raises(
        InputError, match="lacks 2 of the 3 features that the checkpoint reads: x_new, x_newer;"
    ):
        score_day(network, lacks, widths, daily.cache, day, lookback)


def test_a_day_without_history_is_one_line(daily: Any) -> None:
    with pytest.raises(InputError, match=r"has 2 days of history, lookback asks for 6"):
        daily.scorer.score(daily.cache, 1, daily.source.lookback)


def test_a_network_of_ones_own_has_to_be_named(daily: Any, tiny_run: Any, tmp_path: Path) -> None:
    content = read_checkpoint(tiny_run.directory / "best_model.ckpt")
    own = "tests.support.own_package.Own"
    content["atft"]["config"] = content["atft"]["config"].replace("atft.nn.atft_gat_fan.ATFTGATFAN", own)
    write_checkpoint(content, tmp_path / "own.ckpt")
    with pytest.raises(InputError, match="which a checkpoint may not import; if you trust it"):
        load_network(tmp_path / "own.ckpt")
    same = "atft.nn.atft_gat_fan.ATFTGATFAN"
    named = load_network(tiny_run.directory / "best_model.ckpt", same)
    day = len(daily.cache) - 1
    both = [s.score(daily.cache, day, daily.source.lookback).score for s in (named, daily.scorer)]
    assert np.array_equal(*both)


def test_quantiles_of_a_checkpoint_with_widths_have_calibrated_intervals(daily: Any) -> None:
    batch_day, lookback = len(daily.cache) - 1, daily.source.lookback
    torch.manual_seed(0)
    network = small_atft(features=len(daily.scorer.features), quantiles=[0.1, 0.5, 0.9]).eval()
    inputs = daily.scorer.score.args[1]
    without = score_day(network, inputs, {}, daily.cache, batch_day, lookback)
    assert without.quantiles is not None and without.intervals is None
    widths = {1: [0.5], 5: [math.inf]}
    scores = score_day(network, inputs, widths, daily.cache, batch_day, lookback)
    np.testing.assert_allclose(scores.intervals[:, 0, 0, 0], without.quantiles[:, 0, 0] - 0.5)
    np.testing.assert_allclose(scores.intervals[:, 0, 0, 1], without.quantiles[:, 0, 2] + 0.5)
    assert np.isnan(scores.intervals[:, 1]).all()
