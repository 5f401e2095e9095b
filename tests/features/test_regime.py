"""Market-wide columns against loops over days."""

from datetime import date, timedelta

import numpy as np

from atft.features.checked_prices import CheckedPrices
from atft.features.options import FeatureOptions
from atft.features.regime import drawdown, regime_columns
from atft.features.row_checks import check_rows
from small_prices import grid_of

OPTIONS = FeatureOptions(min_close=15, min_traded_value=15_000)


def prices_of(days: int = 300, stocks: int = 12, first: int = 0) -> CheckedPrices:
    """Stocks with holes, some of them below the minima; the same ones from any first day on."""
    rng = np.random.default_rng(0)
    close = rng.uniform(10, 40, stocks) * np.exp(
        np.cumsum(0.02 * rng.standard_normal((days, stocks)), axis=0)
    )
    close[rng.random(close.shape) < 0.05] = np.nan
    volume = 1000 * np.exp(rng.standard_normal(close.shape))
    grid = grid_of(close[first:], date(2015, 1, 5) + timedelta(days=first), volume=volume[first:])
    return check_rows(grid, OPTIONS)


def test_regime_columns_equal_loops() -> None:
    prices = prices_of()
    out = regime_columns(prices)
    day = 299
    market = prices.market
    known = np.where(prices.tradable, prices.return_1d, np.nan).astype(float)
    for span in (5, 20, 60, 250):
        np.testing.assert_allclose(
            out[f"regime_return_{span}d"][day], market[day - span + 1 : day + 1].mean(), rtol=1e-5
        )
    std = {k: market[day - k + 1 : day + 1].std(ddof=1) for k in (20, 60, 250)}
    np.testing.assert_allclose(out["regime_volatility_20d"][day], std[20], rtol=1e-5)
    np.testing.assert_allclose(out["regime_volatility_60d"][day], std[60], rtol=1e-5)
    np.testing.assert_allclose(
        out["regime_volatility_ratio_20_250"][day], np.log(std[20] / std[250]), rtol=1e-4
    )
    square = np.nanmean(known[day - 59 : day + 1] ** 2, axis=1).mean()
    np.testing.assert_allclose(out["regime_correlation_60d"][day], std[60] ** 2 / square, rtol=1e-5)
    dispersion = np.nanstd(known[day - 19 : day + 1], axis=1)
    np.testing.assert_allclose(out["regime_dispersion_1d"][day], dispersion[-1], rtol=1e-5)
    np.testing.assert_allclose(out["regime_dispersion_20d"][day], dispersion.mean(), rtol=1e-5)
    rose = np.array([(row[~np.isnan(row)] > 0).mean() for row in known[day - 19 : day + 1]])
    np.testing.assert_allclose(out["regime_breadth_1d"][day], rose[-1], rtol=1e-5)
    np.testing.assert_allclose(out["regime_breadth_20d"][day], rose.mean(), rtol=1e-5)
    level = np.cumsum(np.nan_to_num(market))
    np.testing.assert_allclose(
        out["regime_drawdown_250d"][day], level[day] - level[day - 249 : day + 1].max(), atol=1e-7
    )
    value = np.array(
        [v[t].mean(dtype=float) for v, t in zip(prices.mean_value, prices.tradable, strict=True) if t.any()]
    )
    np.testing.assert_allclose(
        out["regime_activity_60d"][day], np.log(value[-1] / value[-60:].mean()), rtol=1e-4
    )


def test_the_calendar_is_known_on_every_day_and_nothing_is_infinite() -> None:
    out = regime_columns(prices_of(days=10))
    assert np.array_equal(out["regime_weekday"][:3], np.float32([0, 0.25, 0.5]))
    np.testing.assert_allclose(out["regime_month_cos"], 1)
    assert all(v.dtype == np.float32 and not np.isinf(v).any() for v in out.values())
    assert np.isnan(out["regime_return_1d"][:3]).all()


def test_the_month_is_a_place_on_a_circle_and_a_flat_stock_has_not_risen() -> None:
    close = 20 * np.ones((366, 12)) * np.exp(0.01 * np.arange(12) * np.arange(366)[:, None] % 1)
    close[:, :5] = 20
    prices = check_rows(
        grid_of(close, date(2016, 1, 1)), FeatureOptions(min_traded_value=0, frozen="keep", copies="keep")
    )
    out = regime_columns(prices)
    month = 2 * np.pi * (np.array([day.month for day in prices.calendar]) - 1) / 12
    np.testing.assert_allclose(out["regime_month_sin"], np.sin(month), atol=1e-6)
    np.testing.assert_allclose(out["regime_month_cos"], np.cos(month), atol=1e-6)
    rose = (close[31] > close[30])[prices.tradable[31] & np.isfinite(prices.return_1d[31])]
    assert 0 < rose.mean() < 1 and out["regime_breadth_1d"][31] == np.float32(rose.mean())


def test_where_the_data_begins_moves_no_bit_of_a_day_with_whole_windows() -> None:
    cut = 57
    whole, later = regime_columns(prices_of(days=420)), regime_columns(prices_of(days=420, first=cut))
    # Besides the windows of 250 days: 20 of traded values, which say who is tradable.
    for name, values in later.items():
        np.testing.assert_array_equal(values[270:], whole[name][cut + 270 :], err_msg=name)


def test_a_drawdown_is_unknown_until_three_quarters_of_its_days_exist() -> None:
    returns = np.full((12, 1), 0.1)
    returns[4] = -0.3
    found = drawdown(returns, 8)[:, 0]
    assert np.isnan(found[:5]).all()
    np.testing.assert_allclose(found[5:8], [-0.2, -0.1, 0], atol=1e-15)
    fall = np.concatenate([np.zeros(8), [-0.1], np.full(11, -0.01)])[:, None]
    # Its own day's fall and those of the days after the first of the eight count.
    np.testing.assert_allclose(drawdown(fall, 8)[8:, 0], [-0.1 - 0.01 * k for k in range(7)] + [-0.07] * 5)
