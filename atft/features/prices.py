"""Read daily prices into dense [days, stocks] grids.

The file streams through in batches; what stays is one float32 grid per price column on the panel's own calendar
(the dates that occur), NaN where a stock has no row. 6.7 million rows of 3,064 stocks take 46 MB a column. A
panel of many short-lived stocks wastes cells: memory grows with days x stocks, not with rows.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float32, Int32

from atft.cells import Place, read_codes, read_names, read_numbers
from atft.dates import EPOCH, DayReader
from atft.errors import InputError, nearest, one_line
from atft.features.options import FeatureOptions
from atft.parquet import open_parquet, readable

PRICES = ("open", "high", "low", "close", "volume")
# An open or close this far outside [low, high] says that the row's prices are not on one split basis.
TOLERANCE = 0.02
BATCH_ROWS = 262_144


@dataclass
class PriceGrid:
    """Prices on the panel's calendar. NaN is unknown; a stock without a row has a NaN close."""

    calendar: list[date]
    codes: list[str]
    """Ascending; the column of each stock."""
    open: Float32[np.ndarray, "days stocks"]
    high: Float32[np.ndarray, "days stocks"]
    low: Float32[np.ndarray, "days stocks"]
    close: Float32[np.ndarray, "days stocks"]
    volume: Float32[np.ndarray, "days stocks"]
    sector: Int32[np.ndarray, "days stocks"]
    """Index into ``sectors``, -1 for none."""
    sectors: list[str]
    findings: tuple[str, ...] = ()
    """What was left out of, or inserted into, the calendar; a line each."""


def read_prices(path: Path, options: FeatureOptions, exclusions: dict[str, int]) -> PriceGrid:
    """Read a Parquet or CSV file, pass each row through the gates that need only the row itself.

    Dates, codes and numbers are read as `atft.dates` and `atft.cells` say. An ``open`` of 0 is a missing open.

    Args:
        path: ``.parquet`` or ``.csv`` with date, code, open, high, low, close, volume, optional sector.
        options: what the gates do.
        exclusions: rows left out, per gate; this adds to it.

    Raises:
        InputError: the file cannot be read, a column is missing or has a wrong type, or a gate set to
            "error" found a row.
    """
    values = _rows(path)
    present = np.unique(values["date"])
    day = np.searchsorted(present, values.pop("date"))
    calendar = [EPOCH + timedelta(days=int(d)) for d in present]
    if len(calendar) < 2:
        raise InputError(f"{path}: only one trading day, {calendar[0]}; a panel needs at least two")
    codes, stock = values.pop("code")
    sectors, sector = values.pop("sector")

    cell = day.astype(np.int64) * len(codes) + stock
    keep = np.ones(len(cell), dtype=bool)
    _first_of_each_cell(cell, keep, calendar, codes, path, options, exclusions)
    good = np.isfinite(values["close"]) & (values["close"] > 0)
    bad = np.flatnonzero(keep & ~good)
    if len(bad) and options.non_positive == "error":
        where = _place(int(cell[bad[0]]), calendar, codes)
        raise InputError(
            f"{path}: {len(bad):,} rows whose close is missing or not above 0, the first {where}; "
            f"correct them or set non_positive to exclude"
        )
    exclusions["non-positive close"] = len(bad)
    keep &= good

    rows = slice(None) if keep.all() else keep
    shape = (len(calendar), len(codes))

    def grid(of: np.ndarray, empty: float, dtype: type) -> np.ndarray:
        table: np.ndarray = np.full(shape, empty, dtype=dtype)
        table.reshape(-1)[cell[rows]] = of[rows]
        return table

    grids = {name: grid(values.pop(name), np.nan, np.float32) for name in PRICES}
    for name in ("open", "high", "low"):
        grids[name][~((grids[name] > 0) & np.isfinite(grids[name]))] = np.nan
    volume = grids["volume"]
    volume[~((volume >= 0) & np.isfinite(volume))] = np.nan
    _drop_other_basis(grids)
    columns = [grids[name] for name in PRICES]
    return PriceGrid(calendar, codes, *columns, sector=grid(sector, -1, np.int32), sectors=sectors)


class Numbering:
    """Gives each distinct text of a stream a number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def of(self, texts: pa.Array) -> Int32[np.ndarray, " rows"]:
        """Number of each text, -1 for null."""
        encoded = texts.dictionary_encode()
        own = [self._numbers.setdefault(t, len(self._numbers)) for t in encoded.dictionary.to_pylist()]
        numbers: Int32[np.ndarray, " rows"] = np.array([*own, -1], dtype=np.int32)[
            encoded.indices.fill_null(-1).to_numpy()
        ]
        return numbers

    def ascending(self, numbers: Int32[np.ndarray, " rows"]) -> tuple[list[str], Int32[np.ndarray, " rows"]]:
        """The texts in ascending order, and each row's index among them, -1 for null."""
        texts = sorted(self._numbers)
        place = np.empty(len(texts) + 1, dtype=np.int32)
        place[[self._numbers[t] for t in texts]] = np.arange(len(texts))
        place[-1] = -1
        return texts, place[numbers]


def _rows(path: Path) -> dict[str, Any]:
    """Every row in file order: days, (codes, stock), (sectors, sector), and float32 prices."""
    days, stocks, sectors = DayReader(), Numbering(), Numbering()
    columns: dict[str, list[np.ndarray]] = {n: [] for n in ("date", "code", "sector", *PRICES)}
    first_row = 0
    for batch in _batches(path):
        cells = {n: (batch.column(n), Place(path, n, first_row)) for n in batch.schema.names}
        columns["date"].append(days.read(*cells["date"]))
        columns["code"].append(stocks.of(read_codes(*cells["code"])))
        for name in PRICES:
            columns[name].append(read_numbers(*cells[name]).to_numpy(zero_copy_only=False))
        sector = read_names(*cells["sector"]) if "sector" in cells else pa.nulls(len(batch), pa.string())
        columns["sector"].append(sectors.of(sector))
        first_row += len(batch)
    if not first_row:
        raise InputError(f"{path}: no rows; give a file with prices")
    rows: dict[str, Any] = {name: np.concatenate(columns.pop(name)) for name in list(columns)}
    rows["code"], rows["sector"] = stocks.ascending(rows["code"]), sectors.ascending(rows["sector"])
    return rows


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The needed columns as they are stored; text where the file is text."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the Parquet or CSV file of the prices")
    if path.suffix.lower() in (".csv", ".txt"):
        yield from _csv_batches(path)
        return
    with open_parquet(path) as file:
        stream = file.iter_batches(batch_size=BATCH_ROWS, columns=_needed(file.schema_arrow.names, path))
        while True:
            with readable(path):
                batch = next(stream, None)
            if batch is None:
                return
            yield batch


def _csv_batches(path: Path) -> Iterator[pa.RecordBatch]:
    from pyarrow.csv import ConvertOptions, open_csv

    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            names = _needed(next(csv.reader(file), []), path)
        # Text stays text until it is read as what it must be, so that "0050" is a code and a bad number is named.
        as_text = ConvertOptions(column_types=dict.fromkeys(names, pa.string()), include_columns=names)
        with open_csv(path, convert_options=as_text) as stream:
            yield from stream
    except (pa.ArrowException, OSError, csv.Error) as error:
        raise InputError(f"{path}: not readable as CSV ({one_line(error)}); write it again") from error


def _needed(names: list[str], path: Path) -> list[str]:
    """The columns to read, each of which must occur once."""
    for name in ("date", "code", *PRICES):
        if name not in names:
            raise InputError(f"{path}: no column {name!r}{nearest(name, names)}")
    needed = ["date", "code", *PRICES, *(["sector"] if "sector" in names else [])]
    for name in needed:
        if names.count(name) > 1:
            raise InputError(f"{path}: two columns are named {name!r}; rename or drop one")
    return needed


def _first_of_each_cell(
    cell: np.ndarray,
    keep: np.ndarray,
    calendar: list[date],
    codes: list[str],
    path: Path,
    options: FeatureOptions,
    exclusions: dict[str, int],
) -> None:
    """Keep the first row of each (date, code) in file order."""
    taken = np.bincount(cell, minlength=len(calendar) * len(codes))
    extra = int((taken - 1).clip(min=0).sum())
    exclusions["duplicate"] = extra
    if not extra:
        return
    if options.duplicates == "error":
        where = _place(int(np.argmax(taken > 1)), calendar, codes)
        raise InputError(
            f"{path}: {extra:,} rows repeat a (date, code), the first {where}; "
            f"drop them or set duplicates to exclude"
        )
    keep[:] = False
    keep[np.unique(cell, return_index=True)[1]] = True


def _drop_other_basis(grids: dict[str, np.ndarray]) -> None:
    """Forget a high and low that do not hold the close, and an open that they do not hold."""
    close, high, low = grids["close"], grids["high"], grids["low"]
    holds = (low <= close * (1 + TOLERANCE)) & (high >= close * (1 - TOLERANCE)) & (low <= high)
    high[~holds] = np.nan
    low[~holds] = np.nan
    outside = (grids["open"] > high * (1 + TOLERANCE)) | (grids["open"] < low * (1 - TOLERANCE))
    grids["open"][outside] = np.nan
    # A close a shade outside its range is a rounding; stretch the range, so that positions stay in [0, 1].
    np.fmax(high, close, out=high, where=holds)
    np.fmin(low, close, out=low, where=holds)


def _place(cell: int, calendar: list[date], codes: list[str]) -> str:
    day, stock = divmod(cell, len(codes))
    return f"{codes[stock]} on {calendar[day]}"
