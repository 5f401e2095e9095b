"""Assemble a planned block into a `DayBatch`: copies of whole rows out of mapped days, nothing computed.

The block's stocks are the union of its days' universes; their rows are taken from each day of the span into
one tensor. At 1,300 stocks of 3,000, 32 features and a span of 63 days that is a few milliseconds. This module
is what a spawned worker imports: numpy, pyarrow and torch, nothing heavier.
"""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor
from torch.utils.data import Dataset

from atft.batch import EDGE_FEATURES, DayBatch
from atft.data.block_plan import PlannedBlock
from atft.data.cache import DayCache
from atft.data.joined_days import join_days
from atft.data.purge import RowPurge, valid_labels
from atft.data.records import Array, spread
from atft.data.row_finder import RowFinder
from atft.data.shared_buffers import SharedBuffers
from atft.errors import InputError, counted


class DayBlocks(Dataset[DayBatch]):
    """Blocks of a cache, whose days read ``lookback`` days of history, themselves included.

    None of a day's targets of a horizon is valid where fewer than ``min_stocks`` are known and not purged.
    """

    def __init__(
        self, cache: DayCache, lookback: int, min_stocks: int = 0, purge: RowPurge | None = None
    ) -> None:
        self.cache, self.lookback, self.min_stocks, self.purge = cache, lookback, min_stocks, purge
        self.buffers: SharedBuffers | None = None
        """Of the main process, where this is a worker's."""
        self.pinned = False
        """Read features into pinned memory."""

    def one_day(self, day: int) -> DayBatch:
        """Read the block of one day of the cache's calendar, with its whole universe."""
        rows = self.cache.manifest.universe_rows[day]
        return self[PlannedBlock(first_day=day, days=1, rows=rows, weight=(1.0,), closes_step=True)]

    def span_of(self, block: PlannedBlock) -> tuple[int, int, int]:
        """First day of the block's history, first day of the block, and the day after it.

        Raises:
            InputError: the block's first day has too little history.
        """
        first = block.first_day
        start = first - self.lookback + 1
        if start < 0:
            raise InputError(
                f"day {self.cache.manifest.dates[first]} has {counted(first + 1, 'day')} of history, "
                "lookback asks for "
                f"{self.lookback}; start the split later"
            )
        return start, first, first + block.days

    def bytes_of(self, days: int, stocks: int) -> int:
        """About the bytes of a block's tensors, every edge of the graph included."""
        m = self.cache.manifest
        of_span = 4 * len(m.features) + 1
        of_edges = (16 + 4 * len(EDGE_FEATURES)) * self.cache.max_neighbours
        of_day = 9 + 5 * len(m.horizons) + 4 * len(m.exposures) + of_edges
        return stocks * ((self.lookback - 1 + days) * of_span + days * of_day + 8)

    def stocks_of(self, block: PlannedBlock) -> Int64[np.ndarray, " stocks"]:
        """The stocks of a block, ascending: those in the universe of a day of it, or the part that was drawn."""
        first, cache = block.first_day, self.cache
        ranked = [cache.day(day).ranked for day in range(first, first + block.days)]
        in_block = np.zeros(cache.stocks, dtype=np.bool_)
        in_block[np.concatenate(ranked)] = True
        stocks: Array = np.flatnonzero(in_block)
        if block.parts > 1:
            # Every part draws the same permutation and takes its own stretch of it.
            rng = np.random.default_rng([*block.draw, cache.manifest.dates[first].toordinal()])
            order = rng.permutation(len(stocks))
            stocks = stocks[np.sort(np.array_split(order, block.parts)[block.part])]
        return stocks[:2] if block.empty else stocks

    def __getitem__(self, block: PlannedBlock) -> DayBatch:
        """Read one block.

        Raises:
            InputError: a day's bytes are damaged, or the block's first day has too little history.
        """
        if block.joined:
            stocks = [self.stocks_of(day) for day in block.joined]
            features = self._memory(block, block.days, max(map(len, stocks)))
            days = [
                self._read(day, of_day, features[i : i + 1, : len(of_day)])
                for i, (day, of_day) in enumerate(zip(block.joined, stocks, strict=True))
            ]
            batch = join_days(block, days, features)
        else:
            start, _, stop = self.span_of(block)
            of_block = self.stocks_of(block)
            batch = self._read(block, of_block, self._memory(block, stop - start, len(of_block)))
        return batch if self.buffers is None else self.buffers.pack(block.buffer, batch)

    def _memory(self, block: PlannedBlock, days: int, stocks: int) -> Tensor:
        """Memory for the features of a block, not initialised."""
        shape = days, stocks, len(self.cache.manifest.features)
        if self.pinned:
            return torch.empty(shape, pin_memory=True)
        buffer = None if self.buffers is None else self.buffers.front(block.buffer, *shape)
        # From numpy, which asks for huge pages: the faults of small ones would take longer than the copy.
        return torch.from_numpy(np.empty(shape, dtype=np.float32) if buffer is None else buffer)

    def _read(self, block: PlannedBlock, stocks: Array, features: Tensor) -> DayBatch:
        """Read the consecutive days of a block, their features into ``features``."""
        cache = self.cache
        start, first, stop = self.span_of(block)
        views = [cache.day(i) for i in range(first, stop)]
        # Rows of the span are read once and shared by all days of the block: most of their history is the same.
        span = cache.read_span(start, stocks, features.numpy())
        find = RowFinder(cache.order, stocks)
        rows = [find(view.number) for view in views]
        names = "universe", "target", "sector", "exposure"
        universe, target, sector, exposure = (_spread([getattr(v, n) for v in views], rows) for n in names)
        universe &= not block.empty
        edge_index, edge_attr = self._edges(block, stocks, universe)
        days = np.arange(first, stop)
        if self.purge is None:
            valid = np.isfinite(target)
            # In place: numpy is five times as slow at "and" along an axis of a few horizons.
            valid[~universe] = False
            valid.swapaxes(1, 2)[cache.known_labels[days] < self.min_stocks] = False
        else:
            counting = [valid_labels(cache, int(day), self.min_stocks, self.purge) for day in days]
            valid = universe[..., None] & _spread(counting, rows)
        return DayBatch(
            features=features,
            observed=torch.from_numpy(span.finish()),
            universe=torch.from_numpy(universe),
            target=torch.from_numpy(target),
            valid=torch.from_numpy(valid),
            edge_index=edge_index,
            edge_attr=edge_attr,
            stock=torch.from_numpy(stocks),
            day=torch.from_numpy(days.astype(np.int64)),
            sector=torch.from_numpy(sector.astype(np.int64)),
            exposure=torch.from_numpy(exposure),
            regime=torch.from_numpy(cache.regime[days]),
            weight=torch.tensor(block.weight),
            closes_step=block.closes_step,
            position=block.position,
            max_neighbours=cache.max_neighbours,
        )

    def edges(self, block: PlannedBlock, stocks: Array) -> tuple[Tensor, Tensor]:
        """Edges among some stocks of a block, as ``edge_index`` and ``edge_attr``."""
        days = range(block.first_day, block.first_day + block.days)
        return self._edges(
            block, stocks, np.stack([self.cache.day(day).of_stocks("universe", stocks) for day in days])
        )

    def _edges(self, block: PlannedBlock, stocks: Array, universe: Array) -> tuple[Tensor, Tensor]:
        if not self.cache.manifest.graph:
            return torch.empty(2, 0, dtype=torch.int64), torch.empty(0, len(EDGE_FEATURES))
        # A neighbour of -1 reads the last entry, which stays -1 here and False below.
        in_block = np.full(self.cache.stocks + 1, -1, dtype=np.int64)
        in_block[stocks] = np.arange(len(stocks))
        member = np.concatenate([universe, np.zeros((block.days, 1), dtype=np.bool_)], axis=1)
        parts = []
        # The days until the next refresh have the same neighbours.
        for _, of_refresh in groupby(range(block.days), lambda i: self.cache.refresh_of(block.first_day + i)):
            days = list(of_refresh)
            neighbour, weight = self.cache.graph(block.first_day + days[0], stocks)
            source = in_block.take(neighbour)
            destination = np.repeat(np.arange(len(stocks)), source.shape[1])
            # The two numbers of an edge are moved as one of 8 bytes.
            both = weight.view(np.int64).ravel()
            for day in days:
                linked = np.flatnonzero(member[day].take(source) & universe[day, :, None])
                parts.append((day * len(stocks), linked, source.ravel(), destination, both))
        edges = sum(len(linked) for _, linked, *_ in parts)
        index, attributes = np.empty((2, edges), dtype=np.int64), np.empty(edges, dtype=np.int64)
        last = 0
        for first_node, linked, source, destination, both in parts:
            first, last = last, last + len(linked)
            # "clip" spares numpy a buffer.
            for values, out in ((source, index[0]), (destination, index[1]), (both, attributes)):
                np.take(values, linked, out=out[first:last], mode="clip")
            index[:, first:last] += first_node
        return torch.from_numpy(index), torch.from_numpy(attributes.view(np.float32).reshape(-1, 2))


def _spread(by_day: Sequence[Array], rows: Sequence[tuple[Array, Array]]) -> Array:
    """Values of each day's own rows, as those of a block's stocks."""
    return np.stack([spread(values, *row) for values, row in zip(by_day, rows, strict=True)])
