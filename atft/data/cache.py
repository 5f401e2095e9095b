"""Read a cache: days and graphs as views of mapped files, opened when first used, pickled to a path.

A loader worker receives the path only and maps the files itself. Opening checks manifest, sizes and footers
(milliseconds); a day's bytes are checked against their checksum when this process first reads the
day. A file whose time is not the manifest's (copied or touched) is checked whole when opened.
"""

from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from atft.data.day_record import Array, DayView, decode_day, wide_view
from atft.data.manifest import Manifest, read_manifest
from atft.data.record_file import RecordFile
from atft.data.refreshes import Indices, days_in_window, refresh_indices
from atft.errors import InputError


class DayCache:
    """A cache directory as days.

    Args:
        path: the directory that `build_cache` returned.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._trusted: dict[str, int] = {}
        self._views: dict[int, DayView] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_trusted": self._trusted, "_views": {}}

    @cached_property
    def manifest(self) -> Manifest:
        """What the cache says of itself.

        Raises:
            InputError: not a cache, damaged, or of another format version.
        """
        return read_manifest(self.path)

    def open(self) -> "DayCache":
        """Map the files now, so that anything wrong with them is said now.

        Raises:
            InputError: a file is missing, truncated, damaged or foreign.
        """
        for key in self.manifest.files:
            self._file(key)
        return self

    @cached_property
    def _files(self) -> dict[str, RecordFile]:
        return {}

    def _file(self, key: str) -> RecordFile:
        file = self._files.get(key)
        if file is None:
            record = self.manifest.files[key]
            file = RecordFile(self.path, record)
            if file.mtime_ns not in (record.mtime_ns, self._trusted.get(key)):
                file.check(range(len(record.crcs)))
                self._trusted[key] = file.mtime_ns
            self._files[key] = file
        return file

    def __len__(self) -> int:
        return len(self.manifest.dates)

    @property
    def slots(self) -> int:
        """Stocks that are ever in the universe."""
        return len(self.manifest.codes)

    def day(self, index: int) -> DayView:
        """Read-only views of a day over all slots.

        Raises:
            InputError: its bytes are damaged.
        """
        view = self._views.get(index)
        if view is None:
            view = self._views[index] = decode_day(self._file("days").batch(index))
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

    @property
    def has_graph(self) -> bool:
        """The cache was built with a graph."""
        return "graph" in self.manifest.files

    @cached_property
    def refreshes(self) -> Indices:
        """Calendar index of each refresh of the graph; empty without one."""
        manifest = self.manifest
        if manifest.graph is None:
            return np.empty(0, dtype=np.int64)
        return refresh_indices(manifest.dates, manifest.universe_rows, int(manifest.graph["refresh_days"]))

    @cached_property
    def graph_days(self) -> Indices:
        """Days of returns that each refresh was computed from: the window, or fewer."""
        manifest = self.manifest
        window = int(manifest.graph["window"]) if manifest.graph else 0
        return days_in_window(manifest.observed_rows, self.refreshes, window)

    def graph(self, index: int) -> tuple[Array, Array]:
        """Neighbours of every slot on a day: of the latest refresh that is not after it.

        Returns:
            int32 [slots, k + sector_k], the neighbour's slot or -1, and float32 [slots, k + sector_k, 2]: shrunk
            correlation, and 1 where the sector is shared.

        Raises:
            InputError: there is no graph, or its bytes are damaged.
        """
        if self.manifest.graph is None:
            raise InputError(
                f"{self.path}: this cache was built without a graph; build one with graph options"
            )
        place = int(np.searchsorted(self.refreshes, index, side="right")) - 1
        batch = self._file("graph").batch(place)
        neighbour, weight = wide_view(batch.column(0)), wide_view(batch.column(1))
        return neighbour, weight.reshape(*neighbour.shape, 2)

    def read_features(self, index: int, slots: Array, out: Array) -> None:
        """Copy the features of ``slots`` on a day into ``out``, float32 [len(slots), features]."""
        view = self.day(index)
        if view.features.shape[1] == out.shape[1]:
            # "clip" spares numpy a buffer; the slots are known to be in range.
            np.take(view.features, slots, axis=0, out=out, mode="clip")
            return
        # torch turns halves into floats twelve times faster than numpy does.
        whole = torch.from_numpy(out)
        full, half = (
            torch.from_numpy(np.take(v, slots, axis=0)) for v in (view.features, view.half_features)
        )
        for (start, stop, first), stored in self._runs:
            source = half if stored == "half" else full
            whole[:, start:stop].copy_(source[:, first : first + stop - start])

    @cached_property
    def _runs(self) -> list[tuple[tuple[int, int, int], str]]:
        """Maximal runs of features with one storage: place in the panel's order, first place in the storage."""
        half = np.array(self.manifest.half)
        edges = [0, *(np.flatnonzero(half[1:] != half[:-1]) + 1).tolist(), len(half)]
        runs = []
        for start, stop in pairwise(edges):
            first = int((half[:start] == half[start]).sum())
            runs.append(((start, stop, first), "half" if half[start] else "full"))
        return runs
