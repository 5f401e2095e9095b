"""Frames of Polars, pandas and Arrow as tables and as Parquet files that their content names.

Neither library is imported to recognise a frame of it. A file's name is a digest of the frame's values, types and
column names: the same frame finds its file, and the cache made of it, again; another frame never does.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from atft.errors import InputError, one_line
from atft.files.parquet import check_file, open_parquet, table_file

UNNAMED_INDEX = "__index_level_0__"
"""What pandas calls an index without a name in a Parquet file."""
DIGEST_DIGITS = 32
"""Hexadecimal digits of a digest that a file's name has."""


def arrow_table(frame: Any, what: str = "frame", pairs: bool = False, keys: Sequence[str] = ()) -> pa.Table:
    """Return a frame as an Arrow table.

    Of pandas the named levels of the index become columns, and a column of several levels has the name of its last.

    Args:
        frame: a Polars `DataFrame` or `LazyFrame`, a pandas `DataFrame`, or anything with an Arrow stream.
        what: the frame is, for messages.
        pairs: keep the levels of pandas' columns as its Parquet files have them, ``('Close', 'AAPL')``, and an
            index without a name as ``__index_level_0__``.
        keys: columns that it must have, which an index without names may be meant to be.

    Raises:
        InputError: it is no frame, two columns have one name, a column has values of several types, or the index
            has no name where a key is missing, or where prices have several levels.
    """
    library = type(frame).__module__.partition(".")[0]
    try:
        if library == "pandas" and hasattr(frame, "columns"):
            table = _of_pandas(frame, pairs)
        elif library == "polars" and hasattr(frame, "lazy"):
            table = frame.lazy().collect().to_arrow()
        elif library != "pandas" and hasattr(frame, "__arrow_c_stream__"):
            table = pa.table(frame)
        else:
            raise InputError(f"{what}: {type(frame).__name__} is no frame; give a Polars or pandas DataFrame")
    except InputError:
        raise
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        raise InputError(f"{what}: cannot be read as a table ({one_line(error)})") from error
    absent = [key for key in keys if key not in table.column_names]
    if absent and library == "pandas" and _has_unnamed_levels(frame.index):
        raise InputError(
            f"{what}: no column {absent[0]!r}, and the index has no name; name its levels, such as "
            f"frame.rename_axis({[*keys][: frame.index.nlevels]})"
        )
    # Codes or dates without a name would be dropped by `_of_pandas`, or be a column level_1.
    if pairs and library == "pandas" and _lost_levels(frame.index):
        raise InputError(
            f"{what}: a level of the index has no name; name all in their order, such as "
            f"frame.rename_axis(['code', 'date']), or drop them with frame.reset_index(drop=True)"
        )
    twice = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
    if twice:
        raise InputError(f"{what}: two columns are named {twice[0]!r}; rename one")
    return table.replace_schema_metadata(None)


def _has_unnamed_levels(index: Any) -> bool:
    """Whether a pandas index says something, as row numbers do not, under no name."""
    return None in index.names and (index.nlevels > 1 or index.dtype.kind not in "iu")


def _lost_levels(index: Any) -> bool:
    """Whether one of several levels says something, as of `pandas.concat` of a frame a code, under no name."""
    if index.nlevels == 1:
        return False
    return any(
        name is None and level.dtype.kind not in "iu"
        for name, level in zip(index.names, index.levels, strict=True)
    )


def _of_pandas(frame: Any, pairs: bool) -> pa.Table:
    several = frame.columns.nlevels > 1
    if several and pairs:
        return pa.Table.from_pandas(frame, preserve_index=True)
    if pairs and frame.index.nlevels == 1 and _has_unnamed_levels(frame.index):
        frame = frame.rename_axis(UNNAMED_INDEX)
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    if several:  # Qlib's ("feature", "KMID"): the last level that says something
        last = [next((str(n) for n in reversed(levels) if str(n)), "") for levels in frame.columns]
        frame = frame.set_axis(last, axis=1)
    return pa.Table.from_pandas(frame, preserve_index=False)


def frame_digest(table: pa.Table) -> str:
    """SHA-256 of a table's names, types and values; how its columns are divided into chunks does not matter."""
    digest = hashlib.sha256()
    for field in table.schema:
        column = table[field.name]
        digest.update(f"{field.name}\0{field.type}\0{len(column)}\0".encode())
        # Memory under a null may hold anything: which are known, then the known values alone.
        for part in (column.is_valid(), column.drop_null()):
            digest.update(_plain_bytes(part))
    return digest.hexdigest()


def write_frame(frame: Any, folder: str | Path, pairs: bool = False, keys: Sequence[str] = ()) -> Path:
    """Write a frame to ``folder`` as a panel file, where it is not there yet undamaged, and return its path.

    ``pairs`` and ``keys`` are those of `arrow_table`.

    Raises:
        InputError: it is no frame, or the file cannot be written.
    """
    table = arrow_table(frame, pairs=pairs, keys=keys)
    for field in table.schema:
        # Neither a digest nor a Parquet file can be made of an interval's categories.
        if isinstance(getattr(field.type, "value_type", None), pa.ExtensionType):
            raise InputError(
                f"frame: column {field.name!r:.40} has categories of the type {field.type.value_type!s:.40}; "
                f"cast it to text or numbers, or leave it out"
            )
    path = Path(folder) / f"frame-{frame_digest(table)[:DIGEST_DIGITS]}.parquet"
    if not _is_whole(path):
        with table_file(path, compression="zstd") as append:
            append(table, None)
    return path


def _is_whole(path: Path) -> bool:
    """Whether a frame's file is there and undamaged: the user, who never saw it, could not write it again."""
    try:
        check_file(path)
        open_parquet(path).close()
    except InputError:
        return False
    return True


def _plain_bytes(column: pa.ChunkedArray) -> memoryview:
    """A column without nulls as bytes that its values alone decide."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_boolean(column.type):  # the last byte of a bitmap may have bits of other rows
        column = column.cast(pa.uint8())
    batch = pa.record_batch([pa.array(column.combine_chunks())], names=["column"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return memoryview(sink.getvalue())
