"""Market- and sector-relative features against loops over a day's stocks."""

import numpy as np

from atft.features.relative import (
    MIN_PEERS,
    PEERS,
    VS_MARKET,
    VS_SECTOR,
    day_means,
    group_sums,
    relative_features,
    relative_names,
)

DAYS, STOCKS = 4, 24


def test_relative_features_equal_loops_over_the_other_stocks() -> None:
    rng = np.random.default_rng(0)
    names = dict.fromkeys((*VS_MARKET, *VS_SECTOR, *PEERS))
    base = {f"x_{n}": rng.standard_normal((DAYS, STOCKS)).astype(np.float32) for n in names}
    for values in base.values():
        values[rng.random(values.shape) < 0.1] = np.nan
    tradable = rng.random((DAYS, STOCKS)) < 0.9
    # Sector 2 is too small to be compared with.
    sector = np.tile(np.r_[np.zeros(10), np.ones(9), 2, 2, 2, -1, -1].astype(np.int32), (DAYS, 1))
    out = relative_features(base, tradable, sector, 3)
    assert list(out) == relative_names()
    small = 0
    for day, stock in np.ndindex(DAYS, STOCKS):
        for name in names:
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
            if name in VS_SECTOR:
                np.testing.assert_allclose(out[f"x_{name}_vs_sector"][day, stock], own - peers, atol=1e-6)
            if name in PEERS:
                seen = np.nan if np.isnan(own) else peers
                np.testing.assert_allclose(out[f"x_peers_{name}"][day, stock], seen, atol=1e-6)
    assert small > 0


def test_without_sectors_the_peers_are_all_other_stocks() -> None:
    names = dict.fromkeys((*VS_MARKET, *VS_SECTOR, *PEERS))
    base = {f"x_{n}": np.arange(4, dtype=np.float32)[None] for n in names}
    out = relative_features(base, np.ones((1, 4), dtype=bool), np.full((1, 4), -1, np.int32), 0)
    np.testing.assert_allclose(out["x_peers_return_1d"][0], [2, 5 / 3, 4 / 3, 1], rtol=1e-6)


def test_a_day_with_one_stock_has_no_peers() -> None:
    names = dict.fromkeys((*VS_MARKET, *VS_SECTOR, *PEERS))
    base = {f"x_{n}": np.ones((1, 1), dtype=np.float32) for n in names}
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
