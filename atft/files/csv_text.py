"""CSV files, gzipped or not: a header's fields, rows in batches, and one line for whatever is broken in one."""

import csv
import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

from atft.errors import InputError, one_line

GZIP = b"\x1f\x8b"
NO_TEXT = "neither UTF-8 text (plain or gzipped) nor Parquet; write it as one of them"


@contextmanager
def csv_file(path: Path, remedy: str = "write it again") -> Iterator[BinaryIO]:
    """Open a file, unpacked where it is gzipped; what is broken in it shows while the block reads it.

    Raises:
        InputError: there is no file, or it is no CSV; ``remedy`` is what to do then.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(len(GZIP)) == GZIP
        with gzip.open(path) if packed else path.open("rb") as file:
            yield cast(BinaryIO, file)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: {NO_TEXT}") from error
    except (pa.ArrowException, OSError, EOFError, zlib.error, csv.Error) as error:
        raise InputError(f"{path}: not readable as CSV ({one_line(error)}); {remedy}") from error


def csv_delimiter(header: str) -> str:
    """What stands between the fields of a header: comma, semicolon or tab, whichever it has most of."""
    return max(",;\t", key=header.count)


def csv_fields(line: str, delimiter: str) -> list[str]:
    """The fields of a line, as of a header."""
    return next(csv.reader([line], delimiter=delimiter), []) if line.strip() else []


def csv_batches(
    file: BinaryIO,
    types: Mapping[str, pa.DataType],
    delimiter: str,
    names: Sequence[str] | None = None,
    skip: int = 0,
    block_bytes: int = 1 << 24,
) -> Iterator[pa.RecordBatch]:
    """Read the columns of ``types``, in that order.

    Args:
        file: of `csv_file`, at its beginning.
        names: of all columns; None: those of the first line.
        skip: lines of the header, where ``names`` are given.
    """
    from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions, open_csv

    how = ReadOptions(block_size=block_bytes, column_names=names, skip_rows=skip)
    convert = ConvertOptions(column_types=types, include_columns=list(types))
    with open_csv(file, how, ParseOptions(delimiter=delimiter), convert) as stream:
        yield from stream
