"""Ranks of each day's stocks in NumPy: exact under ties, and fast enough for millions of rows.

A float32 is sorted as two 16-bit digits, for which NumPy has a radix sort: five times as fast as its argsort of
floats. All days of a block are sorted by one call; no loop over stocks.
"""

from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Bool, Int
from numpy.typing import NDArray

from atft.evaluation.predictions import Mask, Scores
from atft.process.threads import pool_threads

DAYS_PER_BLOCK = 32
"""Some 4,000 stocks of so many days, and what is made of them, stay in the processor's cache."""
SIGN = np.uint32(1 << 31)

K = TypeVar("K", bound=Hashable)
Positions = Int[np.ndarray, "days stocks"]
Columns = Mapping[str, NDArray[Any]]
"""Name -> ``[days]`` or ``[days, ...]``."""


class RankedDays(NamedTuple):
    """Where each valid stock stands in its day's ascending order; 0 where not valid."""

    first: Positions
    """Position, from 0, of the first of the stocks that have the same value."""
    last: Positions
    """Position of the last of them: the same without ties."""
    stocks: Int[np.ndarray, "days 1"]
    """Valid stocks of the day."""
    valid: Mask
    constant: Bool[np.ndarray, " days"]
    """The day has no order: fewer than two valid stocks, or all values equal but for rounding."""

    def centered(self) -> NDArray[np.float64]:
        """Average ranks minus their mean, times two: whole numbers; 0 where not valid."""
        return np.where(self.valid, self.first + self.last - (self.stocks - 1), 0).astype(np.float64)

    def shares(self) -> NDArray[np.float64]:
        """Average rank as a share of the day's stocks: 0 is the lowest, 1 the highest, NaN where not valid."""
        with np.errstate(invalid="ignore", divide="ignore"):
            share: NDArray[np.float64] = (self.first + self.last) / (2.0 * (self.stocks - 1))
        return np.where(self.valid, share, np.nan)


def rank_days(values: Scores, valid: Mask) -> RankedDays:
    """Rank the valid stocks of each day; a valid NaN ranks above or below all numbers, by the sign of its bits."""
    values = np.asarray(values, dtype=np.float32)
    keys = _sortable(values, valid)
    order = _radix_order(keys)
    ordered = np.take_along_axis(keys, order, axis=1)
    count = valid.sum(axis=1, keepdims=True, dtype=np.int32)
    starts = _changes(ordered)
    position = np.broadcast_to(np.arange(values.shape[1], dtype=np.int32), values.shape)
    # Invalid stocks share one key at the end of the day, which is no tie that matters.
    ties = (~starts & (position < count)).any()
    first, last = _tie_bounds(starts) if ties else (position, position)
    by_stock = []
    for positions in (first, last):
        out = np.empty(values.shape, dtype=np.int32)
        np.put_along_axis(out, order, positions, axis=1)
        by_stock.append(np.where(valid, out, 0))
    return RankedDays(by_stock[0], by_stock[1], count, valid, constant_days(values, valid))


def ranks_in_groups(
    values: Scores, valid: Mask, label: Int[np.ndarray, "days stocks"], groups: int
) -> NDArray[np.float64]:
    """Average ranks among the valid stocks of one day and label, minus their mean, times two; 0 where not valid.

    Args:
        label: in [0, groups) where valid.
    """
    values = np.asarray(values, dtype=np.float32)
    keys = _sortable(values, valid)
    # A third digit, sorted last: the day's stocks by group, within it by value.
    digits = np.where(valid, label, groups).astype(np.uint16)
    by_value = _radix_order(keys)
    by_group = np.argsort(np.take_along_axis(digits, by_value, axis=1), axis=1, kind="stable")
    order = np.take_along_axis(by_value, by_group, axis=1)
    ordered, group = (np.take_along_axis(table, order, axis=1) for table in (keys, digits))
    opens = np.ones(values.shape, dtype=bool)
    np.not_equal(group[:, 1:], group[:, :-1], out=opens[:, 1:])
    first, last = _tie_bounds(opens | _changes(ordered))
    lowest, highest = _tie_bounds(opens)
    centered = np.empty(values.shape, dtype=np.float64)
    np.put_along_axis(centered, order, (first + last - lowest - highest).astype(np.float64), axis=1)
    return np.where(valid, centered, 0)


def constant_days(values: Scores, valid: Mask) -> Bool[np.ndarray, " days"]:
    """Say which days have no order: fewer than two valid stocks, or a range within four roundings of a float32.

    The same rule as `atft.cross_section.is_constant`.
    """
    high = np.max(values, axis=1, where=valid, initial=-np.inf)
    low = np.min(values, axis=1, where=valid, initial=np.inf)
    few = valid.sum(axis=1) < 2
    with np.errstate(invalid="ignore"):
        size = np.maximum(np.abs(high), np.abs(low))
        equal = (high == low) | (high - low <= 4 * np.finfo(np.float32).eps * size)
    return np.asarray(few | equal)


def in_blocks(
    measure: Callable[..., Mapping[K, NDArray[Any]]], *tables: NDArray[Any]
) -> dict[K, NDArray[Any]]:
    """Call a function of some days' tables on blocks of days, and join what it returns for each day.

    Blocks are measured at the same time by as many threads as `atft.process.threads.pool_threads` says.
    """

    def part(first: int) -> Mapping[K, NDArray[Any]]:
        return measure(*(table[first : first + DAYS_PER_BLOCK] for table in tables))

    starts = range(0, max(len(tables[0]), 1), DAYS_PER_BLOCK)
    threads = min(pool_threads(), len(starts))
    if threads == 1:
        parts = [part(first) for first in starts]
    else:
        # NumPy lets other threads run while it sorts and adds.
        with ThreadPoolExecutor(threads) as pool:
            parts = list(pool.map(part, starts))
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def over_blocks(measure: Callable[..., NDArray[Any]], *tables: NDArray[Any]) -> NDArray[Any]:
    """As `in_blocks`, for a function that returns one array."""
    return in_blocks(lambda *part: {"": measure(*part)}, *tables)[""]


def _sortable(values: Scores, valid: Mask) -> NDArray[np.uint32]:
    """Whole numbers in the order of the floats, the largest where not valid; -0 is 0."""
    bits = (values + np.float32(0)).view(np.uint32)
    # Of negative floats the larger magnitude is the smaller number: all bits are flipped; else the sign alone.
    keys = np.where(bits & SIGN, ~bits, bits | SIGN)
    return np.where(valid, keys, np.uint32(0xFFFFFFFF))


def _changes(ordered: NDArray[np.generic]) -> Mask:
    """Where a sorted row's value differs from the one before; True at the first."""
    changes = np.ones(ordered.shape, dtype=bool)
    np.not_equal(ordered[:, 1:], ordered[:, :-1], out=changes[:, 1:])
    return changes


def _tie_bounds(starts: Mask) -> tuple[Positions, Positions]:
    """First and last position of the run that each position is in; a run begins where ``starts``."""
    position = np.broadcast_to(np.arange(starts.shape[1], dtype=np.int32), starts.shape)
    first = np.maximum.accumulate(np.where(starts, position, 0), axis=1)
    ends = np.ones(starts.shape, dtype=bool)
    ends[:, :-1] = starts[:, 1:]
    behind = np.where(ends, position, starts.shape[1])[:, ::-1]
    return first, np.minimum.accumulate(behind, axis=1)[:, ::-1]


def _radix_order(keys: NDArray[np.uint32]) -> NDArray[np.intp]:
    """Stable argsort along the days' stocks, low digit first."""
    by_low = np.argsort(keys.astype(np.uint16), axis=1, kind="stable")
    high = np.take_along_axis((keys >> np.uint32(16)).astype(np.uint16), by_low, axis=1)
    by_high = np.argsort(high, axis=1, kind="stable")
    return np.take_along_axis(by_low, by_high, axis=1)
