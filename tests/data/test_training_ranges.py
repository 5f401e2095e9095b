"""The range of each input over the training days: numpy's, and the same once written and read."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft.data.cache import DayCache
from atft.data.day_features import day_features
from atft.data.training_ranges import (
    TrainingRange,
    TrainingRanges,
    known_shares,
    read_ranges,
    training_ranges,
)

Make = Callable[..., DayCache]


def test_ranges_are_quantiles_of_the_universe_and_the_share_that_knows_the_feature(make_cache: Make) -> None:
    cache, days = make_cache(rank=["x_1"], dtype="float16"), np.arange(10, 40)
    ranges = training_ranges(cache, days)
    by_day = [day_features(cache, int(day), cache.day(int(day)).ranked) for day in days]
    values = np.concatenate(by_day)
    assert list(ranges.features) == list(cache.manifest.features)
    for column, name in enumerate(ranges.features):
        known = values[:, column][~np.isnan(values[:, column])]
        share = np.mean([np.isfinite(of_day[:, column]).mean() for of_day in by_day])
        assert ranges.features[name].known == pytest.approx(share)
        if name != "x_1":  # of ranks the quantiles are those of every day
            ends = np.quantile(known, [1 / 240, 239 / 240])
            np.testing.assert_allclose([ranges.features[name].low, ranges.features[name].high], ends, 1e-5)
    assert (
        ranges.features["x_1"].low
        == pytest.approx(-ranges.features["x_1"].high)
        == pytest.approx(-1.7176, abs=1e-3)
    )


def test_the_share_that_knows_a_feature_is_that_of_the_universe(
    make_cache: Make, make_panel: Callable[..., Path]
) -> None:
    panel = make_panel(missing=0.0)
    frame, known = pl.read_parquet(panel), pl.col("code") < "S005"
    frame.with_columns(
        x_0=pl.when(known).then("x_0"), universe=pl.col("code") < "S008", x_2=pl.lit(None, pl.Float32)
    ).with_columns(universe=pl.col("universe") & (pl.col("date") != frame["date"][0])).write_parquet(panel)
    cache = make_cache(panel, graph=None)
    assert known_shares(cache, 3).tolist() == [5 / 8, 1, 0, 1, 1, 1]
    assert known_shares(cache, 0).tolist() == [0] * 6, "a day without a universe"


def test_a_market_wide_column_has_its_extremes_and_the_share_of_days_that_know_it(make_cache: Make) -> None:
    cache = make_cache()
    cache.regime[12:15] = np.nan
    ((name, found),) = training_ranges(cache, np.arange(10, 20)).regimes.items()
    values = cache.regime[[10, 11, 15, 16, 17, 18, 19], 0]
    assert name == "regime_volatility" and found == (values.min(), values.max(), 0.7)
    cache.regime[:] = np.nan
    assert training_ranges(cache, np.arange(10, 20)).regimes[name] == (0, 0, 0)


def test_the_days_after_training_change_nothing(make_cache: Make) -> None:
    cache = make_cache()
    before = training_ranges(cache, np.arange(30))
    cache.regime[30:] = 99
    assert training_ranges(cache, np.arange(30)) == before


def test_what_a_checkpoint_keeps_reads_back_and_anything_else_raises() -> None:
    ranges = TrainingRanges({"a": TrainingRange(-1.0, 2.0, 0.5)}, {"b": TrainingRange(0.0, 0.0, 0.0)})
    assert read_ranges(ranges.content()) == ranges
    for content in (
        {},
        {"features": {}},
        {"features": {"a": [1]}, "regimes": {}},
        {"features": {"a": None}, "regimes": {}},
    ):
        with pytest.raises((KeyError, TypeError, ValueError)):
            read_ranges(content)
