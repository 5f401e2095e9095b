import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from atft.data.day_scaling import MAX_ZSCORE, universe_ranks, universe_zscores


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
