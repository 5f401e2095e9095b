"""Places in a window against loops over it."""

import numpy as np

from atft.features.history import History
from atft.features.position import EXTREMES, SPANS, position_features


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
        for k in SPANS:
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
    for span in SPANS:
        place = values[f"x_stochastic_{span}d"]
        assert np.nanmin(place) >= 0
        assert np.nanmax(place) <= 1
