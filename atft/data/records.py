"""The cache's files: Arrow IPC files of record batches, one for each trading day, every byte under a checksum.

A day's record has the rows that the panel has of that day, so a cache costs by its rows, however many codes there
ever were. All features of a day are one FixedSizeList column, a ``[rows, features]`` view of the mapped file:
0.03 ms, where 112 columns of a number each would be stacked in 6 ms. Features stored as float16 (scaled ones only)
have a second such column.

A code's number on disk counts the codes in the order of their first days, so that later days never change the
record of an earlier one. In memory stocks are numbered by ascending code, and a day's rows are in that order: a sum
over a day's stocks has the same bits whatever other days the panel has.

The writer notes where each batch is and its CRC-32; the reader checks a batch's bytes before Arrow parses
them, the first time this process asks for it (about a millisecond per megabyte, once). So a truncated or
flipped file is named, never read, and opening costs the footer only.
"""

import errno
import os
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float, Float32, Int16, Int32

from atft.data.row_finder import RowFinder
from atft.errors import InputError, listed

Array = np.ndarray[Any, np.dtype[Any]]

WIDE = ("features", "half_features", "target", "delayed_target", "oracle", "exposure", "context", "label_end")
"""Columns of several numbers a stock."""
FLAT = {"number": pa.int32(), "universe": pa.uint8(), "sector": pa.int16(), "return_1d": pa.float32()}
NO_INDEX = -1
"""Of a sector or a neighbour that there is not."""
LARGE_PAGE = 2 << 20
"""Bytes that a processor can map at once. Linux does where it keeps them in one piece of memory, as it keeps what
was written in one aligned piece (ext4 since Linux 6.16, XFS). From pages of 4 kB rows are gathered at .6 to .8 of
that rate."""


@dataclass(frozen=True)
class DayView:
    """Read-only views of one day's rows, ascending by code."""

    order: Int32[np.ndarray, " codes"]
    """Index of each number among the ascending codes; see `code_order`."""
    number: Int32[np.ndarray, " rows"]
    """Number of each row's code: its index among the codes in the order of their first days."""
    features: Float32[np.ndarray, "rows full"]
    half_features: Float[np.ndarray, "rows half"]
    """The features that are stored as float16."""
    universe: Bool[np.ndarray, " rows"]
    """The stock may be ranked that day."""
    target: Float32[np.ndarray, "rows horizons"]
    """Forward returns, NaN where unknown."""
    delayed_target: Float32[np.ndarray, "rows delayed"]
    """The same of a trade that waits one more close; no column where the panel has none."""
    oracle: Float32[np.ndarray, "rows oracle"]
    """The best possible score of a simulated market; no column where the market is real."""
    sector: Int16[np.ndarray, " rows"]
    """Index into the manifest's sectors, -1 for none."""
    exposure: Float32[np.ndarray, "rows exposures"]
    context: Float32[np.ndarray, "rows context"]
    label_end: Float32[np.ndarray, "rows ends"]
    """Calendar index of the day on which the target of each horizon is known; NaN where the calendar alone says so,
    no column where the panel has none."""
    return_1d: Float32[np.ndarray, " rows"]
    """The day's own return, NaN where unknown or where the panel has none."""

    @property
    def stock(self) -> Int32[np.ndarray, " rows"]:
        """Index of each row's code among the ascending codes; ascending."""
        stock: Array = self.order.take(self.number)
        return stock

    @property
    def ranked(self) -> Int32[np.ndarray, " ranked"]:
        """Stocks of the universe, ascending."""
        stocks: Array = self.stock[self.universe]
        return stocks

    def rows_of(self, stocks: Array) -> tuple[Array, Bool[np.ndarray, " stocks"]]:
        """Find the row of each stock, and say which have one; any row for the others."""
        return RowFinder(self.order, stocks)(self.number)

    def of_stocks(self, name: str, stocks: Array) -> Array:
        """A field's values for some stocks, in their order: NaN, -1 or False for a stock without a row."""
        row, present = self.rows_of(stocks)
        return spread(getattr(self, name), row, present)


def spread(values: Array, row: Array, present: Array) -> Array:
    """Rows of ``values``, NaN, -1 or False where none is ``present``."""
    empty = np.nan if values.dtype.kind == "f" else False if values.dtype == np.bool_ else NO_INDEX
    if not len(values):
        return np.full((len(row), *values.shape[1:]), empty, dtype=values.dtype)
    out: Array = values.take(row, axis=0)
    if not present.all():
        out[~present] = empty
    return out


def code_order(codes: Sequence[str]) -> Int32[np.ndarray, " codes"]:
    """Index of each code among the ascending codes; -1 at the end, where a number of -1 looks."""
    order = np.empty(len(codes) + 1, dtype=np.int32)
    order[sorted(range(len(codes)), key=codes.__getitem__)] = np.arange(len(codes))
    order[-1] = -1
    return order


def encode_day(arrays: dict[str, Array]) -> pa.RecordBatch:
    """Pack a day's arrays, one per field of `DayView` but ``order``; fields of zero width are left out."""
    names, columns = [], []
    # Flags are bytes: Arrow packs booleans into bits, which numpy cannot view.
    for name in (*FLAT, *WIDE):
        array = np.ascontiguousarray(arrays[name])
        if name in FLAT:
            flat = array.view(np.uint8) if array.dtype == np.bool_ else array
            names.append(name)
            columns.append(pa.array(flat, type=FLAT[name]))
        elif array.shape[1]:
            names.append(name)
            columns.append(fixed_lists(array))
    return pa.RecordBatch.from_arrays(columns, names=names)


def decode_day(batch: pa.RecordBatch, order: Array) -> DayView:
    """Unpack a record batch into views, without a copy; ``order`` is that of `code_order`."""
    empty = np.empty((batch.num_rows, 0), dtype=np.float32)
    views: dict[str, Array] = dict.fromkeys(WIDE, empty)
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        views[name] = wide_view(column) if name in WIDE else np.from_dlpack(column)
    views["universe"] = views["universe"].view(np.bool_)
    return DayView(order, **views)


def fixed_lists(array: Array) -> pa.FixedSizeListArray:
    """A ``[rows, width]`` array as a column of lists."""
    return pa.FixedSizeListArray.from_arrays(pa.array(array.ravel()), array.shape[1])


def wide_view(column: pa.FixedSizeListArray) -> Array:
    """A FixedSizeList column as a ``[rows, width]`` view."""
    # A view, as of `to_numpy`, which would import pandas (.4 s).
    values: Array = np.from_dlpack(column.flatten())
    return values.reshape(len(column), column.type.list_size)


@dataclass(frozen=True)
class FileRecord:
    """What the manifest knows of one file: its size, its time, and the checksum of each of its parts."""

    name: str
    size: int
    mtime_ns: int
    offsets: tuple[int, ...]
    """Where each batch starts, and where the last one ends: ``len(crcs) + 1`` byte positions. The file's
    header counts as part of the first batch, since Arrow writes it with that."""
    crcs: tuple[int, ...]
    """CRC-32 of each batch's bytes."""
    footer_crc: int
    """CRC-32 of what follows the batches."""


class RecordWriter:
    """Writes batches one after another; ``finish()`` describes the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO
        self._crc = 0
        self._size = 0
        self._offsets = [0]
        self._crcs: list[int] = []
        self._writer: Any = None

    # Arrow writes through this object, so that each byte is added to its batch's checksum on its way.
    closed = False

    def write(self, data: Any) -> int:
        self._crc = zlib.crc32(data, self._crc)
        rest = memoryview(data)
        while len(rest):
            # The buffer is as large as a page and never reaches over the end of one, so the system gets pages.
            part = rest[: LARGE_PAGE - self._size % LARGE_PAGE]
            self._size += self._file.write(part)
            rest = rest[len(part) :]
        return len(data)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def append(self, batch: pa.RecordBatch) -> None:
        """Write one batch and note its bytes' offset and checksum."""
        if self._writer is None:
            self._file = self.path.open("wb", buffering=LARGE_PAGE)
            self._writer = pa.ipc.new_file(pa.PythonFile(self, mode="w"), batch.schema)
        self._writer.write_batch(batch)
        self._crcs.append(self._crc)
        self._crc = 0
        self._offsets.append(self._size)

    def finish(self) -> FileRecord:
        """Write the footer, bring everything to disk, and describe the file."""
        self._writer.close()
        self._file.flush()
        try:
            # A full disk may show itself only here; without the sync the first reader would find it.
            os.fsync(self._file.fileno())
        except OSError as error:
            if error.errno != errno.EINVAL:  # a file system without fsync
                raise
        self._file.close()
        stat = self.path.stat()
        return FileRecord(
            name=self.path.name,
            size=stat.st_size,
            mtime_ns=stat.st_mtime_ns,
            offsets=tuple(self._offsets),
            crcs=tuple(self._crcs),
            footer_crc=self._crc,
        )


class RecordFile:
    """Reads what `RecordWriter` wrote, by memory map; what this process has just written needs no check.

    Raises:
        InputError: the file is missing, or its size or footer is not the manifest's.
    """

    def __init__(self, folder: Path, record: FileRecord, written_here: bool = False) -> None:
        self.path = folder / record.name
        self.record = record
        try:
            stat = self.path.stat()
            if stat.st_size != record.size:
                raise self._error(
                    f"{stat.st_size} bytes where {record.size} were written (truncated or foreign)"
                )
            memory = pa.memory_map(os.fsencode(self.path))
        except OSError as error:
            raise self._error(str(error.strerror)) from error
        if self._crc(record.offsets[-1], record.size) != record.footer_crc:
            raise self._error("damaged footer")
        self.mtime_ns = stat.st_mtime_ns
        self._reader = pa.ipc.open_file(memory)
        self._checked = bytearray([written_here]) * len(record.crcs)

    def _error(self, what: str) -> InputError:
        # A cache that is built again takes its days from another one that has them: from the same damaged file.
        files = self.path.parent.parent.glob(f"[!.]*/{self.path.name}") if self.path.exists() else ()
        others = [file.parent.name for file in files if file != self.path and file.samefile(self.path)]
        more = f", with the caches that share the file: {listed(others)}" if others else ""
        return InputError(f"{self.path}: {what}; delete its folder to build it again{more}")

    def check(self, indices: Iterable[int]) -> None:
        """Compare the batches' bytes with their checksums, and raise where they differ."""
        offsets = self.record.offsets
        for index in indices:
            if self._crc(offsets[index], offsets[index + 1]) != self.record.crcs[index]:
                raise self._error(f"record {index} is damaged (checksum differs)")
            self._checked[index] = 1

    def _crc(self, start: int, stop: int) -> int:
        # Read, not mapped: checking a whole file must not make all of it resident.
        with self.path.open("rb") as file:
            file.seek(start)
            return zlib.crc32(file.read(stop - start))

    def batch(self, index: int) -> pa.RecordBatch:
        """Batch ``index`` as views of the mapped file, its bytes checked when first asked for."""
        if not self._checked[index]:
            self.check([index])
        return self._reader.get_batch(index)
