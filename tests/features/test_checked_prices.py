"""Who may be ranked, the market's return, and the series that features share, against loops over rows."""

import numpy as np
import pytest

from atft.features.checked_prices import REACH_DAYS, CheckedPrices, History, past_of
from atft.features.options import FeatureOptions
from atft.features.prices import read_prices
from atft.features.row_checks import check_rows
from small_prices import grid_of

OPTIONS = FeatureOptions(min_history_days=60, min_close=12, min_traded_value=2e6)


@pytest.fixture
def prices(make_prices) -> CheckedPrices:
    return check_rows(read_prices(make_prices(days=150), OPTIONS), OPTIONS)


def test_the_universe_is_close_traded_value_and_history(prices: CheckedPrices) -> None:
    value = prices.close.astype(np.float64) * prices.volume
    sizes = set()
    for day, stock in np.ndindex(prices.close.shape):
        recent = value[max(0, day - 19) : day + 1, stock]
        known = recent[~np.isnan(recent)]
        rich = len(known) >= 15 and known.mean() >= 2e6
        dear = prices.close[day, stock] >= 12
        old = (~np.isnan(prices.close[: day + 1, stock])).sum() >= 60
        assert prices.tradable[day, stock] == (rich and dear)
        assert prices.universe[day, stock] == (rich and dear and old)
        sizes.add((bool(rich), bool(dear), bool(old)))
    assert len(sizes) >= 6


def test_the_market_is_the_mean_return_of_the_tradable_stocks(prices: CheckedPrices) -> None:
    assert np.isnan(prices.market[0])
    for day in (25, 80, 149):
        past = prices.close[day].astype(float) / prices.close[day - 1].astype(float) - 1
        np.testing.assert_allclose(prices.return_1d[day], past, rtol=1e-6)
        mean = np.nanmean(past[prices.tradable[day]])
        np.testing.assert_allclose(prices.market[day], np.log1p(mean), rtol=1e-5)


def test_a_return_needs_a_row_yesterday_and_its_parts_add_up(past: History) -> None:
    hole = np.isnan(past.close)
    assert np.isnan(past.return_1d[0]).all()
    assert (np.isnan(past.return_1d[1:]) == (hole[1:] | hole[:-1])).all()
    np.testing.assert_allclose((past.gap + past.intraday)[5:9], past.return_1d[5:9] + 0 * past.gap[5:9])


def test_a_day_without_trades_has_no_log_volume(past: History) -> None:
    assert past.volume[40, 2] == 0
    assert np.isnan(past.log_volume[40, 2])


def test_a_year_of_returns_fits_into_the_reach() -> None:
    assert REACH_DAYS > 250 + 1


def walk(days: int, splits: dict[int, tuple[int, float]]) -> dict[str, np.ndarray]:
    """Calm stocks, of which some are quoted in other units from a day on: stock -> day and new price over old."""
    rng = np.random.default_rng(0)
    close = 20 * np.exp(np.cumsum(0.01 * rng.standard_normal((days, 12)), axis=0))
    table = {"close": close, "open": close * 0.99, "high": close * 1.01, "low": close * 0.98}
    table["volume"] = 1000.0 + np.arange(days)[:, None] + np.zeros(12)
    for stock, (day, ratio) in splits.items():
        for name in ("open", "high", "low", "close"):
            table[name][day:, stock] *= ratio
        table["volume"][day:, stock] /= ratio
    return table


def test_the_past_is_on_one_basis_across_excluded_splits_and_as_read_beside_it() -> None:
    splits = {2: (100, 0.5), 4: (130, 3.0)}
    table, unsplit = walk(400, splits), walk(400, {})
    prices = check_rows(grid_of(**table), FeatureOptions())
    past = past_of(prices, 0, 400, slice(1, 5))
    for column, stock in enumerate(range(1, 5)):
        day, _ = splits.get(stock, (0, 1.0))
        hole = np.arange(400) == day if stock in splits else np.zeros(400, dtype=bool)
        assert (np.isnan(past.close[:, column]) == hole).all()
        # The return of the split's day is gone with its row.
        joined = unsplit["close"][day - 1, stock] / unsplit["close"][day, stock] if stock in splits else 1
        factor = np.where(hole, np.nan, np.where(np.arange(400) >= day, joined, 1.0))
        for name in ("open", "high", "low", "close"):
            np.testing.assert_allclose(
                getattr(past, name)[:, column], unsplit[name][:, stock] * factor, rtol=1e-5
            )
        whole = np.where(hole, np.nan, unsplit["volume"][:, stock])
        np.testing.assert_allclose(past.volume[:, column], whole, rtol=1e-6)
        for name in ("close", "volume"):
            read = np.where(hole, np.nan, table[name][:, stock])
            np.testing.assert_allclose(getattr(past, f"raw_{name}")[:, column], read, rtol=1e-6)
    # Some days read what the whole history says of them, and no more days than a feature reaches back.
    some = past_of(prices, 380, 390, slice(1, 5))
    for name in ("open", "close", "volume", "raw_close", "age", "day", "market"):
        values = getattr(some, name)
        assert len(values) == REACH_DAYS + 10
        np.testing.assert_array_equal(values, getattr(past, name)[380 - REACH_DAYS : 390])


def test_volumes_stay_as_they_are_where_splits_are_kept_or_adjusted() -> None:
    table = walk(200, {2: (100, 0.5)})
    for splits in ("keep", "adjust"):
        prices = check_rows(grid_of(**table), FeatureOptions(splits=splits))
        past = past_of(prices, 0, 200, slice(0, 12))
        np.testing.assert_array_equal(past.volume, past.raw_volume)
        np.testing.assert_array_equal(past.close, past.raw_close)


def test_a_stock_at_the_minima_is_tradable() -> None:
    grid = grid_of(np.full((20, 1), 10.0), volume=np.full((20, 1), 100.0))
    for changes, tradable in (({}, True), ({"min_close": 10.1}, False), ({"min_traded_value": 1001}, False)):
        options = FeatureOptions(**{"min_close": 10, "min_traded_value": 1000, "frozen": "keep"} | changes)
        assert check_rows(grid, options).tradable[-1, 0] == tradable
