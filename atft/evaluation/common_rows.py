"""The rows that several predictions files have in common: the only ones on which they can be compared.

A file that leaves out stocks or days that are hard to rank would be flattered by its own rows.
"""

from collections.abc import Mapping
from functools import reduce
from typing import NamedTuple

import numpy as np

from atft.errors import InputError
from atft.evaluation.predictions import HorizonScores, Scores

SAME_TARGET = 1e-5
"""Returns that differ by less are the same, written with fewer digits."""


class CommonRows(NamedTuple):
    """One horizon of several files on the days and stocks that all have."""

    table: HorizonScores
    """Present where all files have a score; each column from the first file with a value in it, the score too."""
    scores: dict[str, Scores]
    """File -> its scores."""
    dropped: dict[str, tuple[int, int]]
    """File -> how many of its scored rows, and of its days, not all files have."""
    notes: list[str]


def common_rows(tables: Mapping[str, HorizonScores]) -> CommonRows:
    """Find the rows that all tables score, and lay them out alike.

    A target that the first file does not know is taken from the next that does; a note says where files differ by
    more than rounding.

    Args:
        tables: file -> one horizon of it, with ``score`` and ``target``; the same horizon for all.

    Raises InputError where there is no such row.
    """
    dates = reduce(np.intersect1d, [table.dates for table in tables.values()])
    codes = reduce(np.intersect1d, [np.array(table.codes, dtype=object) for table in tables.values()])
    aligned = {name: _taken(table, dates, codes) for name, table in tables.items()}
    scored = [table.present & np.isfinite(table.columns["score"]) for table in aligned.values()]
    present = np.logical_and.reduce(scored)
    days, stocks = present.any(axis=1), present.any(axis=0)
    horizon = next(iter(tables.values())).horizon
    if not days.any():
        raise InputError(f"no row of horizon {horizon} is in all files: {' and '.join(_period(tables))}")
    # Days and stocks without a common row are left out of the tables.
    kept = np.ix_(days, stocks)
    present = present[kept]
    columns: dict[str, Scores] = {}
    notes = []
    for name, table in aligned.items():
        for column, values in table.columns.items():
            cells = np.where(present, values[kept], np.nan).astype(np.float32)
            if not np.isfinite(columns.get(column, np.nan)).any():
                columns[column] = cells
            elif column in ("target", "target_lag1"):
                notes += _differing(name, column, cells, columns[column], horizon)
                columns[column] = np.where(np.isfinite(columns[column]), columns[column], cells)
    rows = int(present.sum())
    dropped = {}
    for name, table in tables.items():
        file_rows = table.present & np.isfinite(table.columns["score"])
        dropped[name] = int(file_rows.sum()) - rows, int(file_rows.any(axis=1).sum()) - len(present)
    scores = {name: table.columns["score"][kept] for name, table in aligned.items()}
    names = [str(code) for code in codes[stocks]]
    return CommonRows(HorizonScores(horizon, dates[days], names, present, columns), scores, dropped, notes)


def _taken(table: HorizonScores, dates: np.ndarray, codes: np.ndarray) -> HorizonScores:
    """Some days and stocks of a table, all of which it has."""
    day = np.searchsorted(table.dates, dates)
    stock = {code: i for i, code in enumerate(table.codes)}
    cells = np.ix_(day, np.array([stock[code] for code in codes], dtype=np.intp))
    columns = {name: values[cells] for name, values in table.columns.items()}
    return HorizonScores(table.horizon, dates, list(codes), table.present[cells], columns)


def _differing(name: str, column: str, values: Scores, first: Scores, horizon: int) -> list[str]:
    both = np.isfinite(values) & np.isfinite(first)
    wrong = both & (np.abs(values - first) > SAME_TARGET * (1 + np.abs(first)))
    if not wrong.any():
        return []
    return [
        f"{name}: {column} differs on {wrong.sum():,} of {both.sum():,} rows of horizon {horizon} "
        f"from that of a file before it, which is used"
    ]


def _period(tables: Mapping[str, HorizonScores]) -> list[str]:
    return [f"{name} has {len(t.codes):,} codes, {t.dates[0]} to {t.dates[-1]}" for name, t in tables.items()]
