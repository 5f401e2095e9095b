from dataclasses import replace

import numpy as np
import pytest

from atft.data.checks import RowChecks, measure_features, one_per_day
from atft.errors import InputError
from atft.panel import PanelSchema, resolve_columns

NAMES = ["date", "code", "x_0", "x_1", "target_1d", "target_5d", "target_1d_lag1", "target_5d_lag1"]
COLUMNS = resolve_columns(PanelSchema(), NAMES, [1, 5], "p.parquet")
NUMBERS = NAMES[2:]

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


def rows(count: int = 300, seed: int = 0) -> np.ndarray:
    values = 0.02 * np.random.default_rng(seed).standard_normal((len(NUMBERS), count))
    values[np.random.default_rng(1).random(values.shape) < 0.1] = np.nan
    return values.astype(np.float32)


def check(*batches: np.ndarray) -> None:
    checks = RowChecks(COLUMNS, NUMBERS)
    for numbers in batches:
        checks.check_rows(numbers, np.arange(16_436, 16_436 + numbers.shape[1], dtype=np.int32))
    checks.check_copies("p.parquet")


def test_returns_and_features_of_noise_pass() -> None:
    check(rows(), rows(seed=2))
    check(rows(2))
    check(np.full((len(NUMBERS), 60), np.nan, dtype=np.float32))


@pytest.mark.parametrize("value", [1e30, 1001.0, -2.5])
@pytest.mark.parametrize("name", ["target_5d", "target_1d_lag1"])
def test_a_label_that_is_no_return_raises(name: str, value: float) -> None:
    numbers = rows()
    numbers[NUMBERS.index(name), 7] = value
    said = f"column '{name}' is {value:g} on 2015-01-08; a forward return is a fraction such as 0.01"
    with pytest.raises(InputError) as caught:
        check(numbers)
    assert said in str(caught.value)
    days = np.arange(16_436, 16_436 + numbers.shape[1], dtype=np.int32)
    RowChecks(replace(COLUMNS, target_unit="score"), NUMBERS).check_rows(numbers, days)


def test_a_loss_of_everything_and_a_feature_of_any_size_pass() -> None:
    numbers = rows()
    numbers[NUMBERS.index("target_1d"), 7] = -1
    numbers[0, 3] = 1e30
    check(numbers)


@pytest.mark.parametrize(
    "copy", [lambda y: y, lambda y: 100 * y + 3, lambda y: -y, np.log1p, lambda y: y * 1.0001]
)
def test_a_feature_that_ranks_rows_as_a_label_does_raises(copy) -> None:  # type: ignore[no-untyped-def]
    numbers = rows()
    numbers[1] = copy(numbers[NUMBERS.index("target_5d")])
    said = (
        "p.parquet: feature 'x_1' ranks stocks exactly as 'target_5d' does, so it knows the future; add it to"
    )
    with pytest.raises(InputError, match=said):
        check(numbers)


def test_a_strong_feature_and_one_that_is_a_label_on_few_rows_pass() -> None:
    numbers, few = rows(), rows()
    numbers[0] = numbers[2] + 0.001 * rows(seed=3)[0] / 0.02
    few[0, 40:] = np.nan
    few[0, :40] = few[2, :40]
    check(numbers)
    check(few)
    copied = rows()
    copied[0] = copied[2]
    check(copied, rows(seed=4))
