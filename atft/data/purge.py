"""Purge single labels that end later than the calendar says: those of a halted stock.

`atft.data.split` keeps days of different use further apart than the longest label and the embargo. A panel may know
better: a target of five days across a halt of three months is known three months later. Where the panel has the
role ``label_end``, such a label does not train if it is known on or after the first later day that validates or
tests, or less than the embargo before it; and does not validate if the same is true of the test days.

In folds that train after the days they score, a stock's later labels do not train either until every label of that
stock that validates or tests is known and the embargo after it is over: one price decides both. The labels of test
days always count. Where the split names the last day whose prices may be used (``known_to``), no label that ends
after it counts. A training day that keeps too few labels at every horizon is left out: its loss of 0 would take its
part in the mean over a step's days. A panel without the role costs nothing.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int, Int64

from atft.data.cache import DayCache
from atft.data.split import Split

FOREVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class RowPurge:
    """Which labels of a split's days do not count. Small, since it travels to the loader's workers."""

    embargo_days: int
    next_use: Int64[np.ndarray, " days"]
    """First later day of a use that this day's labels must not reach: validation or test for training, test for
    validation; far away where there is none."""
    run_start: Int64[np.ndarray, " runs"]
    """First day of each run of days of one use, ascending."""
    open_until: Float32[np.ndarray, "runs stocks"]
    """Last day that an earlier label of the stock reaches that this run's labels must not meet; -inf for none."""

    def counts(
        self, day: int, stock: Int[np.ndarray, " rows"], label_end: Float32[np.ndarray, "rows horizons"]
    ) -> Bool[np.ndarray, "rows horizons"]:
        """Say which labels of a day count by their ends, calendar indices, NaN where the calendar alone says so."""
        run = int(np.searchsorted(self.run_start, day, side="right")) - 1
        met = self.open_until[run, stock] + self.embargo_days >= day
        counts: np.ndarray = ~(label_end + self.embargo_days >= self.next_use[day]) & ~met[:, None]
        return counts


def row_purge(cache: DayCache, split: Split, embargo_days: int) -> RowPurge | None:
    """Find the labels of a split that do not count by their own ends; None where the panel has no such column.

    Reads the days that validate or test where training days follow them (a second for 500 days of 4,000 stocks).
    """
    if "label_end" not in cache.manifest.schema:
        return None
    # 0 train, 1 val, 2 test: labels of a lower use give way to those of a higher one.
    use = np.full(len(cache), -1)
    for rank, name in enumerate(("train", "val", "test")):
        use[split.whole[name]] = rank
    next_use = np.full(len(cache), FOREVER)
    for rank in (0, 1):
        later = np.flatnonzero(use > rank)
        days = np.flatnonzero(use == rank)
        next_use[days] = np.append(later, FOREVER)[np.searchsorted(later, days)]
    if split.known_to is not None:  # labels may end on that day itself, without an embargo
        next_use[use >= 0] = np.minimum(next_use[use >= 0], split.known_to + 1 + embargo_days)
    starts = np.flatnonzero(np.diff(use, prepend=-2))
    open_until = np.full((len(starts), cache.stocks), -np.inf, dtype=np.float32)
    for rank in (0, 1):
        wait = np.full(cache.stocks, -np.inf, dtype=np.float32)
        last = int(np.flatnonzero(use == rank)[-1])
        for run, (start, stop) in enumerate(zip(starts, [*starts[1:], len(cache)], strict=True)):
            if use[start] == rank:
                open_until[run] = wait
            elif use[start] > rank and start < last:
                for day in range(start, stop):
                    view = cache.day(day)
                    # A row outside the universe, or without a target, neither validates nor tests.
                    scored = view.universe[:, None] & np.isfinite(view.target)
                    latest = np.fmax.reduce(np.where(scored, view.label_end, np.nan), axis=1)
                    wait[view.stock] = np.fmax(wait[view.stock], latest)
    return RowPurge(embargo_days, next_use, starts.astype(np.int64), open_until)


def valid_labels(
    cache: DayCache, day: int, min_stocks: int, purge: RowPurge | None
) -> Bool[np.ndarray, "rows horizons"]:
    """Say which targets of a day's rows count: in the universe, known, not purged, and those of enough stocks.

    Args:
        min_stocks: targets of a horizon below which none of the day's counts.
    """
    view = cache.day(day)
    valid: np.ndarray = view.universe[:, None] & np.isfinite(view.target)
    if purge is not None:
        valid &= purge.counts(day, view.stock, view.label_end)
    valid &= valid.sum(axis=0) >= min_stocks
    return valid


class PurgedSplit(NamedTuple):
    """A split after the purge of single labels."""

    split: Split
    """Without training days of too few labels at every horizon."""
    rows: RowPurge | None
    """Which labels do not count; None where the panel has no role ``label_end``."""
    labels: Int64[np.ndarray, "days horizons"]
    """Known targets of each day of the calendar, on training and validation days those that count."""


def purged_split(cache: DayCache, split: Split, embargo_days: int) -> PurgedSplit:
    """Purge the labels of a split by their own ends, and leave out the training days that keep too few.

    Where no day keeps enough all stay, for `check_training_days` to say so. Reads the training and validation days
    of a panel that has the role.
    """
    rows = row_purge(cache, split, embargo_days)
    if rows is None:
        return PurgedSplit(split, None, cache.known_labels)
    labels = cache.known_labels.copy()
    for day in (*split.train.tolist(), *split.val.tolist()):
        labels[day] = valid_labels(cache, day, 0, rows).sum(axis=0)
    labelled = labels[split.train].max(axis=1) >= split.min_stocks
    split = replace(split, train=split.train[labelled | ~labelled.any()])
    return PurgedSplit(split, rows, labels)
