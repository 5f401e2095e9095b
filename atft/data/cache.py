"""Read a cache: days and graphs as views of mapped files, opened when first used, pickled to a path.

A loader worker receives the path only and maps the files itself. Opening checks manifest, sizes and footers
(milliseconds); a day's bytes are compared with their checksum when this process first reads the day. A file whose
time is not the manifest's (copied or touched) is compared whole when it is opened.
"""

from collections import Counter
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from atft.data.graph import GraphOptions
from atft.data.graph_build import days_in_window, refresh_indices
from atft.data.manifest import Manifest, locate_record, read_manifest
from atft.data.records import Array, DayView, RecordFile, code_order, decode_day, spread, wide_view
from atft.data.row_finder import RowFinder
from atft.data.span_copy import SpanCopy
from atft.data.split import Days
from atft.errors import InputError, counted
from atft.files.cells import find_sorted
from atft.process.progress import track

MAX_OPEN_CACHES = 8
"""Caches that a process keeps open: a search over graph options would collect them without end."""


class DayCache:
    """The directory that `build_cache` returned, as days."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._files: dict[str, RecordFile] = {}
        self._checked_mtime_ns: dict[str, int] = {}
        self._views: dict[int, DayView] = {}

    def __getstate__(self) -> dict[str, Any]:
        # Maps do not pickle; a worker need not compare a copied file again.
        return {"path": self.path, "_files": {}, "_checked_mtime_ns": self._checked_mtime_ns, "_views": {}}

    @cached_property
    def manifest(self) -> Manifest:
        """What the cache says of itself; see `read_manifest`."""
        return read_manifest(self.path)

    def open(self) -> "DayCache":
        """Map the files now, so that one that is missing, truncated, damaged or foreign raises now."""
        for key in self.manifest.files:
            self._file(key)
        return self

    def _file(self, key: str) -> RecordFile:
        file = self._files.get(key)
        if file is None:
            record = self.manifest.files[key]
            file = RecordFile(self.path, record)
            if file.mtime_ns not in (record.mtime_ns, self._checked_mtime_ns.get(key)):
                file.check(range(len(record.crcs)))
                self._checked_mtime_ns[key] = file.mtime_ns
            self._files[key] = file
        return file

    def _record(self, records: Sequence[tuple[str, int]], index: int) -> pa.RecordBatch:
        key, number = locate_record(records, index)
        return self._file(key).batch(number)

    def __len__(self) -> int:
        return len(self.manifest.dates)

    @property
    def stocks(self) -> int:
        """Codes that ever have a row."""
        return len(self.manifest.codes)

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """The codes, ascending: a stock is an index into them."""
        return tuple(sorted(self.manifest.codes))

    @cached_property
    def order(self) -> Array:
        """Index of each code number among the ascending codes; see `code_order`."""
        return code_order(self.manifest.codes)

    def day(self, index: int) -> DayView:
        """Read-only views of a day's rows; raises where its bytes are damaged."""
        view = self._views.get(index)
        if view is None:
            view = self._views[index] = decode_day(self._record(self.manifest.day_records, index), self.order)
        return view

    @cached_property
    def regime(self) -> Array:
        """float32 [days, regimes]; market-wide values, NaN where unknown."""
        table = np.array(self.manifest.regime, dtype=np.float32)
        return table.reshape(len(self), len(self.manifest.regimes))

    @cached_property
    def known_labels(self) -> Array:
        """int64 [days, horizons]; known targets in the universe."""
        return np.array(self.manifest.known_labels, dtype=np.int64).reshape(len(self), -1)

    @cached_property
    def refreshes(self) -> Days:
        """Calendar index of each refresh of the graph; empty without one."""
        manifest = self.manifest
        if manifest.graph is None:
            return np.empty(0, dtype=np.int64)
        return refresh_indices(manifest.dates, manifest.universe_rows, int(manifest.graph["refresh_days"]))

    @cached_property
    def max_neighbours(self) -> int:
        """Most neighbours of a stock; 0 without a graph."""
        return GraphOptions(**self.manifest.graph).width if self.manifest.graph else 0

    @cached_property
    def graph_days(self) -> Days:
        """Days of returns that each refresh was computed from: the window, or fewer."""
        manifest = self.manifest
        window = int(manifest.graph["window"]) if manifest.graph else 0
        return days_in_window(manifest.observed_rows, self.refreshes, window)

    def graph(self, index: int, stocks: Array) -> tuple[Array, Array]:
        """Neighbours of some stocks on a day: of the latest refresh that is not after it.

        Returns:
            int32 [stocks, k + sector_k], the neighbour or -1, and float32 [stocks, k + sector_k, 2]: shrunk
            correlation, and 1 where the sector is shared. A stock outside the universe of the refresh has none.
            Raises where there is no graph, or it is damaged.
        """
        if self.manifest.graph is None:
            raise InputError(
                f"{self.path}: this cache was built without a graph; build one with graph options"
            )
        of_stock, near, strength = self.refresh(self.refresh_of(index))
        row, present = find_sorted(of_stock, stocks)
        weight = spread(strength, row, present)
        weight[~present] = 0
        return spread(near, row, present), weight

    def refresh_of(self, index: int) -> int:
        """Number of the latest refresh of the graph that is not after a day."""
        return int(np.searchsorted(self.refreshes, index, side="right")) - 1

    def refresh(self, number: int) -> tuple[Array, Array, Array]:
        """Stocks of a refresh of the graph, ascending, and their neighbours and weights as `graph` gives them."""
        batch = self._record(self.manifest.graph_records, number)
        neighbour = self.order[wide_view(batch.column(1))]
        weight = wide_view(batch.column(2))
        return self.order[np.from_dlpack(batch.column(0))], neighbour, weight.reshape(*neighbour.shape, 2)

    def linked(self, refresh: int) -> bool:
        """Whether the graph of a refresh has an edge."""
        return bool((wide_view(self._record(self.manifest.graph_records, refresh).column(1)) >= 0).any())

    def read_features(self, index: int, stocks: Array, out: Array) -> Array:
        """Copy the features of ``stocks`` on a day into ``out``, float32 [len(stocks), features].

        Returns:
            bool [len(stocks)]: the stock has a row that day. The features of the others are NaN.
        """
        observed: Array = self.read_span(index, stocks, out[None]).finish()[0]
        return observed

    def read_span(self, first: int, stocks: Array, out: Array) -> SpanCopy:
        """Begin to copy the features of ``stocks`` on consecutive days into float32 [days, len(stocks), features].

        Returns:
            The copy: its ``finish`` gives bool [days, len(stocks)], as `read_features` does.
        """
        views = [self.day(first + i) for i in range(len(out))]
        return SpanCopy(views, RowFinder(self.order, stocks), self._half, out)

    @cached_property
    def _half(self) -> Array:
        return np.array(self.manifest.half, dtype=np.bool_)


@lru_cache(maxsize=MAX_OPEN_CACHES)
def shared_cache(path: Path) -> DayCache:
    """The cache at a resolved path, opened once in this process.

    A cache is immutable and named by its digest, so the runs of a sweep share what the first has opened and check
    no day again. Costs some hundred bytes for each day that was read; the days themselves are the page cache's.
    """
    return DayCache(path)


def cache_lines(cache: DayCache) -> list[str]:
    """Lines that say what a cache holds: days, stocks, rows, features, graph, bytes."""
    m = cache.manifest
    ranked = sum(m.universe_rows)
    ways = ", ".join(f"{n} {way}" for way, n in Counter(m.scaling).items())
    size = sum(f.size for f in m.files.values())
    lines = [
        f"cache     {cache.path}",
        f"days      {len(m.dates):,} ({m.dates[0]} to {m.dates[-1]})",
        f"stocks    {len(m.codes):,}, {ranked / len(m.dates):,.0f} in the universe a day; "
        f"{counted(len(m.sectors), 'sector')}",
        f"rows      {sum(m.observed_rows):,}, {ranked:,} in the universe",
        f"features  {len(m.features)} ({ways})",
        f"horizons  {', '.join(map(str, m.horizons))} days, lag {m.lag}"
        f"{', delayed targets' if m.delayed else ''}{', oracle' if m.oracle else ''}",
    ]
    # The graph's options are those it was built with, whatever the config says today.
    if m.graph is None:
        lines.append("graph     none")
    else:
        window = m.graph["window"]
        lines.append(
            f"graph     {m.graph['k']} nearest + {m.graph['sector_k']} of the sector, window "
            f"{window}, every {m.graph['refresh_days']} weekdays"
        )
        few = int((cache.graph_days < window).sum())
        if few:
            lines.append(
                f"          {few} of its {len(cache.refreshes)} refreshes saw fewer than {window} days"
            )
    lines += [f"calendar  {line}" for line in m.calendar]
    if m.infinite:
        lines.append(
            f"infinite  {sum(m.infinite.values()):,} cells of {len(m.infinite)} columns made missing"
        )
    return [*lines, f"bytes     {size / 1e9:,.3f} GB"]


def verify_cache(path: Path) -> int:
    """Read the whole cache once (about a second per gigabyte) and compare every byte with its checksum.

    Returns:
        Records checked: days, and refreshes of the graph.

    Raises:
        InputError: names the first file and record that is missing, truncated, damaged or foreign.
    """
    records = read_manifest(path).files.values()
    for record in records:
        RecordFile(path, record).check(track(range(len(record.crcs)), f"verifying {record.name}"))
    return sum(len(record.crcs) for record in records)
