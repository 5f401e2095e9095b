"""Read a file of daily prices, Parquet or CSV, batch by batch, with the readers that panels use."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from atft.cells import CellRange, read_codes, read_names, read_numbers, sorted_texts
from atft.dates import DayReader
from atft.errors import InputError, nearest, one_line
from atft.parquet import open_parquet, stream_columns

PRICES = ("open", "high", "low", "close", "volume")
BATCH_ROWS = 262_144


def price_rows(path: Path) -> dict[str, Any]:
    """Read every row, in file order.

    Args:
        path: ``.parquet`` or ``.csv`` with date, code, open, high, low, close, volume, optional sector.

    Returns:
        ``date``: days since 1970. ``code`` and ``sector``: the distinct texts, ascending, and each row's index
        among them, -1 for none. The prices: float32, NaN where the cell is empty.

    Raises:
        InputError: the file cannot be read, a column is missing, or a cell is not what its column must hold.
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
