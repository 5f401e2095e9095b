"""The neighbours of each stock on a day, from trailing returns, computed once into the cache.

On the first trading day of each period of ``refresh_days`` weekdays the stocks of the universe are correlated over
the ``window`` days that end that day; the days until the next refresh use that graph. Only returns up to and
including the day are passed in, so the future cannot leak: there is no argument for it. One refresh of 4,100 stocks
costs about 0.1 s on one core, a third of it choosing the k largest of each row.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int16, Int32, Int64

from atft.errors import InputError
from atft.option_types import check_least, check_option_types

STRIPE_ROWS = 128
"""Stocks correlated with all others at a time: their correlations stay in the processor's cache."""
SHRINKAGE_DAYS = 10.0
"""Pseudo-days without correlation that are added to each pair."""
MIN_CORRELATION = 0.0
"""Shrunk correlation above which a stock may be one of the k nearest; a neighbour in the sector needs none."""
MAX_NEIGHBOURS = 10_000
"""Most neighbours of a stock: the cache has a place for each, whether there are so many stocks or not."""
MIN_NORM = 1e-9
"""Length of a stock's centred returns below which they are constant: rounding leaves 1e-17 of their level."""


@dataclass(frozen=True)
class GraphOptions:
    """The neighbours of a stock: those most correlated with it, and the most correlated of its sector.

    Args:
        k: neighbours of each stock: the k most correlated stocks; 0 leaves only sector edges.
        window: trailing trading days over which correlations are computed.
        min_observations: days of the window on which both stocks must have a return.
        refresh_days: weekdays between two choices of neighbours, in periods counted from 1970-01-05; the first
            trading day of each period chooses again.
        sector_k: neighbours by sector: the sector_k most correlated stocks of the same sector, less those that are
            among the k already; a stock without a sector has none.
    """

    k: int = 20
    window: int = 60
    min_observations: int = 40
    refresh_days: int = 5
    sector_k: int = 10

    def __post_init__(self) -> None:
        check_option_types("data.graph", self)
        check_least("data.graph.", self, MAX_NEIGHBOURS, k=0, sector_k=0)
        check_least("data.graph.", self, refresh_days=1)
        if self.k + self.sector_k < 1:
            raise InputError(
                f"data.graph.k and data.graph.sector_k must not both be 0, got {self.k}, {self.sector_k}"
            )
        if not 2 <= self.min_observations <= self.window:
            raise InputError(
                f"data.graph.min_observations must be from 2 to data.graph.window = {self.window}, "
                f"got {self.min_observations}"
            )

    @property
    def width(self) -> int:
        """Neighbours of one stock at most: k, then sector_k."""
        return self.k + self.sector_k


def standardised(
    returns: Float32[np.ndarray, "window stocks"],
) -> tuple[Float32[torch.Tensor, "stocks window"], Float32[torch.Tensor, "stocks window"]]:
    """Centre each stock's returns and give them length 1, so that a dot product is a correlation.

    A day's mean over the stocks is subtracted first, so that the market's common move makes no neighbours.

    Returns:
        The unit vectors (all 0 for a stock whose return is constant), and 1 where a return is known.
    """
    known = np.isfinite(returns)
    # In float64: a sum over thousands of stocks loses digits in float32, and the mean is subtracted from each.
    filled = np.where(known, returns, 0).astype(np.float64)
    filled -= filled.sum(axis=1, keepdims=True) / np.maximum(known.sum(axis=1, keepdims=True), 1)
    filled[~known] = 0
    # A missing day counts as the stock's own mean, 0 once centred: it adds nothing to any dot product.
    filled -= filled.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    filled[~known] = 0
    norm = np.sqrt((filled**2).sum(axis=0))
    # Frozen prices: without the market, all of them would move alike, as its mirror image.
    moves = (np.fmax.reduce(returns, axis=0) > np.fmin.reduce(returns, axis=0)) & (norm > MIN_NORM)
    unit = np.where(moves, filled / np.where(moves, norm, 1), 0).astype(np.float32)
    return torch.from_numpy(unit.T.copy()), torch.from_numpy(known.T.astype(np.float32))


def shrunk_correlation(
    unit: Float32[torch.Tensor, "stocks window"],
    known: Float32[torch.Tensor, "stocks window"],
    rows: Int64[torch.Tensor, " rows"],
    columns: Int64[torch.Tensor, " columns"] | None,
    min_observations: int,
) -> Float32[torch.Tensor, "rows columns"]:
    r"""Correlate some stocks with others: :math:`\rho_{ij}\, n_{ij} / (n_{ij} + \lambda)`.

    ``unit`` and ``known`` are from `standardised`; products of ``known`` count the days :math:`n_{ij}` that a pair
    has together. :math:`\lambda` is `SHRINKAGE_DAYS`. Pairs known together on fewer than ``min_observations`` days,
    constant stocks and a stock with itself are -inf. ``columns`` None are all stocks.
    """
    other, known_other = (unit, known) if columns is None else (unit[columns], known[columns])
    correlation = unit[rows] @ other.T
    together = known[rows] @ known_other.T
    few = together < min_observations
    # In place: the stripe is the largest tensor here, and a copy of it would leave the processor's cache.
    correlation.clamp_(-1, 1).mul_(together)
    correlation.div_(together.add_(SHRINKAGE_DAYS))
    correlation.masked_fill_(few, -torch.inf)
    stocks = torch.arange(len(unit)) if columns is None else columns
    constant = ~unit.any(dim=1)
    if constant.any():
        correlation[constant[rows], :] = -torch.inf
        correlation[:, constant[stocks]] = -torch.inf
    return correlation.masked_fill_(rows[:, None] == stocks[None, :], -torch.inf)


def nearest_stocks(
    returns: Float32[np.ndarray, "window stocks"], sector: Int16[np.ndarray, " stocks"], options: GraphOptions
) -> tuple[Int32[np.ndarray, "stocks width"], Float32[np.ndarray, "stocks width 2"]]:
    """Choose each stock's neighbours from trailing one-day returns only, NaN where unknown; -1 is no sector.

    The last of the ``returns`` are the day's own. Fewer days than ``min_observations`` give no edge.

    Returns:
        Neighbours as indices into the stocks, strongest first, -1 for none: first the k nearest, then the sector_k
        nearest of the same sector, -1 for those that are among the k already. And each edge's shrunk correlation
        and whether the sector is shared (1 or 0); 0 where there is none.
    """
    stocks = returns.shape[1]
    neighbour = torch.full((stocks, options.width), -1, dtype=torch.int64)
    strength = torch.zeros(stocks, options.width)
    if stocks > 1 and returns.shape[0] >= options.min_observations:
        unit, known = standardised(returns)
        count = min(options.k, stocks - 1)
        for rows, correlation in _stripes(unit, known, options.min_observations) if count else ():
            best, index = correlation.topk(count, dim=1)
            close = best > MIN_CORRELATION
            neighbour[rows, :count] = torch.where(close, index, -1)
            strength[rows, :count] = torch.where(close, best, 0)
        for name in np.unique(sector[sector >= 0]) if options.sector_k else ():
            members = torch.from_numpy(np.flatnonzero(sector == name))
            count = min(options.sector_k, len(members) - 1)
            if not count:
                continue
            correlation = shrunk_correlation(unit, known, members, members, options.min_observations)
            best, local = correlation.topk(count, dim=1)
            index = members[local]
            # A peer that is one of the k nearest already has its edge: twice would double its attention.
            nearest = neighbour[members, : options.k]
            added = best.isfinite() & (index[:, :, None] != nearest[:, None, :]).all(dim=-1)
            columns = torch.arange(options.k, options.k + count)
            neighbour[members[:, None], columns] = torch.where(added, index, -1)
            strength[members[:, None], columns] = torch.where(added, best, 0)
    chosen = neighbour.numpy()
    same = (chosen >= 0) & (sector[chosen] == sector[:, None]) & (sector[:, None] >= 0)
    weight = np.stack([strength.numpy(), same.astype(np.float32)], axis=-1)
    return chosen.astype(np.int32), weight


def _stripes(
    unit: torch.Tensor, known: torch.Tensor, min_observations: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield some stocks and their shrunk correlation with all."""
    days = known.sum(dim=1)
    constant = ~unit.any(dim=1)
    # A stock known on every day shares with another all the days that the other is known, so the shrinkage is a
    # weight of the other stock: one matrix product instead of two, for most stocks of a market.
    complete = (days == known.shape[1]) & ~constant
    weighted = unit * (days / (days + SHRINKAGE_DAYS))[:, None]
    barred = constant | (days < min_observations)
    for rows in torch.split(complete.nonzero()[:, 0], STRIPE_ROWS):
        correlation = unit[rows] @ weighted.T
        if barred.any():
            correlation.masked_fill_(barred, -torch.inf)
        correlation[torch.arange(len(rows)), rows] = -torch.inf
        yield rows, correlation
    for rows in torch.split((~complete).nonzero()[:, 0], STRIPE_ROWS):
        yield rows, shrunk_correlation(unit, known, rows, None, min_observations)
