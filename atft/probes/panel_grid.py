"""A panel as dense arrays of days and stocks, read a few columns at a time.

Nothing is corrected here: rows are taken as they stand in the file, on whatever dates it has. A large panel is read
for some of its stocks only, spread over the alphabet, which bounds time and memory; days are never left out, since
what a probe compares are neighbouring days. What was made of all rows shows in all rows only: see `whole_columns`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float, Int

from atft.data.panel_stream import day_numbers, read_batches
from atft.errors import InputError
from atft.files.cells import MIN_ROWS_PER_CODE, sorted_texts
from atft.files.panel_files import footer_names, panel_files
from atft.panel import PanelColumns, PanelSchema, resolve_columns

MAX_STOCKS = 400
"""Stocks that are read of a larger panel."""
MAX_CELLS = 1 << 22
"""Days x codes, where codes come once."""
COLUMNS_AT_ONCE = 16
WHOLE_NUMBERS = 1 << 26
"""Numbers of whole columns that are in memory at a time, 256 MB."""

Cells = Float[np.ndarray, "days stocks"]
Marks = Bool[np.ndarray, "days stocks"]
Daily = Float[np.ndarray, " days"]
WholeColumn = Float[np.ndarray, " rows_of_file"]
"""A column in all rows of the file, those of stocks that are not read too; NaN where unknown."""
RowDays = Int[np.ndarray, " rows_of_file"]
"""Day of each row of the file, counted from 0."""


@dataclass(frozen=True)
class PanelGrid:
    """The rows of some stocks of a panel, with a cell of the grid for each."""

    files: tuple[Path, ...]
    columns: PanelColumns
    dates: np.ndarray
    """datetime64[D] [days], ascending."""
    codes: tuple[str, ...]
    """[stocks], ascending."""
    codes_in_file: tuple[str, ...]
    """Ascending; those of stocks that are not read too."""
    rows: Int[np.ndarray, " rows"]
    """Numbers of the rows in the file, in its order."""
    cell: Int[np.ndarray, " rows"]
    """Day times stocks plus stock, of each of these rows."""
    day_of_row: RowDays

    @property
    def shape(self) -> tuple[int, int]:
        """Days and stocks."""
        return len(self.dates), len(self.codes)

    def scatter(self, values: np.ndarray, empty: float | bool) -> np.ndarray:
        """Lay values of the rows out as ``[days, stocks]``; of two rows in one cell the later one stays."""
        out = np.full(self.shape, empty, dtype=values.dtype)
        out.reshape(-1)[self.cell] = values
        return out

    @cached_property
    def present(self) -> Marks:
        """Cells that have a row."""
        return self.scatter(np.ones(len(self.cell), dtype=bool), False)

    @cached_property
    def universe(self) -> Marks:
        """Cells whose stock may be ranked: every row where the panel has no such column."""
        name = self.columns.universe
        if name is None:
            return self.present
        return self.scatter(self._column(name).to_numpy(zero_copy_only=False), False)

    @cached_property
    def sector(self) -> np.ndarray:
        """Int [days, stocks]; index into `sector_names`, -1 where unknown."""
        return self.scatter(self._sectors[1], -1)

    @property
    def sector_names(self) -> list[str]:
        """Names of the sectors, ascending."""
        return self._sectors[0]

    @cached_property
    def _sectors(self) -> tuple[list[str], np.ndarray]:
        if self.columns.sector is None:
            return [], np.full(len(self.rows), -1, dtype=np.int32)
        return sorted_texts(pa.chunked_array([self._column(self.columns.sector)]))

    @cached_property
    def row(self) -> Cells:
        """Number of each row in the file, by which those of a day are in its order; NaN where there is no row."""
        return self.scatter(self.rows.astype(np.float64), np.nan)

    def numbers(self, names: Sequence[str]) -> Iterator[tuple[str, Cells]]:
        """Yield columns as float32 ``[days, stocks]``, NaN where unknown."""
        for first in range(0, len(names), COLUMNS_AT_ONCE):
            some = list(names[first : first + COLUMNS_AT_ONCE])
            for name, column in zip(some, self._read(some), strict=True):
                yield name, self.scatter(column.to_numpy(zero_copy_only=False), np.nan)

    def whole_columns(self, names: Sequence[str]) -> Iterator[tuple[str, Cells, WholeColumn]]:
        """Yield columns as :meth:`numbers` does, and beside each its values in all rows of the file."""
        at_once = min(COLUMNS_AT_ONCE, max(1, WHOLE_NUMBERS // len(self.day_of_row)))
        for first in range(0, len(names), at_once):
            some = list(names[first : first + at_once])
            for name, column in zip(some, self._read(some, whole=True), strict=True):
                values = column.to_numpy(zero_copy_only=False)
                yield name, self.scatter(values[self.rows], np.nan), values

    def number(self, name: str) -> Cells:
        """One column as float32 ``[days, stocks]``."""
        return next(self.numbers([name]))[1]

    def _column(self, name: str) -> pa.Array:
        return self._read([name])[0]

    def _read(self, names: Sequence[str], whole: bool = False) -> list[pa.Array]:
        """Columns in the rows of the stocks that are read, or with ``whole`` in all rows of the file."""
        parts: list[list[pa.Array]] = [[] for _ in names]
        start = 0
        for batch in read_batches(self.files, self.columns, names):
            low, high = np.searchsorted(self.rows, [start, start + len(batch)])
            wanted = pa.array(self.rows[low:high] - start)
            for part, column in zip(parts, batch.columns, strict=True):
                part.append(column if whole else column.take(wanted))
            start += len(batch)
        return [pa.concat_arrays(part) for part in parts]


def read_grid(
    path: str | Path, schema: PanelSchema, horizons: Sequence[int] = (), only: Sequence[str] = ()
) -> PanelGrid:
    """Open a panel (a Parquet file, a folder of them, or a glob) for its probes.

    Args:
        horizons: trading days ahead of the targets; all that the panel has, where none is named.
        only: codes to read, ascending; none: a share of all where they are many.

    Raises:
        InputError: the panel cannot be read, or lacks a column that the schema needs.
    """
    files, names = panel_files(path), footer_names(path, [schema.date, schema.code])
    columns = resolve_columns(schema, names, horizons or target_horizons(schema, names, path), str(path))
    read = [columns.date, columns.code]
    batches = list(read_batches(files, columns, read))
    days = np.concatenate([day_numbers(batch, columns.date) for batch in batches] or [np.empty(0, np.int32)])
    if not len(days):
        raise InputError(f"{path}: the panel has no row")
    codes, stock = sorted_texts(pa.chunked_array([batch.column(columns.code) for batch in batches]))
    calendar, day = np.unique(days, return_inverse=True)
    # Every k-th stock of the alphabet, all of them where they are few; more of codes that come once, whose rows are
    # divided among the days.
    once = len(days) < MIN_ROWS_PER_CODE * len(codes)
    most = max(MAX_STOCKS, MAX_CELLS // len(calendar)) if once else MAX_STOCKS
    count = min(len(codes), most)
    chosen = np.unique(np.linspace(0, len(codes) - 1, count).round().astype(np.int64))
    if only:
        chosen = np.flatnonzero(np.isin(codes, list(only)))
    number = np.full(len(codes), -1, dtype=np.int64)
    number[chosen] = np.arange(len(chosen))
    rows = np.flatnonzero(number[stock] >= 0)
    return PanelGrid(
        files=tuple(files),
        columns=columns,
        dates=calendar.astype("datetime64[D]"),
        codes=tuple(codes[i] for i in chosen),
        codes_in_file=tuple(codes),
        rows=rows,
        cell=day[rows].astype(np.int64) * len(chosen) + number[stock[rows]],
        day_of_row=day.astype(np.int32),
    )


def target_horizons(schema: PanelSchema, names: Sequence[str], where: str | Path) -> list[int]:
    """Horizons for which a panel has a target, ascending; 1 for a target that names none."""
    if "{h}" not in schema.targets:
        return [1]
    pattern = re.escape(schema.targets).replace(re.escape("{h}"), r"(\d{1,4})")
    matches = (re.fullmatch(pattern, name) for name in names)
    horizons = sorted({int(match[1]) for match in matches if match and match[1]})
    if not horizons:
        raise InputError(
            f"{where}: no column matches the targets {schema.targets!r}; name them: --targets 'y_{{h}}d'"
        )
    return horizons
