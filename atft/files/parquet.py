"""Parquet files whose every byte is covered by a checksum, and one-line errors for those that cannot be read.

Page checksums cover values, which any reader can compare, but neither the pages' headers nor the footer, where a
flipped bit renames a column or decodes it otherwise. So a CRC-32 of the whole file stands beside the footer, where
the format leaves room: other readers skip it, and a file that another tool has written from ours does not have it.
Comparing takes a second for 4 GB.
"""

import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from atft.errors import InputError, check_unique, one_line
from atft.files.publish import published

_MARK = b"ATFTCRC1"
_SEAL_BYTES = len(_MARK) + 4
_CHUNK_BYTES = 1 << 22
_FIRST_VALUES = 10_000
"""Of a column, by which its dictionary is chosen."""
_TAIL_BYTES = 8
"""A Parquet file ends with its footer's length and the letters PAR1."""


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn every way in which a Parquet file can be broken into one line that names the file."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except UnicodeEncodeError as error:
        raise InputError(f"{path}: its name is not UTF-8 text; rename it") from error
    # A damaged footer can ask for any amount of memory or name columns in no encoding.
    except (pa.ArrowException, OSError, UnicodeDecodeError, MemoryError) as error:
        raise InputError(
            f"{path}: not a readable Parquet file ({one_line(error)}); write it again"
        ) from error


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open a file whose pages are compared with their checksums, where it has any, as they are read.

    Raises:
        InputError: the file is not readable, or two columns have one name.
    """
    with readable(path):
        # Buffering ahead would keep every column chunk read so far: the whole panel, at the end.
        file = pq.ParquetFile(path, pre_buffer=False, page_checksum_verification=True)
        names = file.schema_arrow.names
    check_unique(path, names)
    return file


def stream_columns(
    path: Path, file: pq.ParquetFile, names: Sequence[str], rows: int
) -> Iterator[pa.RecordBatch]:
    """Read some columns in their order here, in batches of ``rows`` rows.

    Raises:
        InputError: a page cannot be read, or the columns end before the footer's number of rows.
    """
    batches, rows_read = file.iter_batches(batch_size=rows, columns=list(names)), 0
    while True:
        with readable(path):
            batch = next(batches, None)
        if batch is None:
            break
        rows_read += len(batch)
        yield batch.select(list(names))
    if rows_read != file.metadata.num_rows:
        raise InputError(f"{path}: damaged, {rows_read:,} of {file.metadata.num_rows:,} rows; write it again")


@contextmanager
def table_file(out: Path, **options: Any) -> Iterator[Callable[[pa.Table, int | None], None]]:
    """A context that gives a function to append tables with; leaving it without an error publishes the file.

    It is Parquet with the checksums that `check_file` compares and ``options`` of ``ParquetWriter``; a file named
    ``.csv`` is plain text. A full disk raises and leaves nothing behind; see `published`.
    """
    from pyarrow.csv import CSVWriter

    is_text = out.suffix == ".csv"
    with published(out) as aside, ExitStack() as stack:
        writer: Any = None

        def append(table: pa.Table, row_group_size: int | None = None) -> None:
            nonlocal writer
            if writer is None:
                how = {"use_dictionary": _repeating(table), **options}
                kind = CSVWriter if is_text else partial(pq.ParquetWriter, write_page_checksum=True, **how)
                writer = stack.enter_context(kind(aside, table.schema))
            writer.write_table(table, row_group_size)

        yield append
        stack.close()
        if writer is not None and not is_text:
            _seal(aside)


def _repeating(table: pa.Table) -> list[str]:
    """Columns to be written with a dictionary: all but floats whose first values differ.

    A dictionary of features takes ten times as long to write, and makes a larger file; one of a few levels a
    smaller one.
    """
    first = table.slice(0, _FIRST_VALUES)
    return [
        field.name
        for field, values in zip(table.schema, first.columns, strict=True)
        if not pa.types.is_floating(field.type) or 2 * pc.count_distinct(values).as_py() < len(first)
    ]


def _seal(path: Path) -> None:
    """Write the file's checksum before its footer."""
    with path.open("r+b") as file:
        start = _footer_start(file)
        pages = _crc(file, start)
        footer = file.read()
        file.seek(start)
        file.write(_MARK + zlib.crc32(footer, pages).to_bytes(4, "little") + footer)


def check_file(path: Path) -> None:
    """Check that a file of `table_file` has its checksum's bytes; any other file passes."""
    with readable(path), path.open("rb") as file:
        start = _footer_start(file) - _SEAL_BYTES
        if start < 0:
            return
        file.seek(start)
        if file.read(len(_MARK)) != _MARK:
            return
        pages = _crc(file, start)
        seal, footer = file.read(_SEAL_BYTES), file.read()
    if zlib.crc32(footer, pages).to_bytes(4, "little") != seal[len(_MARK) :]:
        raise InputError(f"{path}: damaged, its bytes do not match its checksum; write it again")


def _footer_start(file: BinaryIO) -> int:
    """Where the footer starts; negative or wrong where the file is no Parquet file."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL_BYTES))
    return size - _TAIL_BYTES - int.from_bytes(file.read(4), "little")


def _crc(file: BinaryIO, end: int) -> int:
    """CRC-32 of the bytes before ``end``; leaves the file there."""
    crc = 0
    file.seek(0)
    for start in range(0, end, _CHUNK_BYTES):
        crc = zlib.crc32(file.read(min(_CHUNK_BYTES, end - start)), crc)
    return crc
