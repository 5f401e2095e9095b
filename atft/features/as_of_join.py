"""Join columns of another file to a panel as of the day on which they were known.

A row of the file counts from the day it was published on, not from the end of the quarter that it speaks of. A
panel's row of day t gets the latest row of its code that was known at least ``lag`` trading days before t. Trading
days are those of the panel; what was published on a Saturday is known from Monday on.

The panel streams through and keeps its columns.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int

from atft.errors import InputError, counted, first_of, nearest
from atft.features.known_rows import BATCH_ROWS, JoinOptions, month_end_warning, read_known_rows
from atft.files.cells import CellRange, read_codes
from atft.files.dates import DayNumbers, DayReader
from atft.files.output_path import check_not_among, check_not_read, check_panel_out
from atft.files.panel_files import panel_files
from atft.files.parquet import open_parquet, stream_columns, table_file
from atft.files.yaml_text import read_date
from atft.process.progress import track


@dataclass(frozen=True)
class JoinReport:
    """What was joined."""

    out: Path
    columns: tuple[str, ...]
    rows: int
    joined: int
    """Rows that got a row of the file."""
    file_rows: int
    unmatched_codes: int
    """Codes of the file that the panel does not have."""
    skipped: tuple[str, ...]
    """Columns of the file that are not all numbers."""
    warning: str

    def lines(self) -> list[str]:
        """The report as text, a fact a line."""
        lines = [
            f"{self.out}: {first_of(self.columns, 6)}, known on {self.joined:,} of {self.rows:,} rows "
            f"({self.joined / max(self.rows, 1):.1%}), from {counted(self.file_rows, 'row')} of the file"
        ]
        if self.unmatched_codes:
            lines.append(f"no row in the panel: {counted(self.unmatched_codes, 'code')} of the file")
        if self.skipped:
            lines.append(f"not joined, not all numbers: {', '.join(self.skipped)}")
        return [*lines, f"WARNING {self.warning}"] if self.warning else lines


def join_panel(panel: str | Path, file: Path, out: Path, options: JoinOptions) -> JoinReport:
    """Write a panel with further columns, each as of the day on which it was known.

    A code's latest known row counts as it is: a cell that it lacks is null, whatever older rows have. The column
    ``known_NAME`` of the file's NAME says when that row was known; it has no role in training.

    Args:
        panel: a Parquet file, a folder of them, or a glob; rows in any order.
        out: Parquet file to write; it may not be one of the panel's, nor become one.

    Raises:
        InputError: a file or column cannot be used, none of the file's codes is in the panel, two rows of one code
            were known on one day, or a column would come twice.
    """
    files = panel_files(panel)
    check_panel_out(out, "join: out")
    check_not_read(out, [*files, file], "join: out")
    check_not_among(out, [panel], "join: out")
    first_era = None if options.first_era is None else read_date("join: first_era", options.first_era)
    days, codes = _days_and_codes(files, options.keys, first_era)
    if not len(days):
        raise InputError(f"{panel}: the panel has no row")
    rows = read_known_rows(file, options)
    unmatched = len(set(rows.codes) - codes) if len(options.keys) > 1 else 0
    if unmatched == len(rows.codes):
        raise InputError(
            f"{file}: none of its codes is in the panel; it has {rows.codes[0]!r}, the panel {min(codes)!r}; use "
            f"the same codes in both"
        )
    added = (*rows.values, f"known_{file.name.partition('.')[0]}")
    usable = usable_from(rows.known, days, options.lag)
    written = joined = 0
    # One batch of the panel at a time: it may be larger than memory.
    with table_file(out, compression="lz4") as append:
        for path, table in track(_tables(files), "joining"):
            twice = [name for name in added if name in table.column_names]
            if twice:
                remedy = f"rename {file.name}" if twice[0] == added[-1] else "set prefix"
                raise InputError(f"{path}: the panel has a column {twice[0]!r} already; {remedy}, or drop it")
            day, index = _rows_of(path, table, options, first_era, rows.codes)
            known_row, matched = latest_known(rows.code, usable, index, np.searchsorted(days, day))
            if options.max_age_days is not None:
                matched &= day - rows.known[known_row] <= options.max_age_days
            check_known(rows.known[known_row][matched], day[matched], days, options.lag)
            # A row without a known one takes null.
            take = pa.array(np.where(matched, known_row, 0), mask=~matched)
            for name, values in rows.values.items():
                table = table.append_column(name, values.take(take))
            table = table.append_column(added[-1], pa.array(rows.known).cast(pa.date32()).take(take))
            append(table, None)
            written, joined = written + len(table), joined + int(matched.sum())
    warning = month_end_warning(rows.known, options.known)
    return JoinReport(
        out, tuple(rows.values), written, joined, len(rows.known), unmatched, rows.skipped, warning
    )


def usable_from(known: DayNumbers, days: DayNumbers, lag: int) -> Int[np.ndarray, " rows"]:
    """Index of the first of the trading ``days`` on which each row may be used; ``len(days)`` or more for none.

    ``lag`` trading days after the last one up to the day on which it was known, and never before that day.
    """
    after = np.searchsorted(days, known, side="right") - 1 + lag
    usable: np.ndarray = np.maximum(np.searchsorted(days, known), after)
    return usable


def latest_known(
    code: Int[np.ndarray, " known"],
    usable: Int[np.ndarray, " known"],
    of_row: Int[np.ndarray, " rows"],
    day: Int[np.ndarray, " rows"],
) -> tuple[Int[np.ndarray, " rows"], Bool[np.ndarray, " rows"]]:
    """Find for each row of a panel the last known row of its code that is usable on its day.

    Args:
        code: of the known rows, at least one, ascending.
        usable: index of the first day that may use each; ascending within a code.
        of_row: code of the panel's rows, -1 for one without known rows.
        day: index of their days.

    Returns:
        Index of the known row, and whether there is one.
    """
    last = int(max(usable.max(), day.max(initial=0))) + 1
    # One ascending key for code and day: the search for a row's own key ends at the last row that it may know.
    known_row = np.searchsorted(code * last + usable, of_row * last + day, side="right") - 1
    matched = (known_row >= 0) & (of_row >= 0)
    known_row = np.maximum(known_row, 0)
    return known_row, matched & (code[known_row] == of_row)


def check_known(known: DayNumbers, day: DayNumbers, days: DayNumbers, lag: int) -> None:
    """Check once more, by counting, that nothing is used before it was known and the lag was over."""
    trading_days_since = np.searchsorted(days, day) - (np.searchsorted(days, known, side="right") - 1)
    assert (known <= day).all() and (trading_days_since >= lag).all(), "a row knows what was published later"


def _days_and_codes(
    files: Sequence[Path], on: Sequence[str], first_era: date | None
) -> tuple[DayNumbers, set[str]]:
    """Trading days of a panel, ascending, and its codes; reads two columns."""
    reader = DayReader(first_era=first_era)
    days, codes = [np.empty(0, dtype=np.int32)], set[str]()
    for path in files:
        with open_parquet(path) as parquet:
            names = parquet.schema_arrow.names
            for name in on:
                if name not in names:
                    raise InputError(f"{path}: no column {name!r}{nearest(name, names)}; set on")
            for batch in stream_columns(path, parquet, on, BATCH_ROWS):
                days.append(np.unique(reader.read(batch.column(0), CellRange(path, on[0]))))
                if len(on) > 1:
                    codes.update(read_codes(batch.column(1), CellRange(path, on[1])).unique().to_pylist())
    return np.unique(np.concatenate(days)), codes


def _tables(files: Sequence[Path]) -> Iterator[tuple[Path, pa.Table]]:
    """A panel's rows, all its columns, in the order of the first file's."""
    schema = None
    for path in files:
        with open_parquet(path) as parquet:
            columns = parquet.schema_arrow.remove_metadata()
            schema = schema or columns
            if not columns.equals(schema):
                raise InputError(
                    f"{path}: other columns or types than {files[0].name}; use the same in all files"
                )
            for batch in stream_columns(path, parquet, schema.names, BATCH_ROWS):
                yield path, pa.Table.from_batches([batch], schema)


def _rows_of(
    path: Path, table: pa.Table, options: JoinOptions, first_era: date | None, codes: Sequence[str]
) -> tuple[DayNumbers, Int[np.ndarray, " rows"]]:
    """Day of each row, and the index of its code among the file's codes, -1 for none."""
    reader = DayReader(first_era=first_era)
    day = reader.read(table[options.keys[0]].combine_chunks(), CellRange(path, options.keys[0]))
    if len(options.keys) == 1:
        return day, np.zeros(len(day), dtype=np.int64)
    encoded = read_codes(table[options.keys[1]].combine_chunks(), CellRange(path, options.keys[1]))
    encoded = encoded.dictionary_encode()
    number_of = {code: i for i, code in enumerate(codes)}
    index = np.array([number_of.get(code, -1) for code in encoded.dictionary.to_pylist()], dtype=np.int64)
    return day, index[encoded.indices.to_numpy()]
