"""Baselines are scored on the very rows of the predictions file."""

from typing import Any

import numpy as np
import pytest

from atft.commands.train import build
from atft.cross_section import spearman
from atft.evaluation.predictions import read_horizon
from atft.tasks.baseline_scores import baseline_scorers, day_features, fit_baseline, reversal_scores

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def scored(tiny_run: Any) -> Any:
    data = build("fit", ["--config", str(tiny_run.config)]).datamodule
    table = read_horizon(tiny_run.directory / "predictions.parquet", 1, "test")
    ridge = fit_baseline(data)
    return data, table, ridge, baseline_scorers(table, ridge, data.open_cache())


def test_every_scorer_has_a_score_where_the_file_has_a_row_and_nowhere_else(scored: Any) -> None:
    _, table, _, scorers = scored
    assert list(scorers) == ["network", "ridge", "reversal"]
    assert np.array_equal(np.isfinite(scorers["ridge"]), table.present)
    assert np.isfinite(scorers["reversal"][table.present]).all()


def test_reversal_is_minus_the_days_own_return(scored: Any) -> None:
    _, table, _, scorers = scored
    known = table.present & np.isfinite(table.columns["return_1d"])
    assert np.array_equal(scorers["reversal"][known], -table.columns["return_1d"][known])


def test_losers_score_high_and_unknown_returns_are_neutral() -> None:
    scores = reversal_scores(np.array([[-0.1, 0.02, np.nan, np.inf]]))
    np.testing.assert_array_equal(scores, np.array([[0.1, -0.02, 0.0, 0.0]], dtype=np.float32))


def test_ridge_finds_the_feature_that_carries_the_signal(scored: Any) -> None:
    import torch

    _, table, ridge, scorers = scored
    assert np.abs(ridge.coefficients[:, 0]).argmax() == 0
    score, target = (torch.from_numpy(np.nan_to_num(a)) for a in (scorers["ridge"], table.columns["target"]))
    daily = spearman(score, target, torch.from_numpy(table.valid()))
    assert float(daily.nanmean()) > 0.5


def test_features_of_a_day_are_the_panels_rows_in_the_order_asked_for(scored: Any, tiny_run: Any) -> None:
    import polars as pl

    data = scored[0]
    cache = data.open_cache()
    codes = cache.manifest.codes
    stocks = np.array([4, 1, 7])
    row = day_features(cache, 50, stocks)
    frame = pl.read_parquet(tiny_run.panel).filter(pl.col("date") == cache.manifest.dates[50])
    for i, stock in enumerate(stocks):
        of_stock = frame.filter(pl.col("code") == codes[stock]).select(pl.col("^x_.*$"))
        wanted = of_stock.to_numpy()[0] if len(of_stock) else np.full(6, np.nan)
        np.testing.assert_array_equal(row[i], wanted)
