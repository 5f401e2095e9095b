"""The range of each input over the training days: numpy's, and the same once written and read."""

from collections.abc import Callable

import numpy as np
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
    values = np.concatenate([day_features(cache, int(day), cache.day(int(day)).ranked) for day in days])
    assert list(ranges.features) == list(cache.manifest.features)
    for column, name in enumerate(ranges.features):
        known = values[:, column][~np.isnan(values[:, column])]
        share = np.mean([known_shares(cache, int(day))[column] for day in days])
        assert ranges.features[name].known == pytest.approx(share)
        if name != "x_1":  # of ranks the quantiles are those of every day
            ends = np.quantile(known, [1 / 240, 239 / 240])
            np.testing.assert_allclose([ranges.features[name].low, ranges.features[name].high], ends, 1e-5)
    assert (
        ranges.features["x_1"].low
        == pytest.approx(-ranges.features["x_1"].high)
        == pytest.approx(-1.7176, abs=1e-3)
    )


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
