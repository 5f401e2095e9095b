import numpy as np
import pytest

from atft.data.checks import measure_features, one_per_day
from atft.errors import InputError

UNIVERSE = np.array([True] * 8 + [False] * 2)


def _measure(values: np.ndarray, scaled: bool = False) -> list[list[bool]]:
    found = measure_features(values.astype(np.float32), UNIVERSE, np.array([scaled] * len(values)))
    return [flags.tolist() for flags in found]


def _day() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((2, 10))


def test_a_feature_varies_where_two_of_the_universe_differ() -> None:
    values = _day()
    assert _measure(values) == [[True, True], [True, True]]
    values[0, :8] = 1
    assert _measure(values) == [[True, True], [False, True]]


def test_a_feature_known_for_one_stock_of_the_universe_is_not_known() -> None:
    values = _day()
    values[0, 1:8] = np.nan
    assert _measure(values) == [[False, True], [False, True]]
    assert (
        measure_features(values.astype(np.float32), UNIVERSE & False, np.ones(2, bool))[0].tolist()
        == [False] * 2
    )


def test_a_scaled_feature_of_the_wrong_size_does_not_vary() -> None:
    assert _measure(_day() * 1e-5, scaled=True)[1] == [False, False]
    assert _measure(_day() * 1e-5)[1] == [True, True]
    assert _measure(_day() * 5, scaled=True)[1] == [False, False]


def test_a_market_wide_column_has_one_value_a_day_or_none() -> None:
    values = np.array([[np.nan, 2, 2], [np.nan] * 3], dtype=np.float32)
    assert one_per_day(values, ["a", "b"], "2020-01-06") == (2.0, None)
    values[0, 0] = 3
    with pytest.raises(InputError, match=r"'a' has values 2\.0 to 3\.0 on 2020-01-06"):
        one_per_day(values, ["a", "b"], "2020-01-06")
