"""Find codes that are copies of each other: the same closes, day after day, under two names.

A renamed ticker, a share class or a vendor's error puts one stock into a cross-section twice, and its return
counts twice. Cost: one sort of each day's rows, since equal pairs of closes are looked for within each day.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from atft.features.prices import PriceGrid

SHARED_DAYS, WINDOW_DAYS = 60, 66
"""A row is a copy when 60 of the last 66 shared days on which either close moved are equal."""
MEMORY_DAYS = 250
"""Moves longer ago are no evidence, so that a day is judged by a year of prices wherever the data begins."""


class Copy(NamedTuple):
    """A stock whose rows repeat those of others that are older, or first by code."""

    stock: int
    original: int
    """The first that it repeats."""
    days: Int[np.ndarray, " days"]
    """Days on which its row is a copy; up to the 60th equal one it is not known to be."""


def find_copies(
    prices: PriceGrid, first: int = 0, first_row: Int[np.ndarray, " stocks"] | None = None
) -> list[Copy]:
    """Find every stock that follows another one, ascending by stock.

    Two closes are equal when they are the same float32 and so are those of the day before; a price that does not
    move is no evidence. A day is judged by itself and the `MEMORY_DAYS` before it. Days before ``first`` are not
    judged; ``first_row`` is the day of each stock's first row where that is before the grid's, else -1.
    """
    age = np.isfinite(prices.close).argmax(axis=0) + prices.start
    if first_row is not None:
        age = np.where(first_row >= 0, first_row, age)
    by_age = np.lexsort((np.arange(len(prices.codes)), age))
    since = max(0, first - MEMORY_DAYS)
    closes = prices.close[since:, by_age]
    pairs, days = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for number, (before, today) in enumerate(pairwise(closes), 1):
        moved = np.flatnonzero((before > 0) & (today > 0) & (before != today))
        # The bits of both closes as one number.
        key = before[moved].view(np.int32).astype(np.int64) << 32 | today[moved].view(np.int32)
        _, start, group = np.unique(key, return_index=True, return_inverse=True)
        # The oldest of a group is the original of all others, so that n stocks make n - 1 pairs.
        oldest = start[group]
        copies = np.flatnonzero(oldest != np.arange(len(group)))
        pairs.append(moved[copies] * len(by_age) + moved[oldest[copies]])
        days.append(np.full(len(copies), number))
    pair, day = np.concatenate(pairs), np.concatenate(days)
    order = np.argsort(pair, kind="stable")
    names, starts, counts = np.unique(pair[order], return_index=True, return_counts=True)
    by_stock: dict[int, list[Copy]] = {}
    for i in np.flatnonzero(counts >= SHARED_DAYS):
        young, old = divmod(int(names[i]), len(by_age))
        equal = day[order[starts[i] : starts[i] + counts[i]]]
        copied = _copied_days(closes[:, young], closes[:, old], equal) + since
        copied = copied[copied >= first]
        if len(copied):
            stock = int(by_age[young])
            by_stock.setdefault(stock, []).append(Copy(stock, int(by_age[old]), copied))
    return [_joined(by_stock[stock]) for stock in sorted(by_stock)]


def _joined(copies: list[Copy]) -> Copy:
    """What one stock copies; the original with the earliest day, the oldest of them, gives the name."""
    earliest = min(copies, key=lambda copy: int(copy.days[0]))
    return earliest._replace(days=np.unique(np.concatenate([copy.days for copy in copies])))


def named_copies(prices: PriceGrid, copies: list[Copy]) -> list[str]:
    """Each code with the one that it copies and the first day known."""
    codes, calendar = prices.codes, prices.calendar
    return [f"{codes[c.stock]} = {codes[c.original]} from {calendar[c.days[0]]}" for c in copies]


def _copied_days(young: np.ndarray, old: np.ndarray, equal: np.ndarray) -> np.ndarray:
    """Days on which both have a row, at least 60 of the last 66 shared moves were equal, and 60 made a pair.

    ``equal`` are the days on which ``old`` was the oldest stock with the closes of ``young``: the pair is not known
    before the sixtieth.
    """
    known = np.isfinite(young) & np.isfinite(old)
    both = np.flatnonzero(known[1:] & known[:-1]) + 1
    moved = both[(young[both] != young[both - 1]) | (old[both] != old[both - 1])]
    same = (young[moved] == old[moved]) & (young[moved - 1] == old[moved - 1])
    counts = np.concatenate([[0], np.cumsum(same)])
    day = np.flatnonzero(known)

    def within_memory(days: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.searchsorted(days, day - MEMORY_DAYS, "right"), np.searchsorted(days, day, "right")

    # A day on which neither moved is what the last moves were.
    start, end = within_memory(moved)
    copied = counts[end] - counts[np.maximum(start, end - WINDOW_DAYS)] >= SHARED_DAYS
    start, end = within_memory(equal)
    days: np.ndarray = day[copied & (end - start >= SHARED_DAYS)]
    return days
