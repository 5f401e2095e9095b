from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.preprocessing import RobustScaler

from atft.data import robust
from atft.data.cache import DayCache
from atft.data.robust import robust_statistics
from atft.errors import InputError

Make = Callable[..., DayCache]


def _training_rows(cache: DayCache, days: list[int]) -> np.ndarray:
    rows = []
    for d in days:
        stocks = np.flatnonzero(cache.day(d).universe)
        out = np.empty((len(stocks), len(cache.manifest.features)), dtype=np.float32)
        cache.read_features(d, stocks, out)
        rows.append(out)
    return np.concatenate(rows)


@pytest.mark.parametrize("group_bytes", [1, 256 << 20])
def test_median_and_iqr_are_scikit_learns(
    make_panel: Callable[..., Path], make_cache: Make, monkeypatch: pytest.MonkeyPatch, group_bytes: int
) -> None:
    monkeypatch.setattr(robust, "BYTES_IN_MEMORY", group_bytes)
    panel = make_panel()
    frame = pl.read_parquet(panel)
    holes = pl.when(pl.col("x_3") > 1).then(None).otherwise(pl.col("x_3") * 100 + 5)
    flag = (pl.col("x_4") > 1.2).cast(pl.Float32)  # mostly 0: its IQR is 0
    frame.with_columns(x_3=holes, x_4=flag).write_parquet(panel)
    cache = make_cache(panel)
    days = list(range(10, 60))
    median, iqr = robust_statistics(cache, np.array(days))
    oracle = RobustScaler().fit(_training_rows(cache, days))
    np.testing.assert_allclose(median, oracle.center_, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(iqr, oracle.scale_, rtol=1e-5)
    assert iqr[4] == 1


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_scaled_features_are_left_alone(make_cache: Make, dtype: str) -> None:
    raw = robust_statistics(make_cache(), np.arange(10, 60))
    cache = make_cache(rank=["x_1", "x_3"], zscore=["x_4"], dtype=dtype)
    median, iqr = robust_statistics(cache, np.arange(10, 60))
    assert median[[1, 3, 4]].tolist() == [0, 0, 0]
    assert iqr[[1, 3, 4]].tolist() == [1, 1, 1]
    np.testing.assert_array_equal(median[[0, 2, 5]], raw[0][[0, 2, 5]])
    np.testing.assert_array_equal(iqr[[0, 2, 5]], raw[1][[0, 2, 5]])


def test_days_outside_training_change_nothing(make_panel: Callable[..., Path], make_cache: Make) -> None:
    before = robust_statistics(make_cache(), np.arange(10, 40))
    cache = make_cache()
    panel = make_panel("other.parquet")
    frame = pl.read_parquet(panel)
    late = pl.col("date") > cache.manifest.dates[39]
    frame.with_columns(
        pl.when(late).then(1e9).otherwise(pl.col(f"x_{i}")).alias(f"x_{i}") for i in range(5)
    ).write_parquet(panel)
    after = robust_statistics(make_cache(panel), np.arange(10, 40))
    np.testing.assert_array_equal(before, after)


def test_at_most_250_evenly_spaced_days_are_read(make_cache: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = make_cache()
    monkeypatch.setattr(robust, "MAX_DAYS", 5)
    want = _training_rows(cache, [10, 22, 34, 47, 59])
    median, _ = robust_statistics(cache, np.arange(10, 60))
    places = np.linspace(0, 49, 5).round().astype(int) + 10
    assert places.tolist() == [10, 22, 34, 47, 59]
    np.testing.assert_allclose(median, np.nanmedian(want, axis=0), rtol=1e-5)


def test_no_training_day_raises(make_cache: Make) -> None:
    with pytest.raises(InputError, match="at least one training day"):
        robust_statistics(make_cache(), np.array([], dtype=np.int64))


def test_statistics_are_computed_once_for_a_cache_and_its_days(make_cache: Make) -> None:
    cache, early, late = make_cache(), np.arange(10, 20), np.arange(30, 45)
    first = robust_statistics(cache, early)
    other = robust_statistics(cache, late)
    assert robust_statistics(cache, early)[0] is first[0] and other[0] is not first[0]
    assert robust_statistics(DayCache(cache.path), early)[0] is not first[0]
