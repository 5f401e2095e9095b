"""Volatility and range against loops over their windows."""

import numpy as np

from atft.features.checked_prices import History
from atft.features.volatility import SPANS, volatility_features


def test_volatility_features_equal_the_slow_twin(past: History, agrees, tail) -> None:
    opened, high, low, close = past.open, past.high, past.low, past.close
    before = np.full_like(close, np.nan)
    before[1:] = close[:-1]
    r, width = np.log(close / before), np.log(high / low)
    garman_klass = 0.5 * width**2 - (2 * np.log(2) - 1) * np.log(close / opened) ** 2
    true_range = np.full_like(close, np.nan)
    for day, stock in np.ndindex(close.shape):
        if not np.isnan(width[day, stock]):
            top = np.nanmax([high[day, stock], before[day, stock]])
            bottom = np.nanmin([low[day, stock], before[day, stock]])
            true_range[day, stock] = (top - bottom) / close[day, stock]
    location = (close - low) / (high - low) - 0.5
    upper = (high - np.maximum(opened, close)) / (high - low)
    lower = (np.minimum(opened, close) - low) / (high - low)

    def twin(day: int, stock: int) -> dict[str, float]:
        def std(span: int) -> float:
            window = tail(r, day, stock, span)
            return float(window.std(ddof=1)) if len(window) > 1 else np.nan

        def mean(x: np.ndarray, span: int) -> float:
            return float(tail(x, day, stock, span).mean())

        out = {f"x_volatility_{k}d": std(k) for k in SPANS}
        out |= {f"x_volatility_ratio_{a}_{b}": np.log(std(a) / std(b)) for a, b in ((5, 60), (20, 250))}
        out["x_downside_share_60d"] = mean(np.minimum(r, 0) ** 2, 60) / mean(r**2, 60)
        out |= {f"x_parkinson_{k}d": np.sqrt(mean(width**2, k) / (4 * np.log(2))) for k in (5, 20)}
        out["x_garman_klass_20d"] = np.sqrt(np.maximum(mean(garman_klass, 20), 0))
        out |= {f"x_true_range_{k}d": mean(true_range, k) for k in (5, 20)}
        out["x_range_1_20"] = np.log(width[day, stock] / mean(width, 20))
        moves = np.abs(tail(r, day, stock, 60))
        out["x_vol_of_vol_60d"] = moves.std(ddof=1) / moves.mean() if len(moves) > 1 else np.nan
        out["x_close_location_1d"] = location[day, stock]
        out |= {f"x_close_location_{k}d": mean(location, k) for k in (5, 20)}
        out |= {"x_upper_shadow_5d": mean(upper, 5), "x_lower_shadow_5d": mean(lower, 5)}
        return out

    agrees(volatility_features, twin)
