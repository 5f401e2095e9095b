"""Betas against scipy, market- and sector-relative features against loops over a day's stocks."""

import numpy as np
from scipy import stats

from atft.features.checked_prices import History, day_means, group_sums
from atft.features.relative import (
    MIN_PEERS,
    PEERS,
    RESIDUALS,
    SPANS,
    VS_MARKET,
    VS_SECTOR,
    beta_features,
    relative_features,
)
from atft.features.windows import needed

DAYS, STOCKS = 4, 24


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
    double = History(*[close] * 8, np.arange(300.0)[:, None], market)
    with np.errstate(all="ignore"):
        values = dict(beta_features(double))
    np.testing.assert_allclose(values["x_beta_250d"][260:], 2, rtol=1e-9)
    np.testing.assert_allclose(values["x_residual_20d"][260:], 0, atol=1e-9)


def test_relative_features_equal_loops_over_the_other_stocks() -> None:
    rng = np.random.default_rng(0)
    base = {f"x_{n}": rng.standard_normal((DAYS, STOCKS)).astype(np.float32) for n in VS_SECTOR}
    for values in base.values():
        values[rng.random(values.shape) < 0.1] = np.nan
    tradable = rng.random((DAYS, STOCKS)) < 0.9
    # Sector 2 is too small to be compared with.
    sector = np.tile(np.r_[np.zeros(10), np.ones(9), 2, 2, 2, -1, -1].astype(np.int32), (DAYS, 1))
    out = relative_features(base, tradable, sector, 3)
    against = [*(f"{n}_vs_market" for n in VS_MARKET), *(f"{n}_vs_sector" for n in VS_SECTOR)]
    assert list(out) == [f"x_{n}" for n in (*against, *(f"peers_{n}" for n in PEERS))]
    small = 0
    for day, stock in np.ndindex(DAYS, STOCKS):
        for name in VS_SECTOR:
            value = base[f"x_{name}"].astype(float)
            known = tradable[day] & ~np.isnan(value[day])
            others = known & (np.arange(STOCKS) != stock)
            near = others & (sector[day] == sector[day, stock])
            enough = sector[day, stock] >= 0 and near.sum() >= MIN_PEERS
            small += not enough
            peers = value[day, near if enough else others].mean()
            own = value[day, stock]
            if name in VS_MARKET:
                mean = value[day, known].mean()
                np.testing.assert_allclose(out[f"x_{name}_vs_market"][day, stock], own - mean, atol=1e-6)
            np.testing.assert_allclose(out[f"x_{name}_vs_sector"][day, stock], own - peers, atol=1e-6)
            if name in PEERS:
                seen = np.nan if np.isnan(own) else peers
                np.testing.assert_allclose(out[f"x_peers_{name}"][day, stock], seen, atol=1e-6)
    assert small > 0


def test_without_sectors_the_peers_are_all_other_stocks() -> None:
    base = {f"x_{n}": np.arange(4, dtype=np.float32)[None] for n in VS_SECTOR}
    out = relative_features(base, np.ones((1, 4), dtype=bool), np.full((1, 4), -1, np.int32), 0)
    np.testing.assert_allclose(out["x_peers_return_1d"][0], [2, 5 / 3, 4 / 3, 1], rtol=1e-6)


def test_a_day_with_one_stock_has_no_peers() -> None:
    base = {f"x_{n}": np.ones((1, 1), dtype=np.float32) for n in VS_SECTOR}
    out = relative_features(base, np.ones((1, 1), dtype=bool), np.zeros((1, 1), np.int32), 1)
    assert np.isnan(out["x_peers_return_1d"]).all()
    assert (out["x_return_5d_vs_market"] == 0).all()


def test_day_means_count_what_is_known_and_counts() -> None:
    values = np.array([[1, 2, np.nan, 4], [np.nan, 1, 1, 1.0]])
    count = np.array([[True, True, True, False], [True, False, False, False]])
    assert np.array_equal(day_means(values, count), [1.5, np.nan], equal_nan=True)


def test_a_stock_without_a_value_leaves_no_trace_in_the_bits_of_a_mean() -> None:
    values = np.random.default_rng(0).standard_normal((5, 40))
    wide = np.insert(values, [0, 7, 40], np.nan, axis=1)
    few, many = np.ones(values.shape, dtype=bool), np.ones(wide.shape, dtype=bool)
    assert np.array_equal(day_means(values, few), day_means(wide, many))


def test_group_sums_pass_over_stocks_without_a_group() -> None:
    values, group = np.array([[1.0, 2, 4, np.nan]]), np.array([[0, 1, -1, 1]])
    total, n = group_sums(values, np.ones((1, 4), dtype=bool), group, 3)
    assert np.array_equal(total, [[1, 2, 0]])
    assert np.array_equal(n, [[1, 1, 0]])
