"""Read a table of stocks and days that any program wrote: Parquet, CSV (gzip too) or JSON lines.

A column is found by its role: by our name for it, in any case, or by a usual alias of other tools. Dates, codes
and numbers are read by the rules of prices and panels (`atft.files.dates`, `atft.files.cells`), and dates also as
YYYYMMDD. Only columns that have a role are read; a batch at a time becomes arrays, so that texts never fill the
memory.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from atft.errors import InputError, check_unique, clip, listed, one_line
from atft.evaluation.predictions import PREDICTIONS
from atft.files.cells import (
    CellRange,
    no_number,
    read_codes,
    read_names,
    read_numbers,
    read_sectors,
    sorted_texts,
)
from atft.files.csv_text import csv_batches, csv_delimiter, csv_fields, csv_file
from atft.files.dates import DayReader
from atft.files.panel_files import files_of_folder, files_of_glob
from atft.files.parquet import check_file, open_parquet, stream_columns

ALIASES = {
    "date": ("datetime", "day", "timestamp", "time", "trade_date", "trading_date", "as_of"),
    "code": ("symbol", "ticker", "instrument", "asset", "stock", "sid", "permno", "securitiescode", "isin"),
    "score": ("prediction", "predictions", "pred", "y_pred", "yhat", "forecast", "signal", "alpha", "factor"),
    "target": ("label", "return", "ret", "y_true", "y", "forward_return", "fwd_return", "future_return"),
    "target_lag1": ("label_lag1", "return_lag1"),
    "horizon": ("horizon_days",),
    "split": ("set", "subset"),
    "fold": (),
    "seed": (),
    "causal": (),
    "sector": ("industry", "gics_sector", "sector33", "sector_name"),
    "return_1d": ("ret_1d", "returns_1d", "daily_return"),
    "momentum_20d": (),
    "traded_value": ("turnover_value", "dollar_volume", "amount"),
    "exposure_size": ("size", "market_cap", "marketcap", "log_market_cap"),
    "exposure_beta": ("beta",),
    "exposure_volatility": ("volatility",),
}
"""Role of a column, which is our name for it -> names that other programs give it."""
NUMBER_PREFIXES = ("exposure_", "regime_", "interval_")
"""Further columns of numbers, whose roles are their own names."""
QUANTILE = re.compile(r"q(\d\d)")
"""Columns of a network's quantiles, beside what they are compared with."""
MEMBER_KEYS = ("fold", "seed")
"""Numbers that say which of a date's scores a row is: read exactly, since a seed such as 20260103 is no float32."""
TEXTS = ("sector", "split")
KEYS = ("date", "code")
BATCH_ROWS = 1_048_576
CSV_SUFFIXES, JSON_SUFFIXES = (".csv", ".txt", ".tsv"), (".jsonl", ".ndjson", ".json")

BAD_CELL = re.compile(
    r"In CSV column #(\d+): (?:Row #\d+: )?CSV conversion error to (\w+): invalid value '(.*?)'", re.DOTALL
)
"""How pyarrow tells of a cell; it counts the columns from 0."""

Batches = Iterator[tuple[pa.RecordBatch, Mapping[str, str]]]
"""Some rows at a time, with the column of each role that is needed."""


@dataclass(frozen=True)
class FileRows:
    """The columns of a file that have a role, in file order."""

    path: Path
    day: NDArray[np.int32]
    """Index of each row's date among ``dates``."""
    stock: NDArray[np.int32]
    """Index of each row's code among ``codes``."""
    dates: NDArray[Any]
    """datetime64[D], ascending."""
    codes: list[str]
    """Ascending."""
    numbers: dict[str, NDArray[np.floating[Any]]]
    """By role, as float32, fold and seed as float64; NaN where null."""
    texts: dict[str, tuple[list[str], NDArray[np.int32]]]
    """By role: the distinct texts, ascending, and each row's index among them, -1 for null."""
    names: dict[str, str]
    """Role -> the file's own name of its column."""

    def __len__(self) -> int:
        return len(self.day)

    def key_numbers(self, roles: Sequence[str]) -> NDArray[np.int64]:
        """Number the rows by the columns of those roles that the file has: alike where they agree, a null included.

        Ascending by the first column, then the next; 0 where the file has none of them.
        """
        number = np.zeros(len(self), dtype=np.int64)
        for role in roles:
            if role in self.numbers:
                key = np.nan_to_num(self.numbers[role], nan=-1)
                # Distinct keys are few: to find each row's among them is far faster than to sort the rows.
                distinct = np.unique(key)
                number = number * len(distinct) + np.searchsorted(distinct, key)
        return number

    def of_split(self, split: str | None) -> tuple[str | None, NDArray[np.bool_]]:
        """Which split counts, and its rows: the one that is named, else ``test`` where the file has it, else all.

        Raises InputError where no row is of the named split.
        """
        names, index = self.texts.get("split", ([], np.empty(0, np.int32)))
        if split is None and "test" not in names:
            return None, np.ones(len(self), dtype=bool)
        split = "test" if split is None else split
        if split not in names:
            raise InputError(f"{self.path}: no rows of split {split!r}; it has {listed(names)}")
        return split, index == names.index(split)


def read_rows(
    path: str | Path,
    required: Sequence[str],
    wanted: Sequence[str] = tuple(ALIASES),
    *,
    of_panel: bool = False,
) -> FileRows:
    """Read the columns of a file that have a role.

    Args:
        required: roles that it must have beside date and code.
        wanted: roles to read where they are there; with ``exposure_size`` all exposures and regimes are.
        of_panel: it may also be the folder or the glob of a panel.

    Raises:
        InputError: the file cannot be read, a role is missing or two columns have it, a cell is not what its role
            asks for, or the roles of several files differ.
    """
    path = Path(path)
    files = _files_of_panel(path) if of_panel else []
    if not files and not path.is_file():
        scores = path / PREDICTIONS  # of a run
        what = "a folder" if path.is_dir() else "no such file"
        meant = scores if scores.is_file() else "a Parquet, CSV or JSON-lines file"
        raise InputError(f"{path}: {what}; give {meant}")
    days = DayReader()
    columns: dict[str, list[Any]] = {}
    names: dict[str, str] = {}
    for file in files or (path,):
        first_row = 0
        for batch, roles in _batches(file, (*KEYS, *required), wanted):
            names = names or dict(roles)
            if names.keys() != roles.keys():
                raise InputError(
                    f"{file}: must have the columns of the other files of {path}; "
                    f"only some have {listed(sorted(names.keys() ^ roles.keys()))}"
                )
            for role, name in roles.items():
                cells = CellRange(file, name, first_row)
                columns.setdefault(role, []).append(_values(batch.column(name), role, days, cells))
            first_row += len(batch)
    if not any(map(len, columns.get("date", ()))):
        raise InputError(f"{path}: no rows; give a file with at least one day of scores")
    codes, stock = sorted_texts(pa.chunked_array(columns.pop("code")))
    texts = {role: sorted_texts(pa.chunked_array(columns.pop(role))) for role in TEXTS if role in columns}
    every_day = np.concatenate(columns.pop("date"))
    # Days are few: a table over their range is faster than a sort of the rows.
    first = int(every_day.min())
    occurs = np.bincount(every_day - first) > 0
    numbers = {role: np.concatenate(columns.pop(role)) for role in list(columns)}
    return FileRows(
        path=path,
        day=(np.cumsum(occurs) - 1).astype(np.int32)[every_day - first],
        stock=stock,
        dates=(np.flatnonzero(occurs) + first).astype("datetime64[D]"),
        codes=codes,
        numbers=numbers,
        texts=texts,
        names=names,
    )


def _files_of_panel(path: Path) -> list[Path]:
    """The Parquet files of a panel's folder or glob; none of a file, or of a run, whose scores are no panel."""
    if path.is_file() or (path / PREDICTIONS).is_file():
        return []
    return files_of_folder(path) if path.is_dir() else sorted(files_of_glob(str(path)))


def column_roles(
    names: Sequence[str], path: Path, required: Sequence[str], wanted: Sequence[str]
) -> dict[str, str]:
    """Find the column of each role: role -> the file's own name of it.

    Our name for it comes before an alias, and matches in any case.

    Raises InputError where a required role has no column, or two columns could be it.
    """
    roles = {}
    for role in dict.fromkeys((*required, *wanted)):
        candidates = [name for name in names if _plain(name) == role]
        candidates = candidates or [name for name in names if _plain(name) in ALIASES.get(role, ())]
        if len(candidates) > 1:
            raise InputError(
                f"{path}: columns {candidates[0]!r} and {candidates[1]!r} could both be the {role}; "
                f"rename the right one to {role!r}"
            )
        if candidates:
            roles[role] = candidates[0]
        elif role in required:
            aliases = ", ".join(ALIASES.get(role, ())[:4])
            raise InputError(
                f"{path}: no column {role!r}, and none of its aliases ({aliases}, ...); it has {listed(names)}"
            )
    if "exposure_size" in wanted:
        roles |= {_plain(n): n for n in names if _plain(n).startswith(NUMBER_PREFIXES)}
        if "interval_target" in roles:  # else a q10 is anything
            roles |= {n: n for n in names if QUANTILE.fullmatch(n)}
    return roles


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_")


def _values(column: pa.Array, role: str, days: DayReader, cells: CellRange) -> Any:
    if role == "date":
        return days.read(column, cells)
    if role == "code":
        return read_codes(column, cells).dictionary_encode()
    if role in TEXTS:
        read = read_sectors if role == "sector" else read_names
        return read(column, cells).dictionary_encode()
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    kind = pa.float64() if role in MEMBER_KEYS else pa.float32()
    return read_numbers(column, cells, kind).to_numpy(zero_copy_only=False)


def _batches(path: Path, required: Sequence[str], wanted: Sequence[str]) -> Batches:
    suffixes = [s.lower() for s in path.suffixes if s.lower() != ".gz"]
    suffix = suffixes[-1] if suffixes else ""
    if suffix in CSV_SUFFIXES:
        yield from _csv_batches(path, required, wanted)
    elif suffix in JSON_SUFFIXES:
        yield from _json_batches(path, required, wanted)
    else:
        check_file(path)
        with open_parquet(path) as file:
            roles = column_roles(file.schema_arrow.names, path, required, wanted)
            for batch in stream_columns(path, file, list(roles.values()), BATCH_ROWS):
                yield batch, roles


def _csv_batches(path: Path, required: Sequence[str], wanted: Sequence[str]) -> Batches:
    with csv_file(path, "correct it") as file:
        header = file.readline(1 << 20).decode("utf-8-sig")
        delimiter = csv_delimiter(header)
        names = csv_fields(header, delimiter)
        check_unique(path, names)
        roles = column_roles(names, path, required, wanted)
        # Dates and codes stay text until they are read as such, so that "0050" keeps its zeros.
        texts = {*KEYS, *TEXTS}
        types = {n: pa.string() if role in texts else pa.float64() for role, n in roles.items()}
        types |= {roles["causal"]: pa.bool_()} if "causal" in roles else {}
        file.seek(0)
        try:
            for batch in csv_batches(file, types, delimiter):
                yield batch, roles
        except pa.ArrowInvalid as error:
            if not (cell := BAD_CELL.search(str(error))):
                raise
            name, kind, value = names[int(cell[1])], cell[2], clip(cell[3], 40)
            fault = f"{value!r} is neither true nor false; correct it" if kind == "bool" else no_number(value)
            raise InputError(f"{path}: column {name!r}: {fault}") from error


def _json_batches(path: Path, required: Sequence[str], wanted: Sequence[str]) -> Batches:
    from pyarrow.json import ReadOptions, read_json

    try:
        with pa.input_stream(str(path)) as stream:
            table = read_json(stream, read_options=ReadOptions(block_size=1 << 24))
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{path}: not readable as JSON lines ({one_line(error)}); write one object a line"
        ) from error
    roles = column_roles(table.column_names, path, required, wanted)
    for batch in table.select(list(roles.values())).to_batches(BATCH_ROWS):
        yield batch, roles
