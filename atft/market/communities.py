"""The hidden graph: communities whose members move together, and follow each other's moves a day later.

It shows only in return correlations: with 60 % of their noise in common and a trailing window of 60 days, nine in
ten of a stock's five most correlated ones are members. Sectors are a blurred picture of it: several communities to
a sector, some stocks filed elsewhere, a few nowhere. A community is int64 [stocks], the number of each stock's.
"""

import numpy as np
from numpy.typing import NDArray

from atft.market.series import Array

COMMUNITIES_PER_SECTOR = 3
MISFILED_SHARE = 0.15
WITHOUT_SECTOR_SHARE = 0.03
Community = NDArray[np.int64]


def communities(rng: np.random.Generator, stocks: int, size: int) -> Community:
    """Divide the stocks at random into communities of ``size``, or one more where it does not divide."""
    count = max(1, stocks // size)
    return rng.permutation(np.arange(stocks) % count)


def neighbour_mean(values: Array, community: Community) -> Array:
    """Mean of ``values`` [days, stocks] over the other members of each stock's community.

    Of values with variance 1 the mean over n neighbours has variance 1/n.
    """
    # Sums of sorted runs, not a matrix product: BLAS rounds by the matrix's size, and a longer market must
    # begin with the bits of the shorter one.
    order = np.argsort(community, kind="stable")
    starts = np.searchsorted(community[order], np.arange(community.max() + 1))
    sums = np.add.reduceat(values[:, order], starts, axis=1)[:, community]
    return np.asarray((sums - values) / neighbour_count(community))


def neighbour_count(community: Community) -> NDArray[np.int64]:
    """How many neighbours each stock has."""
    return np.bincount(community)[community] - 1


def heavy_tailed(rng: np.random.Generator, days: int, count: int, degrees_of_freedom: float) -> Array:
    """Draw Student-t noise of variance 1; [days, count]."""
    scale = np.sqrt((degrees_of_freedom - 2) / degrees_of_freedom)
    return np.asarray(scale * rng.standard_t(degrees_of_freedom, (days, count)))


def sectors(rng: np.random.Generator, community: Community) -> NDArray[np.int64]:
    """File each stock under a sector; [stocks], -1 for none."""
    sector = community // COMMUNITIES_PER_SECTOR
    stocks = len(community)
    elsewhere = rng.integers(0, sector.max() + 1, stocks)
    sector = np.where(rng.random(stocks) < MISFILED_SHARE, elsewhere, sector)
    return np.where(rng.random(stocks) < WITHOUT_SECTOR_SHARE, -1, sector)
