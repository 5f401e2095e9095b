"""Read a panel as a stream of record batches with plain types: one date type, one float type, no surprises.

Whatever the user's writer chose (datetimes, ISO strings, categories, float64), everything downstream sees
``date`` as date32, codes and sectors as strings, the universe as booleans and every number as float32. A type
that cannot become that raises here, by name. Memory is one batch, whatever the size of the files.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from atft.cells import Place, read_codes, read_flags, read_names, read_numbers
from atft.dates import DayReader
from atft.errors import InputError
from atft.panel import PanelColumns
from atft.parquet import open_parquet, stream_columns


def read_batches(
    files: Sequence[Path], columns: PanelColumns, names: Sequence[str], bytes_per_batch: int = 64 << 20
) -> Iterator[pa.RecordBatch]:
    """Read ``names`` of every file in turn, in batches of about ``bytes_per_batch``, with plain types.

    Raises:
        InputError: a file is unreadable, lacks a column, or a column has a type its role cannot take.
    """
    rows = max(4096, bytes_per_batch // (4 * len(names)))
    days = DayReader()
    for path in files:
        with open_parquet(path) as file:
            have = file.schema_arrow.names
            for name in names:
                if name not in have:
                    raise InputError(f"{path}: no column {name!r}, which the panel's first file has")
            first_row = 0
            for batch in stream_columns(path, file, names, rows):
                yield plain(batch, columns, days, path, first_row)
                first_row += len(batch)


def plain(
    batch: pa.RecordBatch, columns: PanelColumns, days: DayReader, path: Path, first_row: int
) -> pa.RecordBatch:
    """Give each column the one type of its role; nulls of numbers stay nulls.

    Args:
        batch: rows as they are stored.
        columns: the role of each column.
        days: what reads the dates of all of the panel's files.
        path: the file, for messages.
        first_row: rows of the file before these.

    Raises:
        InputError: a cell cannot be read as its role asks.
    """
    arrays = []
    for name in batch.schema.names:
        column, place = batch.column(name), Place(path, name, first_row)
        if name == columns.date:
            arrays.append(pa.array(days.read(column, place)).cast(pa.date32()))
        elif name == columns.code:
            arrays.append(read_codes(column, place))
        elif name == columns.sector:
            arrays.append(read_names(column, place))
        elif name == columns.universe:
            arrays.append(read_flags(column, place))
        else:
            arrays.append(read_numbers(column, place))
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)
