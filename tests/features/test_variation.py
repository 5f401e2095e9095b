"""Features that do not vary across the universe are named; many of them are an error."""

from pathlib import Path

import numpy as np
import pytest

from atft.errors import InputError
from atft.features.variation import VariationCheck


def check_of(names: list[str], universe: np.ndarray, filling: np.ndarray | None = None) -> VariationCheck:
    return VariationCheck(
        names, universe, np.zeros(len(universe), dtype=bool) if filling is None else filling
    )


def checked(dead: int, names: int = 40) -> VariationCheck:
    features = np.random.default_rng(0).standard_normal((names, 30, 20)).astype(np.float32)
    features[:dead] = 0.5
    check = check_of([f"x_{i}" for i in range(names)], np.ones((30, 20), dtype=bool))
    check.update(features[:, :20], 0)
    check.update(features[:, 20:], 20)
    return check


def test_a_few_flat_features_are_reported_by_name() -> None:
    assert checked(0).flat(Path("p")) == ()
    assert checked(2).flat(Path("p")) == ("x_0", "x_1")


def test_more_than_a_twentieth_of_the_features_flat_is_an_error_that_names_them() -> None:
    with pytest.raises(InputError, match=r"p: 3 features are the same for all stocks .* x_0, x_1, x_2; look"):
        checked(3).flat(Path("p"))


def test_all_missing_is_flat_and_a_small_universe_does_not_count() -> None:
    nothing = np.full((1, 2, 20), np.nan, dtype=np.float32)
    universe = np.zeros((4, 20), dtype=bool)
    universe[:2, :9] = True
    universe[2] = True
    check = check_of(["x_0"], universe)
    check.update(nothing, 0)
    assert check.days == 0
    check.update(nothing, 2)
    assert check.days == 1
    with pytest.raises(InputError, match="1 features are never known in the universe, as x_0"):
        check.flat(Path("p"))


def test_days_on_which_a_window_is_still_filling_do_not_count() -> None:
    check = check_of(["x_0", "x_1"], np.ones((40, 20), dtype=bool))
    values = np.random.default_rng(0).standard_normal((2, 40, 20)).astype(np.float32)
    values[0, :30] = np.nan
    check.update(values[:, :20], 0)
    check.update(values[:, 20:], 20)
    assert check.known_days.tolist() == [10, 40]
    assert check.flat(Path("p")) == ()


def test_days_after_a_gap_on_which_a_window_fills_again_do_not_count_as_flat() -> None:
    check = check_of(["x_0", "x_1"], np.ones((40, 20), dtype=bool), np.arange(40) >= 20)
    values = np.random.default_rng(0).standard_normal((2, 40, 20)).astype(np.float32)
    values[0, 20:30] = np.nan
    values[1, 20:30] = 1.0
    check.update(values, 0)
    assert check.known_days.tolist() == [30, 40]
    assert check.flat_days.tolist() == [0, 10]


def test_variation_outside_the_universe_does_not_count() -> None:
    values = np.zeros((1, 1, 20), dtype=np.float32)
    values[0, 0, 15:] = np.arange(5)
    universe = np.ones((1, 20), dtype=bool)
    universe[0, 15:] = False
    check = check_of(["x_0"], universe)
    check.update(values, 0)
    assert int(check.flat_days[0]) == 1
