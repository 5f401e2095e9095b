"""The hidden graph: communities whose members move together, and follow each other's moves a day later.

It shows itself only in return correlations: members share ``community_share`` of their noise. With 60 % and a
trailing window of 60 days nine in ten of a stock's five most correlated ones are members. Sectors are a blurred
picture of it: several communities to a sector, some stocks filed elsewhere, a few nowhere.
"""

import numpy as np
from numpy.typing import NDArray

from atft.market.factors import Array

COMMUNITIES_PER_SECTOR = 3
MISFILED = 0.15
WITHOUT_SECTOR = 0.03


def communities(rng: np.random.Generator, stocks: int, size: int) -> NDArray[np.int64]:
    """Deal the stocks into communities of ``size``, or one more where it does not divide; at random.

    Returns:
        [stocks], the community of each.
    """
    count = max(1, stocks // size)
    return rng.permutation(np.arange(stocks) % count)


def neighbour_mean(values: Array, community: NDArray[np.int64]) -> Array:
    """Mean over a stock's neighbours: the other members of its community, never the stock itself.

    Args:
        values: [days, stocks].
        community: [stocks].

    Returns:
        [days, stocks]; of values with variance 1 the mean over n neighbours has variance 1/n.
    """
    # Sums of sorted runs, not a matrix product: BLAS rounds by the matrix's size, and a longer market must
    # begin with the bits of the shorter one.
    order = np.argsort(community, kind="stable")
    starts = np.searchsorted(community[order], np.arange(community.max() + 1))
    sums = np.add.reduceat(values[:, order], starts, axis=1)[:, community]
    return np.asarray((sums - values) / neighbour_count(community))


def neighbour_count(community: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many neighbours each stock has, [stocks]."""
    return np.bincount(community)[community] - 1


def common_moves(
    rng: np.random.Generator, days: int, community: NDArray[np.int64], degrees_of_freedom: float
) -> Array:
    """Draw the move that each community has in common, white over time and of variance 1; [days, stocks]."""
    return heavy_tailed(rng, days, int(community.max()) + 1, degrees_of_freedom)[:, community]


def heavy_tailed(rng: np.random.Generator, days: int, count: int, degrees_of_freedom: float) -> Array:
    """Draw Student-t noise of variance 1; [days, count]."""
    scale = np.sqrt((degrees_of_freedom - 2) / degrees_of_freedom)
    return np.asarray(scale * rng.standard_t(degrees_of_freedom, (days, count)))


def sectors(rng: np.random.Generator, community: NDArray[np.int64]) -> NDArray[np.int64]:
    """File each stock under a sector; [stocks], -1 for none."""
    sector = community // COMMUNITIES_PER_SECTOR
    stocks = len(community)
    elsewhere = rng.integers(0, sector.max() + 1, stocks)
    sector = np.where(rng.random(stocks) < MISFILED, elsewhere, sector)
    return np.where(rng.random(stocks) < WITHOUT_SECTOR, -1, sector)
