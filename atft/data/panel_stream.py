"""Read a panel's rows as a stream of batches of whole days.

Whatever the user's writer chose (datetimes, ISO strings, categories, float64), everything downstream sees
``date`` as date32, codes and sectors as strings, the universe as booleans, every number as float32 and the ends of
labels as float32 too: days since 1970, NaN where null.

A panel that is sorted by date streams with one batch in memory. Any other order (by
stock, a file per stock) is first divided into temporary files of consecutive days, each small enough to be sorted
in memory: the panel is written and read once more.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

from atft.data.manifest import SourceFile
from atft.errors import InputError
from atft.files.cells import CellRange, read_codes, read_flags, read_numbers, read_sectors
from atft.files.dates import DayNumbers, DayReader
from atft.files.parquet import open_parquet, stream_columns
from atft.panel import PanelColumns

MAX_UNSORTED_FILES = 256
"""Temporary files that are open at once, whatever the panel's size."""


@dataclass(frozen=True)
class PanelIndex:
    """The days and stocks of a panel, over the kept dates."""

    dates: tuple[date, ...]
    """The trading days, ascending; days inserted into gaps included."""
    calendar: DayNumbers
    """The same as days since 1970."""
    rows: np.ndarray[tuple[int], np.dtype[np.int64]]
    """Rows of each day; 0 on an inserted day."""
    codes: tuple[str, ...]
    """Codes in the order of their first days, those of one day ascending."""
    in_order: bool
    """Rows come in the order of their dates, so that one sequential pass sees whole days."""
    sources: tuple[SourceFile, ...]
    """What the first pass counted in each file; empty where a file has a day of one before, or an earlier one."""
    findings: tuple[str, ...]
    """What was left out of, or inserted into, the calendar; a line each."""


def read_batches(
    files: Sequence[Path], columns: PanelColumns, names: Sequence[str], bytes_per_batch: int = 64 << 20
) -> Iterator[pa.RecordBatch]:
    """Read ``names`` of every file in turn, in batches of about ``bytes_per_batch``, with plain types or null.

    Raises:
        InputError: a file is unreadable or lacks a column, or a cell cannot be read as its column's role asks.
    """
    rows = max(4096, bytes_per_batch // (4 * len(names)))
    days, ends = DayReader(first_era=columns.first_era), DayReader()
    readers = {columns.code: read_codes, columns.sector: read_sectors, columns.universe: read_flags}
    readers[columns.date] = lambda column, cells: pa.array(days.read(column, cells)).cast(pa.date32())
    for name in columns.label_ends:
        readers[name] = lambda column, cells: pa.array(ends.read_known(column, cells))
    for path in files:
        with open_parquet(path) as file:
            have = file.schema_arrow.names
            for name in names:
                if name not in have:
                    raise InputError(f"{path}: no column {name!r}, which the panel's first file has")
            first_row = 0
            for batch in stream_columns(path, file, names, rows):
                arrays = [
                    readers.get(name, read_numbers)(column, CellRange(path, name, first_row))
                    for name, column in zip(names, batch.columns, strict=True)
                ]
                first_row += len(batch)
                yield pa.RecordBatch.from_arrays(arrays, names=list(names))


def day_numbers(batch: pa.RecordBatch, name: str) -> DayNumbers:
    """Days since 1970 of a date32 column."""
    numbers: DayNumbers = batch.column(name).cast(pa.int32()).to_numpy(zero_copy_only=False)
    return numbers


def whole_days(
    files: Sequence[Path],
    columns: PanelColumns,
    index: PanelIndex,
    scratch: Path,
    bytes_per_batch: int = 64 << 20,
) -> Iterator[pa.RecordBatch]:
    """Yield the kept rows in batches of whole days, ascending; within a day in the panel's order.

    ``scratch`` is a folder for temporary files, on a disk that takes the panel uncompressed once more.
    """
    names = columns.all
    batches = (_on_calendar(b, columns, index) for b in read_batches(files, columns, names, bytes_per_batch))
    if index.in_order:
        return _joined(batches, columns)
    return _sorted(batches, columns, index, scratch, max(1, bytes_per_batch // (4 * len(names))))


def _on_calendar(batch: pa.RecordBatch, columns: PanelColumns, index: PanelIndex) -> pa.RecordBatch:
    kept = np.isin(day_numbers(batch, columns.date), index.calendar)
    return batch if kept.all() else batch.filter(pa.array(kept))


def _joined(batches: Iterable[pa.RecordBatch], columns: PanelColumns) -> Iterator[pa.RecordBatch]:
    pending: list[pa.RecordBatch] = []  # the rows so far of the day that may go on in the next batch
    last_day = -1
    for batch in batches:
        days = day_numbers(batch, columns.date)
        if not len(days):
            continue
        if days[-1] != last_day:
            last_day = int(days[-1])
            cut = int(np.searchsorted(days, last_day))
            if pending or cut:
                yield _concatenated([*pending, batch.slice(0, cut)])
            pending, batch = [], batch.slice(cut)
        pending.append(batch)
    if pending:
        yield _concatenated(pending)


def _concatenated(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def _gathered(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """Join small batches, as those of a file per stock, until they have ``rows`` rows."""
    pending: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        pending.append(batch)
        count += len(batch)
        if count >= rows:
            yield _concatenated(pending)
            pending, count = [], 0
    if pending:
        yield _concatenated(pending)


def _sorted(
    batches: Iterable[pa.RecordBatch], columns: PanelColumns, index: PanelIndex, scratch: Path, rows: int
) -> Iterator[pa.RecordBatch]:
    per_file = max(rows, int(index.rows.sum()) // MAX_UNSORTED_FILES + 1)
    # A day is never divided: its file is the one of its first row, counted over all days before it.
    file_of_day = (np.cumsum(index.rows) - index.rows) // per_file
    count = int(file_of_day[-1]) + 1
    paths = [scratch / f"unsorted-{i:03d}.arrow" for i in range(count)]
    writers: dict[int, pa.ipc.RecordBatchStreamWriter] = {}
    try:
        # A batch of one stock has a few rows for each of the files, and a write of few rows costs as one of many.
        for batch in _gathered(batches, rows):
            target = file_of_day[np.searchsorted(index.calendar, day_numbers(batch, columns.date))]
            order = np.argsort(target, kind="stable")
            bounds = np.searchsorted(target[order], np.arange(count + 1))
            for i, (start, stop) in enumerate(pairwise(bounds)):
                if stop > start:
                    if i not in writers:
                        writers[i] = pa.ipc.new_stream(str(paths[i]), batch.schema)
                    writers[i].write_batch(batch.take(pa.array(order[start:stop])))
    finally:
        for writer in writers.values():
            writer.close()
    for i in sorted(writers):
        with pa.ipc.open_stream(str(paths[i])) as reader:
            table = reader.read_all()
        paths[i].unlink()
        merged = _concatenated(table.combine_chunks().to_batches())
        yield merged.take(pa.array(np.argsort(day_numbers(merged, columns.date), kind="stable")))
