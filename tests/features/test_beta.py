"""Betas and residuals against scipy."""

import numpy as np
from scipy import stats

from atft.features.beta import RESIDUALS, SPANS, beta_features
from atft.features.checked_prices import History
from atft.features.windows import needed


def test_beta_features_equal_scipy(past: History, agrees) -> None:
    r = np.full_like(past.close, np.nan)
    r[1:] = np.log(past.close[1:] / past.close[:-1])
    market = past.market[:, 0]
    yesterday = np.r_[np.nan, market[:-1]]

    def twin(day: int, stock: int) -> dict[str, float]:
        def pair(index: np.ndarray, span: int) -> tuple[np.ndarray, np.ndarray]:
            x, y = (v[max(0, day - span + 1) : day + 1] for v in (index, r[:, stock]))
            both = ~(np.isnan(x) | np.isnan(y))
            return (x[both], y[both]) if both.sum() >= needed(span) else (np.full(3, np.nan),) * 2

        def fit(index: np.ndarray, span: int) -> tuple[float, float, float]:
            x, y = pair(index, span)
            if np.isnan(x).any():
                return np.nan, np.nan, np.nan
            line = stats.linregress(x, y)
            return line.slope, line.rvalue, float((y - line.intercept - line.slope * x).std())

        lines = {k: fit(market, k) for k in SPANS}
        beta = lines[250][0]
        out = {"x_beta_60d": lines[60][0], "x_beta_250d": beta, "x_market_correlation_250d": lines[250][1]}
        out |= {f"x_idiosyncratic_{k}d": lines[k][2] for k in SPANS}
        out["x_residual_1d"] = r[day, stock] - beta * market[day]

        def residual(span: int) -> float:
            x, y = pair(market, span)
            return float((y.mean() - beta * x.mean()) * span)

        out |= {f"x_residual_{k}d": residual(k) for k in RESIDUALS}
        out["x_residual_momentum"] = (residual(250) - residual(20)) / lines[250][2]
        out["x_delay_60d"] = fit(yesterday, 60)[0]
        return out

    agrees(beta_features, twin)


def test_twice_the_market_has_a_beta_of_2_and_no_residual() -> None:
    market = 0.01 * np.random.default_rng(0).standard_normal((300, 1))
    close = np.exp(np.cumsum(2 * market, axis=0))
    double = History(close, close, close, close, close, close, close, np.arange(300.0)[:, None], market)
    with np.errstate(all="ignore"):
        values = dict(beta_features(double))
    np.testing.assert_allclose(values["x_beta_250d"][260:], 2, rtol=1e-9)
    np.testing.assert_allclose(values["x_residual_20d"][260:], 0, atol=1e-9)
