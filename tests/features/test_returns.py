"""Returns against closes looked up one by one, and their path against loops over its windows."""

import numpy as np
from scipy import stats

from atft.features.checked_prices import History
from atft.features.returns import LAGS, PARTS, SKIPS, SPANS, path_features, return_features


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


def test_path_features_equal_the_slow_twin(past: History, agrees, tail) -> None:
    r = np.full_like(past.close, np.nan)
    r[1:] = np.log(past.close[1:] / past.close[:-1])
    before = np.full_like(r, np.nan)
    before[1:] = r[:-1]

    def twin(day: int, stock: int) -> dict[str, float]:
        def window(span: int) -> np.ndarray:
            return np.asarray(tail(r, day, stock, span))

        out = {
            f"x_up_days_{k}d": np.nan if np.isnan(window(k)).any() else (window(k) > 0).mean()
            for k in (5, 10, 20, 60)
        }
        run, sign = 0, np.sign(r[day, stock])
        while run < 10 and day - run >= 0 and sign != 0 and np.sign(r[day - run, stock]) == sign:
            run += 1
        out["x_streak"] = run * sign
        for k in (10, 20, 60):
            out[f"x_efficiency_{k}d"] = window(k).sum() / np.abs(window(k)).sum()
        for k in (5, 14):
            out[f"x_rsi_{k}d"] = np.maximum(window(k), 0).sum() / np.abs(window(k)).sum()
        for k in (5, 20):
            out[f"x_max_return_{k}d"] = window(k).max()
            out[f"x_min_return_{k}d"] = window(k).min()
        with np.errstate(all="ignore"):
            for k in (20, 60, 250):
                out[f"x_skew_{k}d"] = stats.skew(window(k)) if len(window(k)) > 1 else np.nan
            out["x_kurtosis_60d"] = stats.kurtosis(window(60)) if len(window(60)) > 1 else np.nan
        a, b = before[max(0, day - 59) : day + 1, stock], r[max(0, day - 59) : day + 1, stock]
        both = ~(np.isnan(a) | np.isnan(b))
        enough = both.sum() >= 45
        out["x_autocorrelation_60d"] = np.corrcoef(a[both], b[both])[0, 1] if enough else np.nan
        return out

    agrees(path_features, twin)


def test_a_price_that_never_moves_has_a_streak_of_0_and_no_efficiency() -> None:
    still = np.full((80, 1), 7.0)
    flat = History(*[still] * 8, np.arange(80.0)[:, None], still * 0)
    with np.errstate(all="ignore"):
        values = dict(path_features(flat))
    assert (values["x_streak"][1:] == 0).all() and (values["x_up_days_5d"][5:] == 0).all()
    assert np.isnan(values["x_efficiency_20d"]).all()
    assert np.isnan(values["x_rsi_14d"]).all()
