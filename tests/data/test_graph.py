import numpy as np
import pytest

from atft.data.graph import GraphOptions, nearest_stocks
from atft.errors import InputError

PLAIN = GraphOptions(
    k=4, window=40, min_observations=20, threshold=-1.0, sector_k=0, shrinkage=0.0, market_neutral=False
)


def _returns(days: int = 40, stocks: int = 30, missing: float = 0.0, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((days, 3)) @ rng.standard_normal((3, stocks))
    returns = (0.01 * (common + rng.standard_normal((days, stocks)))).astype(np.float32)
    returns[rng.random(returns.shape) < missing] = np.nan
    return returns


NO_SECTOR = np.full(30, -1, dtype=np.int16)


def test_neighbours_on_full_data_are_the_largest_of_numpys_corrcoef() -> None:
    returns = _returns()
    neighbour, weight = nearest_stocks(returns, NO_SECTOR, PLAIN)
    oracle = np.corrcoef(returns.T.astype(np.float64))
    np.fill_diagonal(oracle, -np.inf)
    want = np.argsort(-oracle, axis=1)[:, :4]
    np.testing.assert_array_equal(neighbour, want)
    np.testing.assert_allclose(weight[..., 0], np.take_along_axis(oracle, want, axis=1), atol=1e-6)
    assert not weight[..., 1].any()


def test_shrinkage_and_market_neutrality_follow_their_formulas() -> None:
    returns = _returns()
    options = GraphOptions(k=4, window=40, min_observations=20, threshold=-1.0, sector_k=0, shrinkage=10.0)
    neighbour, weight = nearest_stocks(returns, NO_SECTOR, options)
    neutral = returns.astype(np.float64) - returns.mean(axis=1, keepdims=True)
    oracle = np.corrcoef(neutral.T) * 40 / (40 + 10)
    np.testing.assert_allclose(
        weight[..., 0], np.take_along_axis(oracle, neighbour.astype(int), axis=1), atol=1e-6
    )


def test_a_missing_day_counts_as_the_stocks_own_mean() -> None:
    returns = _returns(missing=0.15)
    options = GraphOptions(
        k=4, window=40, min_observations=20, threshold=-1.0, sector_k=0, shrinkage=5.0, market_neutral=False
    )
    neighbour, weight = nearest_stocks(returns, NO_SECTOR, options)
    known = ~np.isnan(returns)
    filled = np.where(known, returns - np.nanmean(returns, axis=0), 0).astype(np.float64)
    together = known.T.astype(float) @ known
    oracle = (filled.T @ filled) / np.outer(*[np.linalg.norm(filled, axis=0)] * 2) * together / (together + 5)
    oracle[together < 20] = -np.inf
    np.fill_diagonal(oracle, -np.inf)
    np.testing.assert_array_equal(neighbour, np.argsort(-oracle, axis=1)[:, :4])
    np.testing.assert_allclose(weight[..., 0], -np.sort(-oracle, axis=1)[:, :4], atol=1e-6)


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
    options = GraphOptions(k=4, window=40, min_observations=20, sector_k=3, shrinkage=0, market_neutral=False)
    neighbour, weight = nearest_stocks(returns, sector, options)
    oracle = np.corrcoef(returns.T.astype(np.float64))
    np.fill_diagonal(oracle, -np.inf)
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


def test_the_threshold_cuts_weak_edges_and_spares_the_sectors() -> None:
    returns = _returns()
    sector = np.zeros(30, dtype=np.int16)
    options = GraphOptions(k=4, window=40, min_observations=20, sector_k=3, threshold=0.5)
    neighbour, weight = nearest_stocks(returns, sector, options)
    chosen = weight[:, :4, 0][neighbour[:, :4] >= 0]
    assert (chosen > 0.5).all()
    assert (neighbour[:, :4] == -1).any()
    assert (neighbour >= 0).any(axis=1).all()


def test_stocks_that_cannot_be_correlated_have_no_edge_in_either_direction() -> None:
    returns = _returns()
    returns[:, 3] = 0.01
    returns[:25, 7] = np.nan
    returns[:, 9] = np.nan
    neighbour, weight = nearest_stocks(returns, np.zeros(30, np.int16), GraphOptions(4, 40, 20, 0.0, 5, 3))
    assert (neighbour[[3, 7, 9]] == -1).all()
    assert not np.isin(neighbour, [3, 7, 9]).any()
    assert np.isfinite(weight).all()
    assert (weight[neighbour < 0] == 0).all()


@pytest.mark.parametrize("returns", [_returns(days=10), _returns(stocks=30)[:, :1]], ids=["short", "alone"])
def test_too_little_history_or_company_gives_no_edge(returns: np.ndarray) -> None:
    neighbour, _ = nearest_stocks(returns, np.zeros(returns.shape[1], np.int16), PLAIN)
    assert (neighbour == -1).all()


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
        {"threshold": 2.0},
        {"shrinkage": -1.0},
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(InputError, match="graph"):
        GraphOptions(**options)
