import numpy as np
import pytest

from atft.data.gates import FeatureGate, LabelGate, one_per_day
from atft.errors import InputError

UNIVERSE = np.array([True] * 8 + [False] * 2)


def _judge(day_values: list[np.ndarray], scaled: bool = False, market_wide: tuple[str, ...] = ()) -> None:
    gate = FeatureGate(["a", "b"], [scaled, scaled], market_wide)
    for values in day_values:
        gate.count(*gate.measure(values.astype(np.float32), UNIVERSE))
    gate.judge("panel")


def _days(count: int = 40) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal((2, 10)) for _ in range(count)]


def test_features_that_tell_stocks_apart_pass() -> None:
    _judge(_days())
    _judge(_days(), scaled=True)


def test_a_feature_constant_on_nearly_every_day_fails_and_on_half_of_them_passes() -> None:
    days = _days()
    for values in days[:39]:
        values[1] = 7
    with pytest.raises(InputError, match="'b' is the same for all stocks on nearly every day"):
        _judge(days)
    _judge(days[20:] + _days(20))


def test_a_feature_that_differs_outside_the_universe_only_fails() -> None:
    days = _days()
    for values in days:
        values[0, :8] = 1
    with pytest.raises(InputError, match="'a' is the same"):
        _judge(days)


def test_a_scaled_feature_of_the_wrong_size_fails() -> None:
    with pytest.raises(InputError, match="'a', 'b' is the same"):
        _judge([values * 1e-5 for values in _days()], scaled=True)
    _judge([values * 1e-5 for values in _days()])


def test_unknown_days_are_not_held_against_a_feature_but_unknown_everywhere_is() -> None:
    days = _days()
    for values in days[:35]:
        values[0] = np.nan
    _judge(days)
    for values in days:
        values[0, :8] = np.nan
    with pytest.raises(InputError, match="no value of 'a' is known for any stock in the universe"):
        _judge(days)


def test_a_market_wide_feature_may_be_constant_while_raw() -> None:
    days = _days()
    for values in days:
        values[1] = values[1, 0]
    _judge(days, market_wide=("b",))
    with pytest.raises(InputError, match="'b' is the same"):
        _judge(days, scaled=True, market_wide=("b",))


def test_a_label_that_is_never_known_in_the_universe_fails() -> None:
    gate = LabelGate(["target_1d", "target_5d"])
    target = np.full((2, 10), np.nan, dtype=np.float32)
    target[0, 0] = target[1, 9] = 0.1
    gate.count(target, UNIVERSE)
    with pytest.raises(InputError, match="the target 'target_5d' is unknown"):
        gate.judge("panel")


def test_a_market_wide_column_has_one_value_a_day_or_none() -> None:
    values = np.array([[np.nan, 2, 2], [np.nan] * 3], dtype=np.float32)
    assert one_per_day(values, ["a", "b"], "2020-01-06") == [2.0, None]
    values[0, 0] = 3
    with pytest.raises(InputError, match=r"'a' has values 2\.0 to 3\.0 on 2020-01-06"):
        one_per_day(values, ["a", "b"], "2020-01-06")
