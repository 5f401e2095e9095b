"""A predictions file as dense arrays of days and stocks, one horizon at a time, of any program.

Needed are date, code, score and target; horizon, oracle, return_1d, fold and seed are used where they are there.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from atft.evaluation.any_file import MEMBER_KEYS, FileRows, read_rows
from atft.evaluation.score_rows import stated_horizons
from atft.probes.panel_grid import Cells, Marks

NEEDED = ("score", "target")
USED = ("oracle", "return_1d")


@dataclass(frozen=True)
class ScoredRows:
    """The rows of one horizon (and one fold and seed)."""

    horizon: int
    """Trading days; 1 where the file does not say."""
    dates: np.ndarray
    """datetime64[D] [days], ascending."""
    codes: tuple[str, ...]
    """[stocks], ascending."""
    present: Marks
    """Cells that have a row."""
    numbers: dict[str, Cells]
    """score, target, row (its number in the file), and what else the file has."""
    repeated: int
    """Rows that share date and code with another."""
    split: str | None = None
    """Of which all rows are; None: of all splits, or of a file without them."""

    @property
    def name(self) -> str:
        """The rows in words."""
        return f"horizon {self.horizon}"


def read_scored_rows(path: Path, split: str | None = None) -> list[ScoredRows]:
    """Read a predictions file (Parquet, CSV or JSON lines), a part for each horizon, fold and seed.

    Args:
        split: rows of this split; None: of ``test`` where the file has it, else all, as `evaluate` measures them.
            Scores of training days may know their labels, and would hide faults of the others in a mean.

    Raises:
        InputError: it cannot be read, lacks a column, or has no row, or none of the split.
    """
    rows = read_rows(path, NEEDED, (*USED, "horizon", "split", *MEMBER_KEYS))
    if "horizon" in rows.numbers:
        stated_horizons(rows)  # raises where one is null
    split, of_split = rows.of_split(split)
    chosen = np.flatnonzero(of_split)
    part = rows.key_numbers(("horizon", *MEMBER_KEYS))[chosen]
    # A stable sort keeps the rows of each part in the file's order.
    order = np.argsort(part, kind="stable")
    ends = np.flatnonzero(np.diff(part[order])) + 1
    return [_part(rows, chosen[of_part], split) for of_part in np.split(order, ends)]


def _part(rows: FileRows, chosen: np.ndarray, split: str | None) -> ScoredRows:
    """Some rows of a file, all of one horizon, fold and seed, as dense arrays over their own days and stocks."""
    days, day = np.unique(rows.day[chosen], return_inverse=True)
    stocks, stock = np.unique(rows.stock[chosen], return_inverse=True)
    cell = day * len(stocks) + stock
    present = np.zeros((len(days), len(stocks)), dtype=bool)
    present.reshape(-1)[cell] = True
    numbers = {}
    columns = {name: rows.numbers[name][chosen] for name in (*NEEDED, *USED) if name in rows.numbers}
    for name, values in (columns | {"row": chosen}).items():
        numbers[name] = np.full(present.shape, np.nan)
        numbers[name].reshape(-1)[cell] = values
    horizon = int(rows.numbers["horizon"][chosen[0]]) if "horizon" in rows.numbers else 1
    codes = tuple(rows.codes[i] for i in stocks)
    repeated = len(cell) - int(present.sum())
    return ScoredRows(horizon, rows.dates[days], codes, present, numbers, repeated, split)
