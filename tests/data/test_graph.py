import numpy as np
import pytest

from atft.data.graph import SHRINKAGE_DAYS, GraphOptions, nearest_stocks
from atft.errors import InputError

PLAIN = GraphOptions(k=4, window=40, min_observations=20, sector_k=0)


def _returns(days: int = 40, stocks: int = 30, missing: float = 0.0, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((days, 3)) @ rng.standard_normal((3, stocks))
    returns = (0.01 * (common + rng.standard_normal((days, stocks)))).astype(np.float32)
    returns[rng.random(returns.shape) < missing] = np.nan
    return returns


NO_SECTOR = np.full(30, -1, dtype=np.int16)


def _oracle(returns: np.ndarray, min_observations: int = 20) -> np.ndarray:
    """Shrunk correlation of every pair by its formula, in loops over what numpy knows; -inf where there is none."""
    known = ~np.isnan(returns)
    neutral = returns.astype(np.float64) - np.nanmean(returns, axis=1, keepdims=True, dtype=np.float64)
    filled = np.where(known, neutral - np.nanmean(neutral, axis=0), 0)
    together = known.T.astype(float) @ known
    length = np.linalg.norm(filled, axis=0)
    oracle = (filled.T @ filled) / np.outer(length, length) * together / (together + SHRINKAGE_DAYS)
    oracle[together < min_observations] = -np.inf
    np.fill_diagonal(oracle, -np.inf)
    return oracle


def test_without_shrinkage_the_oracle_of_full_data_is_numpys_corrcoef() -> None:
    returns = _returns().astype(np.float64)
    neutral = returns - returns.mean(axis=1, keepdims=True)
    oracle = _oracle(_returns()) * (40 + SHRINKAGE_DAYS) / 40
    np.fill_diagonal(oracle, 1)
    np.testing.assert_allclose(oracle, np.corrcoef(neutral.T), atol=1e-6)


@pytest.mark.parametrize("missing", [0.0, 0.15])
def test_neighbours_are_the_largest_shrunk_correlations_without_the_market(missing: float) -> None:
    returns = _returns(missing=missing)
    neighbour, weight = nearest_stocks(returns, NO_SECTOR, PLAIN)
    oracle = _oracle(returns)
    want = np.argsort(-oracle, axis=1)[:, :4]
    strength = np.take_along_axis(oracle, want, axis=1)
    np.testing.assert_array_equal(neighbour, np.where(strength > 0, want, -1))
    np.testing.assert_allclose(weight[..., 0], np.maximum(strength, 0), atol=1e-6)
    assert not weight[..., 1].any()


def test_permuting_the_stocks_permutes_the_graph() -> None:
    returns = _returns(missing=0.05)
    sector = (np.arange(30) % 4 - 1).astype(np.int16)
    options = GraphOptions(k=4, window=40, min_observations=20, sector_k=3)
    neighbour, weight = nearest_stocks(returns, sector, options)
    order = np.random.default_rng(1).permutation(30)
    place = np.argsort(order)
    moved, moved_weight = nearest_stocks(np.ascontiguousarray(returns[:, order]), sector[order], options)
    want = np.where(neighbour[order] >= 0, place[neighbour[order]], -1)
    np.testing.assert_array_equal(moved, want)
    np.testing.assert_allclose(moved_weight, weight[order], atol=1e-6)


def test_sector_neighbours_are_the_strongest_of_the_sector_and_never_repeated() -> None:
    returns = _returns()
    sector = (np.arange(30) % 4 - 1).astype(np.int16)
    options = GraphOptions(k=4, window=40, min_observations=20, sector_k=3)
    neighbour, weight = nearest_stocks(returns, sector, options)
    oracle = _oracle(returns)
    for stock in range(30):
        near, peers = neighbour[stock, :4], neighbour[stock, 4:]
        real = neighbour[stock][neighbour[stock] >= 0]
        assert len(set(real.tolist())) == len(real)
        if sector[stock] < 0:
            assert (peers == -1).all()
            assert not weight[stock, :, 1].any()
        else:
            same = np.flatnonzero(sector == sector[stock])
            best = same[np.argsort(-oracle[stock, same])][:3]
            assert set(peers[peers >= 0].tolist()) == set(best.tolist()) - set(near.tolist())
            flags = (sector[neighbour[stock]] == sector[stock]) & (neighbour[stock] >= 0)
            np.testing.assert_array_equal(weight[stock, :, 1], flags)


def test_the_nearest_correlate_positively_and_peers_of_the_sector_need_not() -> None:
    returns = _returns(stocks=6)
    options = GraphOptions(k=5, window=40, min_observations=20, sector_k=3)
    neighbour, weight = nearest_stocks(returns, np.zeros(6, dtype=np.int16), options)
    assert (weight[:, :5, 0][neighbour[:, :5] >= 0] > 0).all() and (neighbour[:, :5] == -1).any()
    assert (weight[:, 5:, 0][neighbour[:, 5:] >= 0] < 0).all() and (neighbour[:, 5:] >= 0).any()


def test_stocks_that_cannot_be_correlated_have_no_edge_in_either_direction() -> None:
    returns = _returns()
    returns[:, 3] = 0.01
    returns[:, 7] = returns[:, 8]  # alike on the few days that it has
    returns[:25, 7] = np.nan
    returns[:, 9] = np.nan
    # All others may be neighbours.
    neighbour, weight = nearest_stocks(returns, np.zeros(30, np.int16), GraphOptions(29, 40, 20, 5, 29))
    assert (neighbour[[3, 7, 9]] == -1).all()
    assert not np.isin(neighbour, [3, 7, 9]).any()
    assert np.isfinite(weight).all()
    assert (weight[neighbour < 0] == 0).all()


@pytest.mark.parametrize("returns", [_returns(days=10), _returns(stocks=30)[:, :1]], ids=["short", "alone"])
def test_too_little_history_or_company_gives_no_edge(returns: np.ndarray) -> None:
    neighbour, _ = nearest_stocks(returns, np.zeros(returns.shape[1], np.int16), PLAIN)
    assert (neighbour == -1).all()


def test_a_stock_of_just_enough_days_has_neighbours_and_is_one() -> None:
    returns = _returns()
    returns[:, 7] = returns[:, 8]
    returns[:20, 7] = np.nan
    neighbour, _ = nearest_stocks(returns, NO_SECTOR, GraphOptions(29, 40, 20, 5, 0))
    assert neighbour[7, 0] == 8 and 7 in neighbour[8]


def test_sectors_smaller_than_their_neighbours_are_all_neighbours() -> None:
    sector = np.repeat(np.arange(4, dtype=np.int16), (1, 2, 3, 24))
    neighbour, weight = nearest_stocks(_returns(), sector, GraphOptions(0, 40, 20, 5, 5))
    for members in ([0], [1, 2], [3, 4, 5]):
        for stock in members:
            others = sorted(set(members) - {stock})
            assert sorted(neighbour[stock][neighbour[stock] >= 0].tolist()) == others
            assert weight[stock, :, 1].sum() == len(others)


def test_either_kind_of_neighbours_alone_and_a_refresh_each_day_are_options() -> None:
    for k, sector_k in ((1, 0), (0, 1), (5, 5)):
        assert GraphOptions(k=k, sector_k=sector_k, refresh_days=1).width == k + sector_k


def test_fewer_stocks_than_k_is_no_error() -> None:
    neighbour, _ = nearest_stocks(np.ascontiguousarray(_returns()[:, :3]), np.zeros(3, np.int16), PLAIN)
    assert neighbour.shape == (3, 4)
    assert (neighbour[:, 2:] == -1).all()


@pytest.mark.parametrize(
    "options",
    [
        {"k": 0, "sector_k": 0},
        {"k": -1},
        {"window": 10, "min_observations": 20},
        {"refresh_days": 0},
    ],
)
def test_options_out_of_range_raise(options: dict[str, int]) -> None:
    with pytest.raises(InputError, match="graph"):
        GraphOptions(**options)


def test_a_number_of_neighbours_below_zero_is_named() -> None:
    for name in ("k", "sector_k"):
        for number in (-1, 2**63 - 1):
            bounds = rf"data\.graph\.{name} must be at least 0 and at most 10,000, got {number}"
            with pytest.raises(InputError, match=bounds):
                GraphOptions(**{name: number})
    with pytest.raises(InputError, match="must not both be 0, got 0, 0"):
        GraphOptions(k=0, sector_k=0)
