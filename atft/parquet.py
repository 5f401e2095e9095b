"""Open a Parquet file so that damage and odd schemas are one line, never other numbers."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from atft.errors import InputError, one_line


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn every way in which a Parquet file can be broken into one line that names the file."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
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
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"{path}: two columns are named {twice[0]!r}; rename or drop one")
    return file
