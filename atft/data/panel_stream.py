"""Read a panel as a stream of record batches with plain types: one date type, one float type, no surprises.

Whatever the user's writer chose (datetimes, ISO strings, categories, float64), everything downstream sees
``date`` as date32, codes and sectors as strings, the universe as booleans and every number as float32. A type
that cannot become that is refused here, by name. Memory is one batch, whatever the size of the files.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from atft.errors import InputError
from atft.panel import PanelColumns

TEXT, FLAG, NUMBER = pa.string(), pa.bool_(), pa.float32()
_TICKS_PER_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn every way in which a Parquet file can be broken into one line that names the file."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not a readable Parquet file ({reason}); write it again") from error


def read_batches(
    files: Sequence[Path], columns: PanelColumns, names: Sequence[str], bytes_per_batch: int = 64 << 20
) -> Iterator[pa.RecordBatch]:
    """Read ``names`` of every file in turn, in batches of about ``bytes_per_batch``, with plain types.

    Raises:
        InputError: a file is unreadable, lacks a column, or a column has a type its role cannot take.
    """
    rows = max(4096, bytes_per_batch // (4 * len(names)))
    date_type: pa.DataType | None = None
    for path in files:
        with readable(path):
            # Buffering ahead keeps every column chunk read so far: the whole panel, at the end.
            file = pq.ParquetFile(path, pre_buffer=False, page_checksum_verification=True)
        with file:
            have = file.schema_arrow
            for name in names:
                if name not in have.names:
                    raise InputError(f"{path}: no column {name!r}, which the panel's first file has")
            this = have.field(columns.date).type
            date_type = this if date_type is None else date_type
            if this != date_type:
                raise InputError(
                    f"{path}: column {columns.date!r} is {this}, other files have {date_type}; use one type"
                )
            stream = file.iter_batches(batch_size=rows, columns=list(names))
            while True:
                with readable(path):
                    batch = next(stream, None)
                if batch is None:
                    break
                yield plain(batch, columns, names, path)


def plain(batch: pa.RecordBatch, columns: PanelColumns, names: Sequence[str], where: Path) -> pa.RecordBatch:
    """Give each column the one type of its role; nulls of numbers stay nulls.

    Raises:
        InputError: a date, code or flag cannot be read as such, or a number's column holds no numbers.
    """
    arrays = []
    for name in names:
        column = batch.column(name)
        if name == columns.date:
            arrays.append(as_dates(column, name, where))
        elif name == columns.code:
            arrays.append(_as_text(column, name, where, required=True))
        elif name == columns.sector:
            arrays.append(_as_text(column, name, where, required=False))
        elif name == columns.universe:
            if not pa.types.is_boolean(column.type):
                raise InputError(f"{where}: universe {name!r} must be boolean, it is {column.type}")
            arrays.append(pc.fill_null(column, False))
        else:
            arrays.append(_as_number(column, name, where))
    return pa.RecordBatch.from_arrays(arrays, names=list(names))


def as_dates(column: pa.Array, name: str, where: Path) -> pa.Array:
    """Read trading days from dates, midnights (of the column's own time zone) or ``YYYY-MM-DD`` strings.

    Raises:
        InputError: another type, a null, a time of day (its trading day would depend on the zone), or a
            string that is no such date.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    if column.null_count:
        raise InputError(f"{where}: column {name!r} has {column.null_count} null dates; drop those rows")
    if pa.types.is_timestamp(kind):
        local = pc.local_timestamp(column) if kind.tz else column
        ticks = local.cast(pa.int64())
        day = _TICKS_PER_DAY[kind.unit]
        midnight = pc.equal(ticks, pc.multiply(pc.divide(ticks, day), day))
        if not pc.all(midnight, min_count=0).as_py():
            zone = f" in zone {kind.tz}" if kind.tz else ""
            raise InputError(f"{where}: column {name!r} holds times of day{zone}; give plain trading days")
        return local.cast(pa.date32())
    if pa.types.is_date(kind):
        return column.cast(pa.date32())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        parsed = pc.strptime(column.cast(TEXT), format="%Y-%m-%d", unit="s", error_is_null=True)
        if parsed.null_count:
            bad = column.filter(pc.is_null(parsed))[0].as_py()
            raise InputError(f"{where}: column {name!r} holds {bad!r}; dates are written YYYY-MM-DD")
        return parsed.cast(pa.date32())
    raise InputError(f"{where}: column {name!r} must hold dates, it is {kind}; cast it to a date")


def _as_text(column: pa.Array, name: str, where: Path, required: bool) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    if not (is_text or pa.types.is_integer(kind) or pa.types.is_null(kind)):
        raise InputError(f"{where}: column {name!r} must hold strings or integers, it is {kind}")
    if required and column.null_count:
        raise InputError(f"{where}: column {name!r} has {column.null_count} nulls; drop those rows")
    return column.cast(TEXT)


def _as_number(column: pa.Array, name: str, where: Path) -> pa.Array:
    kind = column.type
    if kind == NUMBER:
        return column
    if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind):
        return column.cast(NUMBER, safe=False)
    raise InputError(f"{where}: column {name!r} must be numeric, it is {kind}; cast it, or exclude it")
