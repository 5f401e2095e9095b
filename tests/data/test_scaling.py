import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata
from sklearn.preprocessing import RobustScaler

from atft.data import scaling
from atft.data.cache import DayCache
from atft.data.scaling import (
    LEVELS,
    MAX_ZSCORE,
    feature_quantiles,
    regime_statistics,
    training_scaling,
    universe_ranks,
    universe_zscores,
)
from atft.errors import InputError

Make = Callable[..., DayCache]


def _case(seed: int, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((4, 60)).astype(np.float32)
    if ties:
        values = np.round(values)
    values[rng.random(values.shape) < 0.1] = np.nan
    return values, rng.random(60) < 0.7


def _slow_universe_ranks(values: np.ndarray, universe: np.ndarray) -> np.ndarray:
    out = np.full(values.shape, np.nan, dtype=np.float32)
    for f, row in enumerate(values):
        inside = np.sort(row[universe & ~np.isnan(row)])
        for s, value in enumerate(row):
            if not np.isnan(value) and len(inside):
                place = (inside < value).sum() + 0.5 * (inside == value).sum()
                out[f, s] = math.sqrt(12) * (place / len(inside) - 0.5)
    return out


@pytest.mark.parametrize("ties", [False, True])
def test_ranks_equal_the_slow_readable_twin(ties: bool) -> None:
    for seed in range(5):
        values, universe = _case(seed, ties)
        np.testing.assert_allclose(
            universe_ranks(values, universe), _slow_universe_ranks(values, universe), atol=1e-6
        )


@pytest.mark.parametrize("ties", [False, True])
def test_ranks_of_the_universe_are_scipys_average_ranks(ties: bool) -> None:
    values, _ = _case(0, ties)
    values = np.nan_to_num(values)
    ranks = rankdata(values, axis=1)
    want = math.sqrt(12) * ((ranks - 0.5) / 60 - 0.5)
    np.testing.assert_allclose(universe_ranks(values, np.ones(60, bool)), want, atol=1e-6)


def test_ranks_of_many_distinct_values_have_mean_0_and_std_1() -> None:
    values = np.random.default_rng(0).standard_normal((1, 2000)).astype(np.float32)
    ranks = universe_ranks(values, np.ones(2000, bool))
    assert abs(ranks.mean()) < 1e-6
    assert abs(ranks.std() - 1) < 1e-3


@given(st.integers(0, 1000), st.floats(0.01, 50), st.floats(-5, 5))
@settings(max_examples=30, deadline=None)
def test_ranks_ignore_any_increasing_change_of_unit(seed: int, scale: float, shift: float) -> None:
    values, universe = _case(seed, ties=True)
    moved = (values * np.float32(scale) + np.float32(shift)).astype(np.float32)
    np.testing.assert_array_equal(universe_ranks(values, universe), universe_ranks(moved, universe))


@pytest.mark.parametrize("scaler", [universe_ranks, universe_zscores])
def test_rows_outside_the_universe_do_not_move_those_inside(scaler: object) -> None:
    values, universe = _case(1, ties=False)
    other = values.copy()
    other[:, ~universe] = 1e9
    assert callable(scaler)
    np.testing.assert_array_equal(scaler(values, universe)[:, universe], scaler(other, universe)[:, universe])
    assert (np.abs(scaler(other, universe)[:, ~universe]) <= MAX_ZSCORE).all()


@pytest.mark.parametrize("scaler", [universe_ranks, universe_zscores])
def test_degenerate_days(scaler: object) -> None:
    assert callable(scaler)
    universe = np.array([True, True, True, False])
    constant = np.full((1, 4), 0.1, dtype=np.float32)
    np.testing.assert_array_equal(scaler(constant, universe), 0)
    one = np.array([[np.nan, 3, np.nan, np.nan]], dtype=np.float32)
    np.testing.assert_array_equal(scaler(one, universe), [[np.nan, 0, np.nan, np.nan]])
    unknown = np.array([[np.nan, np.nan, np.nan, 5]], dtype=np.float32)
    assert np.isnan(scaler(unknown, universe)).all()


def test_universe_zscores_are_the_universes() -> None:
    values, universe = _case(2, ties=False)
    inside = np.where(universe, values, np.nan)
    mean = np.nanmean(inside, axis=1, keepdims=True)
    std = np.nanstd(inside, axis=1, keepdims=True)
    np.testing.assert_allclose(
        universe_zscores(values, universe), (values - mean) / std, rtol=1e-4, atol=1e-5
    )
    assert np.isnan(universe_zscores(values, universe)).sum() == np.isnan(values).sum()


@pytest.mark.parametrize("unit", [1e-9, 1e-3, 1e9])
def test_zscores_do_not_depend_on_the_unit_nor_does_what_is_constant(unit: float) -> None:
    values, universe = _case(3, ties=False)
    scaled = universe_zscores((unit * values).astype(np.float32), universe)
    np.testing.assert_allclose(scaled, universe_zscores(values, universe), rtol=1e-4, atol=1e-5)
    constant = np.full((1, 60), unit / 3, dtype=np.float32)
    np.testing.assert_array_equal(universe_zscores(constant, universe), 0)


def _training_rows(cache: DayCache, days: list[int]) -> np.ndarray:
    rows = []
    for d in days:
        stocks = cache.day(d).ranked
        out = np.empty((len(stocks), len(cache.manifest.features)), dtype=np.float32)
        cache.read_features(d, stocks, out)
        rows.append(out)
    return np.concatenate(rows)


@pytest.mark.parametrize("group_bytes", [1, 256 << 20])
def test_median_and_iqr_are_scikit_learns(
    make_panel: Callable[..., Path], make_cache: Make, monkeypatch: pytest.MonkeyPatch, group_bytes: int
) -> None:
    monkeypatch.setattr(scaling, "BYTES_IN_MEMORY", group_bytes)
    panel = make_panel()
    frame = pl.read_parquet(panel)
    holes = pl.when(pl.col("x_3") > 1).then(None).otherwise(pl.col("x_3") * 100 + 5)
    flag = (pl.col("x_4") > 1.2).cast(pl.Float32)  # mostly 0: its IQR is 0
    frame.with_columns(x_3=holes, x_4=flag).write_parquet(panel)
    cache = make_cache(panel)
    days = list(range(10, 60))
    median, iqr, *_ = training_scaling(cache, np.array(days))
    oracle = RobustScaler().fit(_training_rows(cache, days))
    np.testing.assert_allclose(median, oracle.center_, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(iqr, oracle.scale_, rtol=1e-5)
    assert iqr[4] == 1


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_scaled_features_are_left_alone(make_cache: Make, dtype: str) -> None:
    raw = training_scaling(make_cache(), np.arange(10, 60))
    cache = make_cache(rank=["x_1", "x_3"], zscore=["x_4"], dtype=dtype)
    median, iqr, *_ = training_scaling(cache, np.arange(10, 60))
    assert median[[1, 3, 4]].tolist() == [0, 0, 0]
    assert iqr[[1, 3, 4]].tolist() == [1, 1, 1]
    np.testing.assert_array_equal(median[[0, 2, 5]], raw[0][[0, 2, 5]])
    np.testing.assert_array_equal(iqr[[0, 2, 5]], raw[1][[0, 2, 5]])


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_quantiles_are_numpys_of_what_the_cache_holds_and_equally_spaced_for_ranks(
    make_cache: Make, dtype: str
) -> None:
    cache, days = make_cache(rank=["x_1", "x_3"], zscore=["x_4"], dtype=dtype), np.arange(10, 60)
    quantiles, levels = feature_quantiles(cache, days), np.arange(LEVELS + 1) / LEVELS
    rows = _training_rows(cache, days.tolist())
    for feature in (0, 2, 4, 5):
        expected = np.nanquantile(rows[:, feature], levels)
        np.testing.assert_allclose(quantiles[feature], expected, rtol=1e-5, atol=1e-6)
    for feature in (1, 3):
        np.testing.assert_allclose(quantiles[feature], math.sqrt(12) * (levels - 0.5), rtol=1e-6)
    median, iqr, *_ = training_scaling(cache, days)
    np.testing.assert_array_equal(quantiles[[0, 2, 5], LEVELS // 2], median[[0, 2, 5]])
    assert (np.diff(quantiles, axis=1) >= 0).all() and (iqr > 0).all()


def test_quantiles_of_a_feature_that_is_never_known_are_zeros(
    make_panel: Callable[..., Path], make_cache: Make
) -> None:
    panel = make_panel()
    pl.read_parquet(panel).with_columns(x_2=pl.lit(None, pl.Float64)).write_parquet(panel)
    quantiles = feature_quantiles(make_cache(panel), np.arange(10, 60))
    assert (quantiles[2] == 0).all() and np.isfinite(quantiles).all()


def test_market_wide_columns_have_numpys_statistics_of_the_days_that_know_them() -> None:
    rng = np.random.default_rng(0)
    regime = rng.gamma(2.0, size=(300, 4)).astype(np.float32)
    regime[:40, 1], regime[:, 2], regime[:, 3] = np.nan, np.nan, 7.0
    median, iqr, quantiles = regime_statistics(regime)
    levels = np.arange(LEVELS + 1) / LEVELS
    for column in (0, 1, 3):
        known = regime[~np.isnan(regime[:, column]), column]
        np.testing.assert_allclose(quantiles[column], np.quantile(known, levels), rtol=1e-6)
        assert median[column] == pytest.approx(np.median(known))
    assert iqr[:2] == pytest.approx([np.subtract(*np.nanpercentile(regime[:, c], [75, 25])) for c in (0, 1)])
    assert (median[2], iqr[2], iqr[3]) == (0, 1, 1) and not quantiles[2].any()


def test_days_outside_training_change_nothing(make_panel: Callable[..., Path], make_cache: Make) -> None:
    days = np.arange(10, 40)
    before = training_scaling(make_cache(), days)
    cache = make_cache()
    panel = make_panel("other.parquet")
    frame = pl.read_parquet(panel)
    late = pl.col("date") > cache.manifest.dates[39]
    frame.with_columns(
        pl.when(late).then(1e9).otherwise(pl.col(f"x_{i}")).alias(f"x_{i}") for i in range(5)
    ).write_parquet(panel)
    after = training_scaling(make_cache(panel), days)
    for early, late_ones in zip(before, after, strict=True):
        np.testing.assert_array_equal(early, late_ones)


def test_at_most_250_evenly_spaced_days_are_read(make_cache: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = make_cache()
    monkeypatch.setattr(scaling, "MAX_DAYS", 5)
    want = _training_rows(cache, [10, 22, 34, 47, 59])
    median, *_ = training_scaling(cache, np.arange(10, 60))
    places = np.linspace(0, 49, 5).round().astype(int) + 10
    assert places.tolist() == [10, 22, 34, 47, 59]
    np.testing.assert_allclose(median, np.nanmedian(want, axis=0), rtol=1e-5)


def test_no_training_day_raises(make_cache: Make) -> None:
    with pytest.raises(InputError, match="at least one training day"):
        training_scaling(make_cache(), np.array([], dtype=np.int64))


def test_statistics_are_computed_once_for_a_cache_and_its_days(make_cache: Make) -> None:
    cache, early, late = make_cache(), np.arange(10, 20), np.arange(30, 45)
    first, other = feature_quantiles(cache, early), feature_quantiles(cache, late)
    assert feature_quantiles(cache, early) is first and other is not first
    assert feature_quantiles(DayCache(cache.path), early) is not first


def test_a_network_may_keep_and_change_what_it_is_given(make_cache: Make) -> None:
    cache, days = make_cache(), np.arange(20, 60)
    want = [values.clone() for values in training_scaling(cache, days)]
    for values in training_scaling(cache, days):
        values.zero_()  # as loading a checkpoint into a buffer writes it in place
    for values, wanted in zip(training_scaling(cache, days), want, strict=True):
        assert torch.equal(values, wanted)
