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


class Copy(NamedTuple):
    """A stock whose rows repeat those of another that is older, or first by code."""

    stock: int
    original: int
    days: Int[np.ndarray, " days"]
    """Days on which its row is a copy; up to the 60th equal one it is not known to be."""


def find_copies(prices: PriceGrid) -> list[Copy]:
    """Find every stock that follows another one, ascending by stock.

    Two closes are equal when they are the same float32 and so are those of the day before; a price that does not
    move is no evidence. No day depends on later ones.
    """
    first_row = np.isfinite(prices.close).argmax(axis=0)
    by_age = np.lexsort((np.arange(len(prices.codes)), first_row))
    closes = prices.close[:, by_age]
    pairs = [np.empty(0, dtype=np.int64)]
    for before, today in pairwise(closes):
        moved = np.flatnonzero((before > 0) & (today > 0) & (before != today))
        # The bits of both closes as one number.
        key = before[moved].view(np.int32).astype(np.int64) << 32 | today[moved].view(np.int32)
        _, start, group, size = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
        # The oldest of a group is the original of all others, so that n stocks make n - 1 pairs.
        oldest = start[group]
        copies = np.flatnonzero((size[group] > 1) & (oldest != np.arange(len(group))))
        pairs.append(moved[copies] * len(by_age) + moved[oldest[copies]])
    pair, count = np.unique(np.concatenate(pairs), return_counts=True)
    by_stock: dict[int, Copy] = {}
    for young, old in (divmod(int(p), len(by_age)) for p in pair[count >= SHARED_DAYS]):
        days = _copied_days(closes[:, young], closes[:, old])
        stock = int(by_age[young])
        if len(days):
            by_stock.setdefault(stock, Copy(stock, int(by_age[old]), days))
    return [by_stock[stock] for stock in sorted(by_stock)]


def named_copies(prices: PriceGrid, copies: list[Copy]) -> list[str]:
    """Each code with the one that it copies and the first day known."""
    codes, calendar = prices.codes, prices.calendar
    return [f"{codes[c.stock]} = {codes[c.original]} from {calendar[c.days[0]]}" for c in copies]


def _copied_days(young: np.ndarray, old: np.ndarray) -> np.ndarray:
    """Days on which both have a row and at least 60 of the last 66 shared moves were equal."""
    known = np.isfinite(young) & np.isfinite(old)
    both = np.flatnonzero(known[1:] & known[:-1]) + 1
    moved = both[(young[both] != young[both - 1]) | (old[both] != old[both - 1])]
    same = (young[moved] == old[moved]) & (young[moved - 1] == old[moved - 1])
    # Equal moves among the last 66, by differences of running counts.
    counts = np.concatenate([[0], np.cumsum(same)])
    starts = np.maximum(np.arange(1, len(counts)) - WINDOW_DAYS, 0)
    copied = np.concatenate([[False], counts[1:] - counts[starts] >= SHARED_DAYS])
    # A day on which neither moved is what the last move was.
    last_move = np.searchsorted(moved, np.arange(len(known)), "right")
    days: np.ndarray = np.flatnonzero(known & copied[last_move])
    return days
