"""A file of daily prices as dense [days, stocks] grids, after the checks that need only the row itself.

One float32 grid per price column on the dates that occur, NaN where a stock has no row. 6.7 million rows of 3,064
stocks take 46 MB a column. Memory grows with days x stocks, not with rows: many short-lived stocks waste cells.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int32

from atft.cells import CellRange, check_codes, read_codes, read_names, read_numbers, sorted_texts
from atft.dates import EPOCH, DayReader
from atft.errors import InputError, nearest, one_line
from atft.features.options import FeatureOptions
from atft.features.windows import Grid
from atft.parquet import open_parquet, stream_columns

PRICES = ("open", "high", "low", "close", "volume")
BATCH_ROWS = 262_144
RANGE_TOLERANCE = 0.02
"""Of an open or close this far outside [low, high], the row's prices are not on one split basis."""


@dataclass(kw_only=True)
class PriceGrid:
    """Prices by day and stock. NaN is unknown; a stock without a row has a NaN close."""

    path: Path
    """The file, for messages."""
    calendar: list[date]
    codes: list[str]
    """Ascending; the column of each stock."""
    open: Grid
    high: Grid
    low: Grid
    close: Grid
    volume: Grid
    sector: Int32[np.ndarray, "days stocks"]
    """Index into ``sectors``, -1 for none."""
    sectors: list[str]
    exclusions: dict[str, int]
    """Rows left out so far, by the check that left them out."""
    start: int = 0
    """Index of the first day on the panel's calendar; above 0 where only its last days are in memory."""
    inserted: tuple[int, ...] = ()
    """Indices of the days that stand in for a gap, the first day here being 0; no stock has a row there."""
    notes: tuple[str, ...] = ()
    """What was found in the calendar and the series, a line each."""


def read_prices(path: Path, options: FeatureOptions) -> PriceGrid:
    """Read a Parquet or CSV file with date, code, open, high, low, close, volume and an optional sector.

    Rows without a close above 0, and second rows of a (date, code), are left out. Dates, codes and numbers are read
    as `atft.dates` and `atft.cells` say. An ``open`` of 0 is a missing open.

    Raises:
        InputError: the file cannot be read, a column is missing or has a wrong type, or a row repeats a date and
            code.
    """
    values = _rows(path)
    dates = np.unique(values["date"])
    calendar = [EPOCH + timedelta(days=int(d)) for d in dates]
    codes, stock = values.pop("code")
    sectors, sector = values.pop("sector")
    # The row's cell of the grid, day by day; one array for both steps, since it is the largest.
    cell = np.searchsorted(dates, values.pop("date"))
    check_codes(path, len(codes), len(calendar), len(cell))
    cell *= len(codes)
    cell += stock

    keep = np.ones(len(cell), dtype=bool)
    rows_of_cell = np.bincount(cell, minlength=len(calendar) * len(codes))
    duplicates = int((rows_of_cell - 1).clip(min=0).sum())
    if duplicates and options.duplicates == "error":
        day, column = divmod(int(np.argmax(rows_of_cell > 1)), len(codes))
        raise InputError(
            f"{path}: {duplicates:,} rows repeat a (date, code), the first {codes[column]} on {calendar[day]}; "
            f"drop them or set duplicates to exclude"
        )
    if duplicates:  # the first row of each cell in file order stays
        keep[:] = False
        keep[np.unique(cell, return_index=True)[1]] = True
    positive = np.isfinite(values["close"]) & (values["close"] > 0)
    exclusions = {"duplicate": duplicates, "non-positive close": int((keep & ~positive).sum())}
    keep &= positive

    rows = slice(None) if keep.all() else keep  # of a clean file nothing is copied

    def grid(of: np.ndarray, empty: float, dtype: type) -> np.ndarray:
        table: np.ndarray = np.full((len(calendar), len(codes)), empty, dtype=dtype)
        table.reshape(-1)[cell[rows]] = of[rows]
        return table

    grids: dict[str, Any] = {name: grid(values.pop(name), np.nan, np.float32) for name in PRICES}
    for name in ("open", "high", "low"):
        grids[name][~((grids[name] > 0) & np.isfinite(grids[name]))] = np.nan
    volume = grids["volume"]
    volume[~((volume >= 0) & np.isfinite(volume))] = np.nan
    _drop_other_basis(grids)
    return PriceGrid(
        path=path,
        calendar=calendar,
        codes=codes,
        sector=grid(sector, -1, np.int32),
        sectors=sectors,
        exclusions=exclusions,
        **grids,
    )


def _drop_other_basis(grids: dict[str, np.ndarray]) -> None:
    """Make a high and low unknown that do not contain the close, and an open that they do not contain."""
    close, high, low = grids["close"], grids["high"], grids["low"]
    above, below = 1 + RANGE_TOLERANCE, 1 - RANGE_TOLERANCE
    contains = (low <= close * above) & (high >= close * below) & (low <= high)
    high[~contains] = np.nan
    low[~contains] = np.nan
    outside = (grids["open"] > high * above) | (grids["open"] < low * below)
    grids["open"][outside] = np.nan
    # A close a shade outside its range is a rounding; stretch the range, so that positions stay in [0, 1].
    np.fmax(high, close, out=high, where=contains)
    np.fmin(low, close, out=low, where=contains)


def _rows(path: Path) -> dict[str, Any]:
    """Columns of every row, in file order.

    ``date``: days since 1970. ``code`` and ``sector``: the distinct texts, ascending, and each row's index among
    them, -1 for none. The prices: float32, NaN where the cell is empty.
    """
    days = DayReader()
    columns: dict[str, list[Any]] = {n: [] for n in ("date", "code", "sector", *PRICES)}
    first_row = 0
    for batch in _batches(path):
        cells = {n: (batch.column(n), CellRange(path, n, first_row)) for n in batch.schema.names}
        columns["date"].append(days.read(*cells["date"]))
        columns["code"].append(read_codes(*cells["code"]).dictionary_encode())
        for name in PRICES:
            columns[name].append(read_numbers(*cells[name]).to_numpy(zero_copy_only=False))
        sector = read_names(*cells["sector"]) if "sector" in cells else pa.nulls(len(batch), pa.string())
        columns["sector"].append(sector.dictionary_encode())
        first_row += len(batch)
    if not first_row:
        raise InputError(f"{path}: no rows; give a file with prices")
    texts = {name: sorted_texts(pa.chunked_array(columns.pop(name))) for name in ("code", "sector")}
    return texts | {name: np.concatenate(columns.pop(name)) for name in list(columns)}


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The needed columns as they are stored; text where the file is text."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the Parquet or CSV file of the prices")
    if path.suffix.lower() in (".csv", ".txt"):
        yield from _csv_batches(path)
        return
    with open_parquet(path) as file:
        yield from stream_columns(path, file, _needed(file.schema_arrow.names, path), BATCH_ROWS)


def _csv_batches(path: Path) -> Iterator[pa.RecordBatch]:
    from pyarrow.csv import ConvertOptions, open_csv

    try:
        with path.open("rb") as file:
            header = file.readline(1 << 20).decode("utf-8-sig")
        if "\0" in header:
            raise InputError(f"{path}: not UTF-8 text; write it again")
        names = _needed(next(csv.reader([header]), []), path)
        # Text stays text until it is read as what it must be, so that "0050" is a code and a bad number is named.
        as_text = ConvertOptions(column_types=dict.fromkeys(names, pa.string()), include_columns=names)
        with open_csv(path, convert_options=as_text) as stream:
            yield from stream
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text; write it again") from error
    except (pa.ArrowException, OSError, csv.Error) as error:
        raise InputError(f"{path}: not readable as CSV ({one_line(error)}); write it again") from error


def _needed(names: list[str], path: Path) -> list[str]:
    """The columns to read, each of which must occur once."""
    needed = ["date", "code", *PRICES, *(["sector"] if "sector" in names else [])]
    for name in needed:
        if name not in names:
            raise InputError(f"{path}: no column {name!r}{nearest(name, names)}")
        if names.count(name) > 1:
            raise InputError(f"{path}: two columns are named {name!r}; rename or drop one")
    return needed
