"""Read a panel twice: first its days and stocks, then its rows as a stream of batches of whole days.

Whatever the user's writer chose (datetimes, ISO strings, categories, float64), everything downstream sees
``date`` as date32, codes and sectors as strings, the universe as booleans, every number as float32 and the ends of
labels as float32 too: days since 1970, NaN where null.

The first pass reads date, code, universe and what says that a row is known (seconds at nine million rows). Every
row of a trading day is cached: a stock may join the universe later, and the records of past days do not change.

A panel that is sorted by date streams through the second pass with one batch in memory. Any other order (by
stock, a file per stock) is first divided into temporary files of consecutive days, each small enough to be sorted
in memory: the panel is written and read once more.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

from atft.cells import CellRange, read_codes, read_flags, read_names, read_numbers
from atft.dates import EPOCH, DayNumbers, DayReader
from atft.errors import InputError
from atft.panel import PanelColumns
from atft.parquet import open_parquet, stream_columns
from atft.trading_days import find_trading_days

CALENDAR_KEY = "data.cache.calendar"
TRADED_VALUE = "traded_value"
"""The context column that shows a day without trades, where the panel has it."""
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
    """Rows of each day, cached or not; 0 on an inserted day."""
    codes: tuple[str, ...]
    """Codes in the order of their first days, those of one day ascending."""
    in_order: bool
    """Rows come in the order of their dates, so that one sequential pass sees whole days."""
    findings: tuple[str, ...]
    """What was left out of, or inserted into, the calendar; a line each."""


def index_panel(
    files: Sequence[Path],
    columns: PanelColumns,
    min_date: date | None,
    rules: Mapping[str, str] | None = None,
    today: date | None = None,
) -> PanelIndex:
    """Read the panel once, narrowly, and check its dates; see `find_trading_days`.

    Raises:
        InputError: unreadable file, wrong type, no row in the kept dates, no stock ever in the universe, or the
            calendar breaks a rule.
    """
    where = files[0].parent if len(files) > 1 else files[0]
    scan = _scan(files, columns, min_date)
    if not scan.days:
        after = f" from {min_date} on" if min_date else ""
        raise InputError(f"{where}: the panel has no row{after}; check the path and cache.min_date")
    numbers = np.array(sorted(scan.days), dtype=np.int32)
    rows, known, value = np.array([scan.days[int(d)] for d in numbers]).T
    # A day of unknown prices has rows and no known ones.
    counts = known if known.any() else rows
    counts[0] = rows[0]  # nothing trails on the first date
    days = find_trading_days(
        numbers.astype("datetime64[D]").tolist(),
        counts.astype(np.int64),
        value * (not scan.negative),
        rules or {},
        str(where),
        today or date.today(),
        columns.longest_label_days + 1,
        CALENDAR_KEY,
    )
    calendar = np.array(days.calendar, dtype="datetime64[D]").astype(np.int32)
    if not np.isin(numbers, calendar).all():
        # A code that has rows on dates that are no trading days only is none.
        scan = _scan(files, columns, min_date, calendar)
    if not scan.ranked:
        raise InputError(f"{where}: no row is in the universe ({columns.universe!r} is never True)")
    return PanelIndex(
        dates=days.calendar,
        calendar=calendar,
        rows=np.where(days.source < 0, 0, rows[days.source]).astype(np.int64),
        codes=tuple(sorted(scan.first_day, key=lambda code: (scan.first_day[code], code))),
        in_order=scan.in_order,
        findings=days.findings,
    )


@dataclass
class _Scan:
    """What one narrow pass counts."""

    days: dict[int, np.ndarray] = field(default_factory=dict)
    """Rows, known rows (of a known trailing return or first target) and traded value of each date."""
    first_day: dict[str, int] = field(default_factory=dict)
    """Of each code."""
    ranked: bool = False
    """A row is in the universe."""
    in_order: bool = True
    negative: bool = False
    """The column of the traded value has values below 0, so it is none."""


def _scan(
    files: Sequence[Path], columns: PanelColumns, min_date: date | None, calendar: DayNumbers | None = None
) -> _Scan:
    """Count the rows from ``min_date`` on, of the days of the ``calendar`` only where it is known."""
    returns = [columns.return_1d, columns.targets[0]] if columns.return_1d else []
    value = [TRADED_VALUE] if TRADED_VALUE in columns.context else []
    read = [columns.date, columns.code, columns.universe, *returns, *value]
    names = [name for name in dict.fromkeys(read) if name]
    first_kept = (min_date - EPOCH).days if min_date else np.iinfo(np.int32).min
    scan, latest = _Scan(), np.iinfo(np.int32).min

    def column(batch: pa.RecordBatch, name: str) -> np.ndarray:
        values: np.ndarray = batch.column(name).to_numpy(zero_copy_only=False)
        return values

    for batch in read_batches(files, columns, names, bytes_per_batch=4 << 20):
        days = day_numbers(batch, columns.date)
        if not len(days):
            continue
        scan.in_order = scan.in_order and int(days[0]) >= latest and bool((days[1:] >= days[:-1]).all())
        latest = max(latest, int(days.max()))
        kept = days >= first_kept if calendar is None else np.isin(days, calendar)
        known = np.zeros(len(days), dtype=bool)
        for name in returns:
            known |= ~np.isnan(column(batch, name))
        traded = column(batch, TRADED_VALUE).astype(np.float64) if value else np.zeros(len(days))
        traded[~np.isfinite(traded)] = 0
        scan.negative = scan.negative or bool((traded < 0).any())
        # A day may go on in the next batch, or come again in another file: its counts add up.
        present, which = np.unique(days[kept], return_inverse=True)
        counts = [np.bincount(which, weights=w[kept]) for w in (np.ones(len(days)), known, traded)]
        for day, *count in zip(present.tolist(), *counts, strict=True):
            scan.days[day] = scan.days.get(day, 0) + np.array(count)
        member = kept & column(batch, columns.universe) if columns.universe else kept
        scan.ranked = scan.ranked or bool(member.any())
        codes = batch.column(columns.code).filter(pa.array(kept)).dictionary_encode()
        first = np.full(len(codes.dictionary), np.iinfo(np.int32).max)
        np.minimum.at(first, codes.indices.to_numpy(), days[kept])
        for code, day in zip(codes.dictionary.to_pylist(), first.tolist(), strict=True):
            scan.first_day[code] = min(day, scan.first_day.get(code, day))
    return scan


def read_batches(
    files: Sequence[Path], columns: PanelColumns, names: Sequence[str], bytes_per_batch: int = 64 << 20
) -> Iterator[pa.RecordBatch]:
    """Read ``names`` of every file in turn, in batches of about ``bytes_per_batch``, with plain types or null.

    Raises:
        InputError: a file is unreadable or lacks a column, or a cell cannot be read as its column's role asks.
    """
    rows = max(4096, bytes_per_batch // (4 * len(names)))
    days, ends = DayReader(first_era=columns.first_era), DayReader()
    readers = {columns.code: read_codes, columns.sector: read_names, columns.universe: read_flags}
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
        for batch in batches:
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
