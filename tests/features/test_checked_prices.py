"""Who may be ranked, and the market's return, against loops over rows."""

from pathlib import Path

import numpy as np
import pytest

from atft.features.gates import pass_gates
from atft.features.options import FeatureOptions
from atft.features.prices import PriceGrid, read_prices
from atft.features.screen import Screen, day_means, group_sums, screen_stocks

OPTIONS = FeatureOptions(min_history_days=60, min_close=12, min_traded_value=2e6)


@pytest.fixture
def screened(make_prices) -> tuple[PriceGrid, Screen]:
    path: Path = make_prices(days=150)
    grid = read_prices(path, OPTIONS, {})
    return grid, screen_stocks(grid, pass_gates(grid, OPTIONS, path, {}), OPTIONS)


def test_the_universe_is_close_traded_value_and_history(screened: tuple[PriceGrid, Screen]) -> None:
    grid, screen = screened
    value = grid.close.astype(np.float64) * grid.volume
    sizes = set()
    for day, stock in np.ndindex(grid.close.shape):
        recent = value[max(0, day - 19) : day + 1, stock]
        known = recent[~np.isnan(recent)]
        rich = len(known) >= 15 and known.mean() >= 2e6
        dear = grid.close[day, stock] >= 12
        old = (~np.isnan(grid.close[: day + 1, stock])).sum() >= 60
        assert screen.tradable[day, stock] == (rich and dear)
        assert screen.universe[day, stock] == (rich and dear and old)
        sizes.add((bool(rich), bool(dear), bool(old)))
    assert len(sizes) >= 6


def test_the_market_is_the_mean_return_of_the_tradable_stocks(screened: tuple[PriceGrid, Screen]) -> None:
    grid, screen = screened
    assert np.isnan(screen.market[0])
    for day in (25, 80, 149):
        past = grid.close[day].astype(float) / grid.close[day - 1].astype(float) - 1
        np.testing.assert_allclose(screen.return_1d[day], past, rtol=1e-6)
        mean = np.nanmean(past[screen.tradable[day]])
        np.testing.assert_allclose(screen.market[day], np.log1p(mean), rtol=1e-5)


def test_day_means_count_what_is_known_and_counts() -> None:
    values = np.array([[1, 2, np.nan, 4], [np.nan, 1, 1, 1.0]])
    count = np.array([[True, True, True, False], [True, False, False, False]])
    assert np.array_equal(day_means(values, count), [1.5, np.nan], equal_nan=True)


def test_a_stock_without_a_value_leaves_no_trace_in_the_bits_of_a_mean() -> None:
    values = np.random.default_rng(0).standard_normal((5, 40))
    wide = np.insert(values, [0, 7, 40], np.nan, axis=1)
    few, many = np.ones(values.shape, dtype=bool), np.ones(wide.shape, dtype=bool)
    assert np.array_equal(day_means(values, few), day_means(wide, many))


def test_group_sums_pass_over_stocks_without_a_group() -> None:
    values, group = np.array([[1.0, 2, 4, np.nan]]), np.array([[0, 1, -1, 1]])
    total, n = group_sums(values, np.ones((1, 4), dtype=bool), group, 3)
    assert np.array_equal(total, [[1, 2, 0]])
    assert np.array_equal(n, [[1, 1, 0]])
