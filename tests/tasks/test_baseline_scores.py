"""Baselines are scored on the very rows of the predictions file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atft.baselines.tree_options import TreeOptions
from atft.commands.train import build
from atft.cross_section import spearman
from atft.data.day_features import day_features
from atft.evaluation.predictions import read_horizon
from atft.tasks.baseline_scores import (
    file_scorers,
    fit_baseline,
    fitted_scores,
    reversal_scores,
    stock_days,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def scored(tiny_run: Any) -> Any:
    data = build("fit", ["--config", str(tiny_run.config)]).datamodule
    table = read_horizon(tiny_run.directory / "predictions.parquet", 1, "test")
    ridge = fit_baseline("ridge", data)
    scorers = fitted_scores({"ridge": ridge}, data.open_cache(), table) | file_scorers(table)
    return data, table, ridge, scorers


def test_every_scorer_has_a_score_where_the_file_has_a_row_and_nowhere_else(scored: Any) -> None:
    _, table, _, scorers = scored
    assert list(scorers) == ["ridge", "reversal"]
    assert np.array_equal(np.isfinite(scorers["ridge"]), table.present)
    known = np.isfinite(table.columns["return_1d"])
    assert np.array_equal(np.isfinite(scorers["reversal"]), known)


@pytest.mark.parametrize("horizon", [1, 5])
def test_each_score_is_the_baselines_for_that_horizon_day_and_stock(
    horizon: int, scored: Any, tiny_run: Any
) -> None:
    data, _, ridge, _ = scored
    table = read_horizon(tiny_run.directory / "predictions.parquet", horizon, "test")
    cache = data.open_cache()
    found = fitted_scores({"ridge": ridge}, cache, table)["ridge"]
    for row, day in enumerate(table.dates.tolist()):
        view = cache.day(cache.manifest.dates.index(day))
        codes = [cache.codes[stock] for stock in view.ranked]
        expected = dict(
            zip(codes, ridge.score(view.features[view.universe])[:, (1, 5).index(horizon)], strict=True)
        )
        ours = {
            code: score for code, score in zip(table.codes, found[row], strict=True) if np.isfinite(score)
        }
        assert ours == expected and len(ours) > 5


def test_reversal_is_minus_the_days_own_return(scored: Any) -> None:
    _, table, _, scorers = scored
    known = table.present & np.isfinite(table.columns["return_1d"])
    assert np.array_equal(scorers["reversal"][known], -table.columns["return_1d"][known])


def test_losers_score_high_and_unknown_returns_have_no_score() -> None:
    scores = reversal_scores(np.array([[-0.1, 0.02, np.nan, np.inf]]))
    np.testing.assert_array_equal(scores, np.array([[0.1, -0.02, np.nan, np.nan]], dtype=np.float32))


def test_ridge_finds_the_feature_that_carries_the_signal(scored: Any) -> None:
    import torch

    _, table, ridge, scorers = scored
    assert np.abs(ridge.coefficients[:, 0]).argmax() == 0
    score, target = (torch.from_numpy(np.nan_to_num(a)) for a in (scorers["ridge"], table.columns["target"]))
    daily = spearman(score, target, torch.from_numpy(table.valid()))
    assert float(daily.nanmean()) > 0.5


def test_rows_to_fit_on_are_the_universe_of_the_days_with_the_targets_that_training_counts(
    scored: Any,
) -> None:
    data = scored[0]
    cache, days = data.open_cache(), data.split.train
    rows = stock_days(data, days)
    assert rows.sizes.tolist() == [cache.manifest.universe_rows[day] for day in days]
    for place, (features, target) in enumerate(rows):
        view = cache.day(days[place])
        np.testing.assert_array_equal(features, day_features(cache, days[place], view.ranked))
        np.testing.assert_array_equal(target, view.target[view.universe])
    wide = stock_days(data, days, market_columns=True)
    with_market = wide.read(3)
    np.testing.assert_array_equal(with_market[:, :6], rows.read(3))
    market = np.broadcast_to(cache.regime[days[3]], with_market[:, 6:].shape)
    np.testing.assert_array_equal(with_market[:, 6:], market)
    strict = stock_days(_with_min_stocks(data, 1000), days)
    assert np.isnan(strict.target).all()


def _with_min_stocks(data: Any, min_stocks: int) -> Any:
    from copy import copy
    from dataclasses import replace

    other = copy(data)
    other.split = replace(data.split, min_stocks=min_stocks)
    return other


@pytest.fixture(scope="module")
def few_trees() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("atft.baselines.lightgbm.MAX_TREES", 5)
        yield


def test_lightgbm_reads_the_labels_of_each_period_once(
    scored: Any, few_trees: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lightgbm", reason="lightgbm is not installed")
    read: list[bool] = []

    def counted(data: Any, days: Any, market_columns: bool = False) -> Any:
        read.append(market_columns)
        return stock_days(data, days, market_columns)

    monkeypatch.setattr("atft.tasks.baseline_scores.stock_days", counted)
    fit_baseline("lightgbm", scored[0])
    assert read == [TreeOptions().market_columns] * 2


@pytest.mark.parametrize("name", ["ridge", "lightgbm"])
def test_days_after_validation_change_no_fitted_model(
    name: Any, scored: Any, few_trees: None, tiny_run: Any, tmp_path: Path
) -> None:
    pytest.importorskip(name if name != "ridge" else "numpy", reason=f"{name} is not installed")
    import polars as pl

    data = scored[0]
    last = data.open_cache().manifest.dates[data.split.val[-1]]
    panel = pl.read_parquet(data.panel.path)
    # A label of the last validation day is known at most so many days later, which are changed too.
    changed = panel.with_columns(
        pl.when(pl.col("date") <= last).then(pl.col(column)).otherwise(-7 * pl.col(column) + 1)
        for column in panel.columns
        if column.startswith(("x_", "target"))
    )
    changed.write_parquet(tmp_path / "changed.parquet")
    words = ["--config", str(tiny_run.config), "--data.panel.path", str(tmp_path / "changed.parquet")]
    other = build("fit", [*words, "--data.cache.dir", str(tmp_path / "cache")]).datamodule
    first, second = (fit_baseline(name, d) for d in (data, other))
    features = day_features(data.open_cache(), 20, np.arange(10), first.market_columns)
    np.testing.assert_array_equal(first.score(features), second.score(features))
