"""The panel as flat tensors in the memory of the device that trains, read once from the cache.

A block is then a few gathers on the device, and what a loader sends is the numbers of its stocks. The rows of all
days stand one after another, ascending by (day, stock): a row is found by a binary search for that pair, so the
panel costs by its rows, however many stocks there ever were. One row more, the last, is that of a stock without a
row: NaN, -1 or False. A search and not a table of days x stocks, which ids that are seen once would fill with
billions of empty cells.

Memory: each row takes 8 bytes, and those of its features (2 where the cache has float16), targets, exposures,
sector and flags: 2.3 GB for 8.9 million rows of 112 features in float16. A graph adds 12 bytes for each neighbour
of each stock and refresh: 0.6 GB for 30 neighbours of 4,050 stocks, chosen 440 times.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from atft.batch import EDGE_FEATURES
from atft.data.cache import DayCache
from atft.data.purge import RowPurge, valid_labels
from atft.data.records import NO_INDEX, Array
from atft.data.split import Days
from atft.process.progress import track

ROW_BYTES = 32 << 20
"""Of the days that are copied to the device at once, about."""
LAST_KEY = torch.iinfo(torch.int64).max


class Rows(NamedTuple):
    """Values of each row, and of a row that is missing at the end."""

    key: Tensor
    """int64; day * stocks + stock, ascending."""
    features: Tensor
    half_features: Tensor
    """The features that are stored as float16."""
    universe: Tensor
    target: Tensor
    sector: Tensor
    exposure: Tensor
    valid: Tensor
    """bool [rows, horizons]; the targets that count, of the days that are scored."""


class Links(NamedTuple):
    """Neighbours of each stock of each refresh of the graph, and of a stock without any at the end."""

    key: Tensor
    """int64; refresh * stocks + stock, ascending."""
    neighbour: Tensor
    """int32 [rows, width]; a stock, or -1."""
    weight: Tensor
    """float32 [rows, width, len(EDGE_FEATURES)]."""


class ResidentPanel:
    """The days that a loader reads, in the memory of one device; read from the cache when first used.

    Args:
        cache: of the panel.
        days: calendar indices of the days in blocks, in any order; the history that they read is loaded too, no
            other day is read.
        lookback: days of history of each day, itself included.
        min_stocks: known targets of a day and horizon below which none of them is valid.
        purge: labels that do not count by their own ends.
        device: where the tensors are.
    """

    def __init__(
        self,
        cache: DayCache,
        days: Days,
        lookback: int,
        min_stocks: int = 0,
        purge: RowPurge | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.cache, self.lookback, self.min_stocks, self.purge = cache, lookback, min_stocks, purge
        self.device = torch.device(device)
        self.days = np.unique(days)
        history = self.days[:, None] - np.arange(lookback)
        self.span = np.unique(history[history >= 0])
        """Days whose rows are needed."""
        self.edge_counts: dict[int, int] = {}
        """Edges of the graph on each of the ``days``, once they are counted."""

    def serves(
        self, days: Days, lookback: int, min_stocks: int, purge: RowPurge | None, device: torch.device
    ) -> bool:
        """Whether blocks of these days can be read from here."""
        return (
            (self.lookback, self.min_stocks, self.device) == (lookback, min_stocks, device)
            and self.purge is purge
            and bool(np.isin(days, self.days).all())
        )

    def release(self) -> None:
        """Free the memory; the next block reads the panel again."""
        for name in ("rows", "links", "regime", "day", "first_key", "last_row"):
            self.__dict__.pop(name, None)

    @property
    def row_count(self) -> int:
        """Rows of the days that are needed, without the one that is missing."""
        return int(np.array(self.cache.manifest.observed_rows, dtype=np.int64)[self.span].sum())

    @property
    def nbytes(self) -> int:
        """Bytes that the panel takes on the device, known before a row is read."""
        m, half = self.cache.manifest, sum(self.cache.manifest.half)
        of_row = 8 + 2 * half + 4 * (len(m.features) - half) + 1 + 2 + 4 * len(m.exposures)
        of_row += (4 + 1) * len(m.horizons)
        links = 0
        if m.graph is not None:
            # A refresh has the universe of its day.
            of_link = 8 + (4 + 4 * len(EDGE_FEATURES)) * self.cache.max_neighbours
            links = of_link * sum(m.universe_rows[self.cache.refreshes[r]] for r in self._refreshes)
        return self.row_count * of_row + links

    @cached_property
    def day(self) -> Tensor:
        """int64 [days]; the whole calendar's indices, so that those of a block are a slice."""
        return torch.arange(len(self.cache), device=self.device)

    @cached_property
    def first_key(self) -> Tensor:
        """int64 [days]; key of a day's row of stock 0."""
        return self.day * self.cache.stocks

    @cached_property
    def last_row(self) -> Tensor:
        """Number of the row that is missing."""
        return torch.tensor(self.row_count, device=self.device)

    @cached_property
    def regime(self) -> Tensor:
        """float32 [days, regimes] of the whole calendar."""
        return torch.from_numpy(self.cache.regime).to(self.device)

    @cached_property
    def rows(self) -> Rows:
        """The rows of all days needed."""
        m, count = self.cache.manifest, self.row_count
        half = sum(m.half)

        def empty(value: float, dtype: torch.dtype, *width: int) -> Tensor:
            tensor = torch.empty(count + 1, *width, dtype=dtype, device=self.device)
            tensor[count:].fill_(value)
            return tensor

        rows = Rows(
            key=empty(LAST_KEY, torch.int64),
            features=empty(torch.nan, torch.float32, len(m.features) - half),
            half_features=empty(torch.nan, torch.float16, half),
            universe=empty(False, torch.bool),
            target=empty(torch.nan, torch.float32, len(m.horizons)),
            sector=empty(NO_INDEX, torch.int16),
            exposure=empty(torch.nan, torch.float32, len(m.exposures)),
            valid=empty(False, torch.bool, len(m.horizons)),
        )
        first = 0
        # Some days at a time: a copy for each field of each day would cost more than its bytes.
        label = f"panel to {self.device}"
        for days in track(self._some_days, label, total=None):
            views = [self.cache.day(day) for day in days]
            by_name: dict[str, list[Array]] = {
                name: [getattr(view, name) for view in views] for name in Rows._fields[1:-1]
            }
            by_name["key"] = [
                day * self.cache.stocks + v.stock.astype(np.int64) for day, v in zip(days, views, strict=True)
            ]
            by_name["valid"] = [self._valid(day) for day in days]
            for name, values in by_name.items():
                joined = torch.from_numpy(np.concatenate(values))
                getattr(rows, name)[first : first + len(joined)].copy_(joined)
            first += len(joined)
        return rows

    @property
    def _some_days(self) -> Iterator[list[int]]:
        """The days needed, some at a time, as many as have about ``ROW_BYTES``."""
        rows = np.array(self.cache.manifest.observed_rows, dtype=np.int64)[self.span]
        part = np.cumsum(rows) * 4 * len(self.cache.manifest.features) // ROW_BYTES
        for days in np.split(self.span, np.flatnonzero(np.diff(part)) + 1):
            yield days.tolist()

    def _valid(self, day: int) -> Array:
        if day in self._scored:
            return valid_labels(self.cache, day, self.min_stocks, self.purge)
        shape = self.cache.manifest.observed_rows[day], len(self.cache.manifest.horizons)
        return np.zeros(shape, dtype=np.bool_)

    @cached_property
    def _scored(self) -> frozenset[int]:
        return frozenset(self.days.tolist())

    @cached_property
    def _refreshes(self) -> Sequence[int]:
        """Refreshes of the graph whose neighbours some day in a block has."""
        if self.cache.manifest.graph is None:
            return []
        refreshes: list[int] = np.unique([self.cache.refresh_of(int(day)) for day in self.days]).tolist()
        return refreshes

    @cached_property
    def links(self) -> Links:
        """The neighbours of the refreshes needed."""
        universe_rows, width = self.cache.manifest.universe_rows, self.cache.max_neighbours
        count = sum(universe_rows[self.cache.refreshes[r]] for r in self._refreshes)
        links = Links(
            torch.full((count + 1,), LAST_KEY, dtype=torch.int64, device=self.device),
            torch.full((count + 1, width), NO_INDEX, dtype=torch.int32, device=self.device),
            torch.zeros(count + 1, width, len(EDGE_FEATURES), device=self.device),
        )
        first = 0
        for refresh in self._refreshes:
            of_stock, near, strength = self.cache.refresh(refresh)
            key = refresh * self.cache.stocks + of_stock.astype(np.int64)
            # A copy of the mapped file: torch warns of memory that is read only.
            for tensor, values in zip(links, (key, near, strength.copy()), strict=True):
                tensor[first : first + len(key)].copy_(torch.from_numpy(values))
            first += len(key)
        return links
