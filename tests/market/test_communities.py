"""Communities are the hidden graph; no stock is its own neighbour."""

import numpy as np

from atft.market.communities import (
    communities,
    heavy_tailed,
    neighbour_count,
    neighbour_mean,
    sectors,
)


def test_communities_have_the_stated_size_or_one_more() -> None:
    community = communities(np.random.default_rng(0), 200, 11)
    sizes = np.bincount(community)
    assert len(sizes) == 18
    assert set(sizes) == {11, 12}
    np.testing.assert_array_equal(neighbour_count(community), sizes[community] - 1)


def test_the_neighbour_mean_is_the_mean_over_the_others_of_the_community() -> None:
    rng = np.random.default_rng(1)
    community = communities(rng, 23, 5)
    values = rng.standard_normal((4, 23))
    expected = np.empty_like(values)
    for stock in range(23):
        others = [s for s in range(23) if community[s] == community[stock] and s != stock]
        expected[:, stock] = values[:, others].mean(1)
    np.testing.assert_allclose(neighbour_mean(values, community), expected, atol=1e-12)


def test_heavy_tails_have_unit_variance_and_more_than_normal_extremes() -> None:
    noise = heavy_tailed(np.random.default_rng(4), 1_000, 200, 6.0)
    assert abs(noise.std() - 1) < 0.01
    assert (noise**4).mean() > 4


def test_sectors_are_a_blurred_picture_of_the_communities() -> None:
    community = communities(np.random.default_rng(5), 2_000, 10)
    sector = sectors(np.random.default_rng(6), community)
    agrees = (sector == community // 3).mean()
    assert 0.75 < agrees < 0.9
    assert 0.01 < (sector == -1).mean() < 0.06
    misfiled = sector[(sector != community // 3) & (sector >= 0)]
    # Two hundred communities, three to a sector: the others are filed anywhere among 67.
    assert len(set(misfiled)) > 60 and (misfiled.min(), misfiled.max()) == (0, 66)
