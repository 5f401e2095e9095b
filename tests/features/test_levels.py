"""Averages, lines and extremes against loops over their windows and against scipy."""

import numpy as np
from scipy import stats

from atft.features.checked_prices import History
from atft.features.levels import (
    AVERAGES,
    CROSSES,
    EXTREMES,
    STOCHASTICS,
    TRENDS,
    average_features,
    position_features,
    trend_features,
)
from atft.features.windows import needed


def test_average_features_equal_the_slow_twin(past: History, agrees, tail) -> None:
    def twin(day: int, stock: int) -> dict[str, float]:
        def mean(span: int, back: int = 0) -> float:
            return float(tail(past.close, day - back, stock, span).mean()) if day >= back else np.nan

        now = past.close[day, stock]
        out = {f"x_average_distance_{k}d": np.log(now / mean(k)) for k in AVERAGES}
        out |= {f"x_average_cross_{a}_{b}": np.log(mean(a) / mean(b)) for a, b in CROSSES}
        out |= {f"x_average_slope_{k}d": np.log(mean(k) / mean(k, 5)) for k in (20, 100)}
        for k in (10, 20, 60):
            window = tail(past.close, day, stock, k)
            out[f"x_bollinger_{k}d"] = (
                (now - window.mean()) / window.std(ddof=1) if len(window) > 1 else np.nan
            )
        return out

    agrees(average_features, twin)


def test_trend_features_equal_scipy(past: History, agrees) -> None:
    def twin(day: int, stock: int) -> dict[str, float]:
        out = {}
        for span in TRENDS:
            days = np.arange(max(0, day - span + 1), day + 1)
            y = np.log(past.close[days, stock])
            known = ~np.isnan(y)
            slope = r2 = residual = np.nan
            if known.sum() >= needed(span):
                fit = stats.linregress(days[known], y[known])
                left = y - fit.intercept - fit.slope * days
                slope, r2, residual = fit.slope, fit.rvalue**2, left[-1] / left[known].std()
            out |= {
                f"x_trend_slope_{span}d": slope,
                f"x_trend_r2_{span}d": r2,
                f"x_trend_residual_{span}d": residual,
            }
        return out

    agrees(trend_features, twin)


def test_a_price_on_a_straight_line_has_slope_r2_1_and_no_residual() -> None:
    close = np.exp(0.01 * np.arange(150.0))[:, None]
    names = ("open", "high", "low", "close", "volume", "raw_close", "raw_volume", "age")
    prices = dict.fromkeys(names, close)
    past = History(**prices, day=np.arange(150.0)[:, None], market=close * 0)
    values = dict(trend_features(past))
    np.testing.assert_allclose(values["x_trend_slope_60d"][60:], 0.01)
    np.testing.assert_allclose(values["x_trend_r2_60d"][60:], 1)
    assert np.isnan(values["x_trend_residual_60d"][60:]).all()


def test_position_features_equal_the_slow_twin(past: History, agrees, tail) -> None:
    high = np.where(np.isnan(past.high), past.close, past.high)
    low = np.where(np.isnan(past.low), past.close, past.low)

    def age(x: np.ndarray, day: int, stock: int, span: int) -> float:
        window = x[max(0, day - span + 1) : day + 1, stock]
        if np.isnan(tail(x, day, stock, span)).any():
            return np.nan
        return float(np.nanargmax(window[::-1]) / span)

    def twin(day: int, stock: int) -> dict[str, float]:
        now = past.close[day, stock]
        out = {}
        for k in STOCHASTICS:
            top, bottom = tail(high, day, stock, k).max(), tail(low, day, stock, k).min()
            out[f"x_stochastic_{k}d"] = (now - bottom) / (top - bottom)
        for k in EXTREMES:
            window = tail(past.close, day, stock, k)
            out |= {f"x_high_distance_{k}d": np.log(now / window.max())}
            out |= {f"x_low_distance_{k}d": np.log(now / window.min())}
        for k in (60, 250):
            out[f"x_high_age_{k}d"] = age(past.close, day, stock, k)
            out[f"x_low_age_{k}d"] = age(-past.close, day, stock, k)
        return out

    agrees(position_features, twin)


def test_the_stochastic_position_lies_between_0_and_1(past: History) -> None:
    with np.errstate(all="ignore"):
        values = dict(position_features(past))
    for span in STOCHASTICS:
        position = values[f"x_stochastic_{span}d"]
        assert np.nanmin(position) >= 0
        assert np.nanmax(position) <= 1
