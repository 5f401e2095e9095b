"""Copy the features of a block's stocks on consecutive days, by as many threads as torch has.

A day is one gather of whole rows, which numpy does without the interpreter's lock. The other threads begin at once,
while the caller prepares the rest of the block; then it takes part.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Bool, Float32

from atft.data.records import Array, DayView
from atft.data.row_finder import RowFinder

BYTES_FOR_THREADS = 16 << 20
"""Of a span, below which one thread copies it: to wake another one takes as long as a megabyte."""
DAYS_AT_ONCE = 4
"""Days whose rows are found before any of them is copied: what that needs is in the processor's cache for all of
them, where a copied day would push it out."""
MAX_THREADS = 4
"""With more of them the interpreter's lock, which a day needs for a sixth of its time, is what all wait for."""


@lru_cache(maxsize=1)
def helper_threads(count: int) -> ThreadPoolExecutor:
    """Threads that stay for the next block: to start one takes as long as three megabytes."""
    return ThreadPoolExecutor(count, "span-copy")


class SpanCopy:
    """A copy that is under way; see the module.

    Args:
        views: the days, in order.
        find: finds the rows of the stocks.
        half: the features stored as float16, in the panel's order; at least one of either kind may be missing.
        out: float32 [days, stocks, features]; NaN where a stock has no row that day.
    """

    def __init__(
        self,
        views: Sequence[DayView],
        find: RowFinder,
        half: Bool[np.ndarray, " features"],
        out: Float32[np.ndarray, "days stocks features"],
    ) -> None:
        self._views, self._find, self._half, self._out = views, find, half, out
        self.observed: Bool[np.ndarray, "days stocks"] = np.empty(out.shape[:2], dtype=np.bool_)
        # Each thread takes the next days that are left.
        self._days = iter(range(0, len(out), DAYS_AT_ONCE))
        threads = min(torch.get_num_threads(), MAX_THREADS) if out.nbytes >= BYTES_FOR_THREADS else 1
        self._others = [helper_threads(threads - 1).submit(self._copy_days) for _ in range(threads - 1)]

    def finish(self) -> Bool[np.ndarray, "days stocks"]:
        """Copy what is left, wait for the other threads, and say which stocks have a row on which day."""
        self._copy_days()
        for other in self._others:
            other.result()
        return self.observed

    def _copy_days(self) -> None:
        stocks, features = self._out.shape[1:]
        halves = int(self._half.sum())
        # One buffer for all days: it stays in the processor's cache, where a new one is cold memory each day.
        full_rows = np.empty((stocks, features - halves), dtype=np.float32)
        half_rows = np.empty((stocks, halves), dtype=np.float16)
        for first in self._days:
            days = range(first, min(first + DAYS_AT_ONCE, len(self._out)))
            rows = [self._find(self._views[day].number) for day in days]
            self.observed[first : days.stop] = [present for _, present in rows]
            for day, (row, _) in zip(days, rows, strict=True):
                view, out, present = self._views[day], self._out[day], self.observed[day]
                if not len(view.number):
                    out.fill(np.nan)
                    continue
                # "clip" spares numpy a buffer; the rows are known to be in range, but for those of absent stocks.
                if not halves:
                    view.features.take(row, axis=0, out=out, mode="clip")
                else:
                    if halves < features:
                        view.features.take(row, axis=0, out=full_rows, mode="clip")
                    view.half_features.take(row, axis=0, out=half_rows, mode="clip")
                    self._join(full_rows, half_rows, out)
                if not present.all():
                    out[~present] = np.nan

    def _join(self, full_rows: Array, half_rows: Array, out: Array) -> None:
        # torch turns halves into floats twelve times faster than numpy does.
        whole, full, half = map(torch.from_numpy, (out, full_rows, half_rows))
        for start, stop in self._runs:
            source = half if self._half[start] else full
            first = int((self._half[:start] == self._half[start]).sum())
            whole[:, start:stop].copy_(source[:, first : first + stop - start])

    @cached_property
    def _runs(self) -> list[tuple[int, int]]:
        """Bounds of the longest runs of features with one storage."""
        edges = [0, *(np.flatnonzero(np.diff(self._half)) + 1).tolist(), len(self._half)]
        return list(pairwise(edges))
