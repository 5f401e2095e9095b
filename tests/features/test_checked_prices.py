"""Who may be ranked, the market's return, and the series that features share, against loops over rows."""

import numpy as np
import pytest

from atft.features.checked_prices import REACH_DAYS, CheckedPrices, History
from atft.features.options import FeatureOptions
from atft.features.prices import read_prices
from atft.features.row_checks import check_rows

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
