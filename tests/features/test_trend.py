"""Trend lines against scipy."""

import numpy as np
from scipy import stats

from atft.features.history import History
from atft.features.trend import SPANS, trend_features
from atft.features.windows import needed


def test_trend_features_equal_scipy(past: History, agrees) -> None:
    def twin(day: int, stock: int) -> dict[str, float]:
        out = {}
        for span in SPANS:
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
    line = History(close, close, close, close, close, close, close, np.arange(150.0)[:, None], close * 0)
    values = dict(trend_features(line))
    np.testing.assert_allclose(values["x_trend_slope_60d"][60:], 0.01)
    np.testing.assert_allclose(values["x_trend_r2_60d"][60:], 1)
    assert np.isnan(values["x_trend_residual_60d"][60:]).all()
