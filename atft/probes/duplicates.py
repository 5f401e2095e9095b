"""Does one row stand under two dates or two codes?

Rows are compared by a digest of the columns that differ between nearly all rows; two honest rows agree in none of
them. Rows that agree with many others are fills with a constant, not copies.
"""

import numpy as np

from atft.probes.finding import Suspect
from atft.probes.panel_grid import Cells, PanelGrid

MIN_COLUMNS = 3
"""Columns that differ nearly everywhere, below which equal rows prove nothing."""
MIN_DISTINCT = 0.5
MAX_GROUP = 5
"""Equal rows beyond which they are a fill."""
MIN_COPIES = 5
"""Copied rows below which a file is not accused: a share listed twice is rare, but honest."""


class RowDigests:
    """A digest of each cell's row, built up column by column."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.digest = np.zeros(shape, dtype=np.uint64)
        self.known = np.zeros(shape, dtype=np.int32)
        self.columns = 0

    def add(self, values: Cells) -> None:
        """Take a column in, where its known values differ between most rows."""
        known = np.isfinite(values)
        count = int(known.sum())
        if count < 2 or len(np.unique(values[known])) < MIN_DISTINCT * count:
            return
        self.columns += 1
        bits = np.where(known, values, 0).astype(np.float32).view(np.uint32).astype(np.uint64)
        # Fowler-Noll-Vo with a final mix: equal rows agree, others practically never.
        mixed = (bits + np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xBF58476D1CE4E5B9)
        self.digest = (self.digest * np.uint64(0x100000001B3)) ^ (mixed ^ (mixed >> np.uint64(31)))
        self.known += known


def duplicate_suspect(grid: PanelGrid, digests: RowDigests) -> Suspect | None:
    """Accuse a file in which rows are copies of others, or with two rows of one date and code."""
    twice = len(grid.cell) - int(grid.present.sum())
    if twice:
        return Suspect("", f"{twice:,} rows share date and code with another")
    day, stock = np.nonzero(grid.present & (digests.known >= MIN_COLUMNS))
    if digests.columns < MIN_COLUMNS or not len(day):
        return None
    _, group, size = np.unique(digests.digest[day, stock], return_inverse=True, return_counts=True)
    copied = (size[group] > 1) & (size[group] <= MAX_GROUP)
    order = np.argsort(group[copied], kind="stable")
    days, stocks, groups = (v[copied][order] for v in (day, stock, group))
    copies = int(copied.sum() - len(np.unique(groups)))
    if copies < MIN_COPIES:
        return None
    pair = groups[1:] == groups[:-1]
    one_code = int((pair & (stocks[1:] == stocks[:-1])).sum())
    i = int(pair.argmax())
    first, second = ((grid.codes[stocks[k]], str(grid.dates[days[k]])) for k in (i, i + 1))
    return Suspect(
        "",
        f"{copies:,} rows are copies of another row ({one_code:,} of the same code on another date), the first: "
        f"{first[0]} on {first[1]} and {second[0]} on {second[1]}",
    )
