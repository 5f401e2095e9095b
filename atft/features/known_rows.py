"""Rows of a file that were known on a day: when, of which code, and the numbers to join.

The file is read whole: fundamentals of 3,000 stocks are megabytes.
"""

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from atft.errors import InputError, check_unique, counted, nearest
from atft.files.cells import CellRange, is_text, read_codes, read_numbers
from atft.files.csv_text import csv_batches, csv_delimiter, csv_fields, csv_file
from atft.files.dates import DayNumbers, DayReader, date_of
from atft.files.parquet import open_parquet, stream_columns
from atft.option_types import check_least, check_option_types
from atft.panel import match

BATCH_ROWS = 131_072
MAX_MONTH_END_SHARE = 0.9
"""Of the days on which rows were known. Companies report on any day; their quarters end on a month's last one."""
MIN_JUDGED_DAYS = 8


@dataclass(frozen=True)
class JoinOptions:
    """Which rows of a file a panel's row may know.

    Args:
        on: the panel's columns of the day and the code, separated by a comma; the file's column of the code has
            the same name. The day alone joins values of the whole market.
        known: the file's column of the day on which a row became known: the day of publication, not the end of the
            quarter that it reports.
        lag: trading days from the day on which a row became known to the first day that may use it. 1: a row
            published at any hour of Monday is used from Tuesday on; 0: it was known before the close of its day.
        columns: names or globs of the file's columns to join; none named: all numbers.
        prefix: put before the names of the columns. It decides their role: x_ are features, regime_ market-wide
            columns.
        max_age_days: calendar days after which a value counts as unknown again; null: never.
        first_era: ISO date of era 1, if the panel's days are weekly eras.
    """

    on: str = "date,code"
    known: str = "published"
    lag: int = 1
    columns: list[str] = field(default_factory=list)
    prefix: str = "x_"
    max_age_days: int | None = None
    first_era: str | None = None

    def __post_init__(self) -> None:
        check_option_types("join", self, (date,))
        if not 1 <= len(self.keys) <= 2 or not all(self.keys):
            raise InputError(
                f"join: on must name the day and the code of a row, as date,code; got {self.on!r}"
            )
        if self.lag < 0:
            raise InputError(f"join: lag must be at least 0 trading days, got {self.lag}: less looks ahead")
        check_least("join: ", self, max_age_days=1)

    @property
    def keys(self) -> list[str]:
        """Column of the day, then that of the code where there is one."""
        return [name.strip() for name in self.on.split(",")]


@dataclass(frozen=True)
class KnownRows:
    """Rows of the file in the order of their codes and of the days on which they were known."""

    codes: tuple[str, ...]
    code: Int[np.ndarray, " rows"]
    """Index into the codes; 0 where the whole market has one row a day."""
    known: DayNumbers
    values: dict[str, pa.Array]
    """Numbers in this order, by the name that the panel gets."""
    skipped: tuple[str, ...]
    """The file's other columns, where none was named: a cell of theirs is no number."""


def read_known_rows(file: Path, options: JoinOptions) -> KnownRows:
    """Read the file's rows: when they were known, of which code, and the numbers to join.

    Raises:
        InputError: it cannot be read, it has no rows, a column is missing, no column is a number, or two rows of
            one code were known on one day.
    """
    key = options.keys[1] if len(options.keys) > 1 else None
    table = _read_table(file)
    names = table.column_names
    for name in (options.known, *([key] if key else [])):
        if name not in names:
            raise InputError(f"{file}: no column {name!r}{nearest(name, names)}; it has {len(names)} columns")

    if not len(table):
        raise InputError(
            f"{file}: no rows, only the names of columns; add a row for each day on which something was published"
        )

    def cells(name: str) -> tuple[pa.Array, CellRange]:
        return table[name].combine_chunks(), CellRange(file, name)

    known = DayReader().read(*cells(options.known))
    if key is None:
        codes, code = ("",), np.zeros(len(known), dtype=np.int64)
    else:
        encoded = read_codes(*cells(key)).dictionary_encode()
        codes, code = tuple(encoded.dictionary.to_pylist()), encoded.indices.to_numpy().astype(np.int64)
    # By code, then by day: the search for a row's code and day ends at the latest row that it may know.
    order = np.lexsort((known, code))
    known, code = known[order], code[order]
    twice = np.flatnonzero((known[1:] == known[:-1]) & (code[1:] == code[:-1]))
    if len(twice):
        day, who = date_of(known[twice[0]]), codes[code[twice[0]]]
        of = f" of {who!r}" if key else ""
        raise InputError(
            f"{file}: {counted(len(twice), 'row')} with the code and day of another, the first{of} "
            f"known on {day}; keep the later"
        )
    chosen = _value_columns(table, file, options)
    values = {options.prefix + n: read_numbers(*cells(n)).take(pa.array(order)) for n in chosen}
    rest = set() if options.columns else {*names} - {options.known, *options.keys, *chosen}
    return KnownRows(codes, code, known, values, tuple(n for n in names if n in rest))


def _value_columns(table: pa.Table, file: Path, options: JoinOptions) -> list[str]:
    others = [n for n in table.column_names if n not in (options.known, *options.keys)]
    if options.columns:
        for pattern in options.columns:
            if not match([pattern], others):
                raise InputError(f"{file}: no column matches {pattern!r}{nearest(pattern, others)}")
        return list(match(options.columns, others))
    chosen = [name for name in others if _is_numeric(table[name])]
    if not chosen:
        raise InputError(f"{file}: no further column has numbers; name them in columns")
    return chosen


def _is_numeric(column: pa.ChunkedArray) -> bool:
    kind = column.type
    if is_text(kind):  # every column of a CSV file is read as text
        try:
            read_numbers(column.combine_chunks(), CellRange(Path(), ""))
        except InputError:
            return False
        return True
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind))


def _read_table(file: Path) -> pa.Table:
    """The whole file; of a CSV file as text."""
    if file.suffix.lower() in (".parquet", ".pq"):
        with open_parquet(file) as parquet:
            names = list(parquet.schema_arrow.names)
            batches = list(stream_columns(file, parquet, names, BATCH_ROWS))
            return pa.Table.from_batches(batches, parquet.schema_arrow.remove_metadata())
    with csv_file(file) as text:
        header = text.readline().decode("utf-8-sig").strip("\r\n")
        delimiter = csv_delimiter(header)
        names = csv_fields(header, delimiter)
        check_unique(file, names)
        text.seek(0)
        types = dict.fromkeys(names, pa.string())
        return pa.Table.from_batches(csv_batches(text, types, delimiter), pa.schema(types))


def month_end_warning(known: DayNumbers, name: str) -> str:
    """Say that rows seem to be dated by the end of their period: the usual way in which fundamentals look ahead."""
    days = np.unique(known).astype("datetime64[D]")
    if len(days) < MIN_JUDGED_DAYS:
        return ""
    last = days.astype("datetime64[M]") != (days + 1).astype("datetime64[M]")
    if last.mean() < MAX_MONTH_END_SHARE:
        return ""
    return (
        f"{last.mean():.0%} of the days in {name!r} are the last of a month: that is when a quarter ends, not when "
        f"its figures are published; name the column of publication, or set lag to the delay"
    )
