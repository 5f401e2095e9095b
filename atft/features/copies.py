"""Find codes that are copies of each other: the same closes, day after day, under two names.

A renamed ticker, a share class or a vendor's error puts one stock into a cross-section twice, and its return
counts twice. Found by equal pairs of closes within each day, so the cost is that of sorting each day's rows.
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
    move says nothing. What a day is judged by lies on it and before it.
    """
    first_row = np.isfinite(prices.close).argmax(axis=0)
    order = np.lexsort((np.arange(len(prices.codes)), first_row))
    ranked = prices.close[:, order]
    pairs = [np.empty(0, dtype=np.int64)]
    for before, today in pairwise(ranked):
        moved = np.flatnonzero((before > 0) & (today > 0) & (before != today))
        key = before[moved].view(np.int32).astype(np.int64) << 32 | today[moved].view(np.int32)
        _, start, group, size = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
        # The eldest of a group stands for it, so that a group of n stocks makes n - 1 pairs.
        eldest = start[group]
        place = np.flatnonzero((size[group] > 1) & (eldest != np.arange(len(group))))
        pairs.append(moved[place] * len(order) + moved[eldest[place]])
    pair, count = np.unique(np.concatenate(pairs), return_counts=True)
    found: dict[int, Copy] = {}
    for young, old in (divmod(int(p), len(order)) for p in pair[count >= SHARED_DAYS]):
        days = _copied_days(ranked[:, young], ranked[:, old])
        stock = int(order[young])
        if len(days) and stock not in found:
            found[stock] = Copy(stock, int(order[old]), days)
    return [found[stock] for stock in sorted(found)]


def named_copies(prices: PriceGrid, copies: list[Copy], most: int) -> str:
    """Each code with the one that it copies and the first day known, for ``most`` of them."""
    shown = ", ".join(
        f"{prices.codes[c.stock]} = {prices.codes[c.original]} from {prices.calendar[c.days[0]]}"
        for c in copies[:most]
    )
    return shown if len(copies) <= most else f"{shown} and {len(copies) - most:,} more"


def _copied_days(young: np.ndarray, old: np.ndarray) -> np.ndarray:
    """Days on which both have a row and at least 60 of the last 66 shared moves were equal."""
    known = np.isfinite(young) & np.isfinite(old)
    both = np.flatnonzero(known[1:] & known[:-1]) + 1
    moved = both[(young[both] != young[both - 1]) | (old[both] != old[both - 1])]
    same = (young[moved] == old[moved]) & (young[moved - 1] == old[moved - 1])
    sums = np.concatenate([[0], np.cumsum(same)])
    starts = np.maximum(np.arange(1, len(sums)) - WINDOW_DAYS, 0)
    alike = np.concatenate([[False], sums[1:] - sums[starts] >= SHARED_DAYS])
    # A day on which neither moved is what the last move was.
    days: np.ndarray = np.flatnonzero(known & alike[np.searchsorted(moved, np.arange(len(known)), "right")])
    return days
