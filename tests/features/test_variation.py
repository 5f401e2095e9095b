"""Features that do not vary across the universe are named; many of them are an error."""

from pathlib import Path

import numpy as np
import pytest

from atft.errors import InputError
from atft.features.variation import day_variation, flat_features


def flat(
    features: np.ndarray, universe: np.ndarray | None = None, inserted: tuple[int, ...] = ()
) -> tuple[str, ...]:
    """Flat features among x_0, x_1, ..., measured in two blocks of days; all stocks are ranked by default."""
    days, half = features.shape[1], features.shape[1] // 2
    universe = np.ones(features.shape[1:], dtype=bool) if universe is None else universe
    blocks = [
        day_variation(list(features[:, some]), universe[some]) for some in (slice(half), slice(half, days))
    ]
    names = [f"x_{i}" for i in range(len(features))]
    return flat_features(Path("p"), names, np.concatenate(blocks, axis=2), universe.sum(axis=1), inserted)


def noise(names: int, days: int = 30, dead: int = 0) -> np.ndarray:
    values = np.random.default_rng(0).standard_normal((names, days, 20)).astype(np.float32)
    values[:dead] = 0.5
    return values


def test_a_few_flat_features_are_reported_by_name() -> None:
    assert flat(noise(40)) == ()
    assert flat(noise(40, dead=2)) == ("x_0", "x_1")


def test_more_than_a_twentieth_of_the_features_flat_is_an_error_that_names_them() -> None:
    with pytest.raises(InputError, match=r"p: 3 features are the same for all stocks .* x_0, x_1, x_2; look"):
        flat(noise(40, dead=3))


def test_all_missing_is_flat_and_a_small_universe_does_not_count() -> None:
    nothing = np.full((1, 4, 20), np.nan, dtype=np.float32)
    universe = np.zeros((4, 20), dtype=bool)
    universe[:2, :9] = True
    assert flat(nothing, universe) == ()
    universe[2] = True
    with pytest.raises(InputError, match="1 features are never known in the universe, as x_0"):
        flat(nothing, universe)


def test_days_on_which_a_window_is_still_filling_do_not_count() -> None:
    values = noise(40, days=40)
    values[0, :30] = np.nan
    assert flat(values) == ()
    values[0, 31] = 1.0  # one day of the ten that count
    assert flat(values) == ("x_0",)


def test_days_after_a_gap_on_which_a_window_fills_again_do_not_count_as_flat() -> None:
    values = noise(40, days=40)
    values[0, 20:30] = np.nan
    values[1, 20:30] = 1.0
    assert flat(values, inserted=(20,)) == ("x_1",)
    assert flat(values) == ("x_0", "x_1")


def test_variation_outside_the_universe_does_not_count() -> None:
    values = np.zeros((1, 1, 20), dtype=np.float32)
    values[0, 0, 15:] = np.arange(5)
    universe = np.ones((1, 20), dtype=bool)
    universe[0, 15:] = False
    assert day_variation(list(values), universe)[:, 0, 0].tolist() == [True, False]


def test_ten_stocks_make_a_day_and_a_twentieth_of_the_days_may_be_flat() -> None:
    values = noise(40, days=41)
    universe = np.ones(values.shape[1:], dtype=bool)
    universe[:20, 10:], universe[20, 9:] = False, False
    # Of the forty days that count; the day of nine stocks is flat throughout.
    values[:, 20], values[0, [3, 30]] = 1.0, 1.0
    assert flat(values, universe) == ()
    values[0, 4] = 1.0
    assert flat(values, universe) == ("x_0",)
    # One of three is never known, the others are known and flat.
    values[:3] = 1.0
    values[1] = np.nan
    with pytest.raises(InputError, match="1 features are never known in the universe, as x_1; fill"):
        flat(values, universe)
    with pytest.raises(InputError, match=r"4 features are the same .* x_0, x_1, x_2, \.\.\.; look"):
        flat(noise(40, dead=4))
