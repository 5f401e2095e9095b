"""Files of daily prices: which ones a path means, what their headers mean, and their columns in batches.

A file is Parquet where it begins as one or has its suffix, else CSV of commas, semicolons or tabs, gzipped or not.
"""

import re
from ast import literal_eval
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import chain, islice, repeat
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from atft.errors import InputError
from atft.features.price_dialects import IGNORED, LEVELS, MIN_WIDE_CODES, PLAIN, PRICE_OF, Layout, layout_of
from atft.features.price_names import plain_name
from atft.files.csv_text import NO_TEXT, csv_batches, csv_delimiter, csv_fields, csv_file
from atft.files.panel_files import files_of_glob, is_hidden
from atft.files.parquet import open_parquet, stream_columns

SUFFIXES = (".csv", ".txt", ".tsv", ".csv.gz", ".txt.gz", ".tsv.gz", ".parquet", ".pq")
BATCH_CELLS = 2_097_152
"""Cells of a batch of a Parquet file."""
BLOCK_BYTES = 1 << 23
"""Of a CSV file: of a wide table a smaller block has few rows, and each column costs the same in each block."""
MAX_HEADER_BYTES = 1 << 22
NO_LAYOUT = Layout("empty file", "", None, {})
_PRICE = "|".join(map(re.escape, (*PRICE_OF, *IGNORED)))
_PRICE_AND_CODE = re.compile(rf"({_PRICE})[_. ](.+)|(.+?)[_. ]({_PRICE})", re.I)


def price_files(path: Path) -> list[Path]:
    """Find the files of prices: a file, all CSV and Parquet files below a folder, or the matches of a glob.

    A folder or glob has no hidden file, none of a hidden folder, such as the copies in Jupyter's
    ``.ipynb_checkpoints``, and none with an underscore before its name.
    """
    if path.is_file():
        return [path]
    if path.is_dir():
        found: Iterator[Path] = (f for f in path.rglob("*") if f.name.lower().endswith(SUFFIXES))
    else:
        found = files_of_glob(str(path))
    files = sorted(f for f in found if f.is_file() and not f.name.startswith("_") and not is_hidden(f, path))
    if not files:
        what = "no CSV or Parquet file in it" if path.is_dir() else "no such file"
        raise InputError(f"{path}: {what}; give the Parquet or CSV file of the prices, a folder or a glob")
    return files


def other_files(path: Path) -> list[str]:
    """Names of the visible files below a folder that `price_files` does not read, such as MSFT.csv.zip."""
    files = path.rglob("*") if path.is_dir() else ()
    shown = (f for f in files if f.is_file() and not f.name.startswith("_") and not is_hidden(f, path))
    return sorted(f.name for f in shown if not f.name.lower().endswith(SUFFIXES))


class Header(NamedTuple):
    """What stands above the rows of a file."""

    names: list[str]
    """A name a column; of two header rows the first one."""
    second: list[str]
    """The second header row; empty where there is one only."""
    stored: list[str]
    """The name of each column for Arrow."""
    delimiter: str = ","
    lines: int = 1
    """Lines of a text that it takes, blank ones included."""
    has_rows: bool = True
    """A row stands below it; of Parquet not known yet."""


class PriceFile:
    """A file and its layout. The header is read when the object is made, rows by `batches`.

    Args:
        path: the file.
        columns: role -> column, for what no dialect has.

    Raises:
        InputError: the file cannot be read, or no dialect fits.
    """

    def __init__(self, path: Path, columns: Mapping[str, str]) -> None:
        self.path = path
        with path.open("rb") as file:
            start = file.read(4)
        self._is_parquet = start == b"PAR1" or path.suffix.lower() in (".parquet", ".pq")
        header = _parquet_header(path) if self._is_parquet else self._text_header()
        self._header = header if columns else _split_names(header)
        names = self._header.names
        self.empty = not names or not self._header.has_rows
        """There is no row, as in a vendor's files of stocks that never traded."""
        self.layout = layout_of(path, names, self._header.second, columns) if names else NO_LAYOUT
        if self._header is not header:
            self.layout = replace(self.layout, dialect="a price and a code in each name")

    def label(self, column: str) -> str:
        """A column of the layout as messages name it."""
        names, second = self._header[:2]
        return f"{names[int(column)]} {second[int(column)]}".strip() if second else column

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The columns of the layout as they are stored, text where the file is text, by the layout's names."""
        columns, header = self.layout.columns, self._header
        numbers = [int(c) if header.second else header.names.index(c) for c in columns]
        stored = [header.stored[number] for number in numbers]
        if self._is_parquet:
            with open_parquet(self.path) as file:
                rows = max(1, BATCH_CELLS // len(columns))
                for batch in stream_columns(self.path, file, stored, rows):
                    yield batch.rename_columns(columns)
            return
        # Text stays text until it is read as what it must be, so that "0050" is a code and a bad number is named.
        types = dict.fromkeys(stored, pa.string())
        how = (header.delimiter, [str(number) for number in range(len(header.stored))], header.lines)
        with csv_file(self.path) as text:
            for batch in csv_batches(text, types, *how, block_bytes=BLOCK_BYTES):
                yield batch.rename_columns(columns)

    def _text_header(self) -> Header:
        with csv_file(self.path) as file:
            # Blank lines are no rows, wherever they are.
            lines = iter(partial(file.readline, MAX_HEADER_BYTES), b"")
            filled = ((number, text) for number, line in enumerate(lines, 1) if (text := line.strip(b"\r\n")))
            ends, texts = zip(*islice(chain(filled, repeat((0, b""))), 4), strict=True)
            if b"\0" in texts[0]:
                raise InputError(f"{self.path}: {NO_TEXT}")
            first = texts[0].decode("utf-8-sig")
            second, third, fourth = (text.decode(errors="replace") for text in texts[1:])
            delimiter = csv_delimiter(first)
            names, under, index = (csv_fields(line, delimiter) for line in (first, second, third))
        stored = [str(number) for number in range(len(names))]
        if not (len(under) == len(names) > 1 and plain_name(under[0]) in LEVELS):
            return Header(names, [], stored, delimiter, ends[0], bool(second))
        # Under the two rows pandas writes the name of the index alone; a day without prices has its date.
        is_name = bool(index) and not any(index[1:]) and not index[0][:1].isdigit()
        return Header(names, under, stored, delimiter, ends[1 + is_name], bool(fourth if is_name else third))


def _parquet_header(path: Path) -> Header:
    with open_parquet(path) as file:
        stored = list(file.schema_arrow.names)
    # A frame of two levels of columns: pandas writes each name as a pair, and the index behind them.
    pairs = {name: pair for name in stored if (pair := _pair(name)) is not None}
    if not pairs:
        return Header(stored, [], stored)
    day = [name for name in stored if name not in pairs][:1]
    names = ["" if name.startswith("__index_level_") else name for name in day]
    firsts, seconds = zip(*pairs.values(), strict=True)
    return Header([*names, *firsts], ["" for _ in day] + [*seconds], [*day, *pairs])


def _split_names(header: Header) -> Header:
    """The header with prices and codes apart where each name but the date's joins them: Close_AAPL, AAPL.Close."""
    found = [plain_name(name) not in PRICE_OF and _PRICE_AND_CODE.fullmatch(name) for name in header.names]
    pairs = {number: (m[1] or m[4], m[2] or m[3]) for number, m in enumerate(found) if m}
    day = next((number for number in range(len(found)) if number not in pairs), 0)
    if header.second or len(found) != 1 + len(pairs) or plain_name(header.names[day]) not in PLAIN["date"]:
        return header
    prices, codes = zip(*pairs.values(), strict=True)
    if len(set(codes)) < MIN_WIDE_CODES:  # Price Open, Price Close
        return header
    stored = [header.stored[number] for number in (day, *pairs)]
    return header._replace(names=[header.names[day], *prices], second=["", *codes], stored=stored)


def _pair(name: str) -> tuple[str, str] | None:
    """A price and a code where a column's name is a pair of texts, as pandas writes it: ``('Close', 'AAPL')``."""
    if not name.startswith("("):
        return None
    try:
        pair = literal_eval(name)
    except (ValueError, SyntaxError):
        return None
    is_pair = isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(part, str) for part in pair)
    return pair if is_pair else None
