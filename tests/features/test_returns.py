"""Returns against closes looked up one by one."""

import numpy as np

from atft.features.checked_prices import History
from atft.features.returns import LAGS, PARTS, SKIPS, SPANS, return_features


def test_returns_gaps_and_momentum_equal_the_slow_twin(past: History, agrees, tail) -> None:
    close, opened = past.close, past.open

    def at(x: np.ndarray, day: int, stock: int) -> float:
        return float(x[day, stock]) if day >= 0 else np.nan

    gap = np.full_like(close, np.nan)
    gap[1:] = np.log(opened[1:] / close[:-1])
    intraday = np.log(close / opened)

    def twin(day: int, stock: int) -> dict[str, float]:
        def change(newer: int, older: int) -> float:
            return float(np.log(at(close, day - newer, stock) / at(close, day - older, stock)))

        out = {f"x_return_{k}d": change(0, k) for k in SPANS}
        out |= {f"x_return_1d_lag{k}": change(k, k + 1) for k in LAGS}
        out |= {f"x_momentum_{a}_{b}": change(b, a) for a, b in SKIPS}
        out |= {f"x_season_{k}d": change(250 - k, 250) for k in (5, 20)}
        out |= {"x_gap_1d": gap[day, stock], "x_intraday_1d": intraday[day, stock]}
        for k in PARTS:
            out[f"x_gap_{k}d"] = tail(gap, day, stock, k).mean()
            out[f"x_intraday_{k}d"] = tail(intraday, day, stock, k).mean()
        out["x_tug_20d"] = out["x_gap_20d"] - out["x_intraday_20d"]
        return out

    agrees(return_features, twin)


def test_a_gap_and_the_day_after_it_add_up_to_the_return(past: History) -> None:
    values = dict(return_features(past))
    whole = values["x_gap_1d"] + values["x_intraday_1d"]
    both = ~np.isnan(whole)
    np.testing.assert_allclose(whole[both], values["x_return_1d"][both], atol=1e-12)
