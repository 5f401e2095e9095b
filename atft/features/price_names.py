"""What the names of price columns, files and folders say, however they are written."""

import re
from itertools import takewhile
from pathlib import Path
from urllib.parse import unquote

CODES = ("code", "ticker", "symbol", "instrument", "ts_code", "name", "stock", "asset")
_ADJUSTED_NAME = re.compile(
    "adjusted|(split)?adj(usted|ustment)?({0})+|({0})+adj(usted)?".format("clos(e|ing)|price|prc")
)
"""Letters of other names of an adjusted close: Adj. Close, closeadj, Adjusted Closing Price."""
_NUMBERED = re.compile(r"^[0-9]\. ")


def plain_name(name: str) -> str:
    """A column's name as the dialects write it: lower case, without spaces around it or a number, ``4. close``."""
    return _NUMBERED.sub("", name.strip()).casefold()


def is_adjusted_close(name: str) -> bool:
    """Whether a column's name says that it has adjusted closes, however it is written."""
    return _ADJUSTED_NAME.fullmatch(re.sub("[^a-z]", "", plain_name(name))) is not None


def words_of(name: str) -> set[str]:
    """A name, and the words of which it is made."""
    return {plain_name(name), *re.findall("[a-z]+", plain_name(name))}


def code_of_file(path: Path) -> tuple[str, str]:
    """The one code of a file without a column of codes, and what says it: its folder in a partition, else its name.

    ``code=AAPL/year=2015/part-0.parquet`` is of AAPL, ``AAPL.csv`` too.
    """
    for folder in takewhile(lambda folder: "=" in folder.name, path.parents):
        key, _, value = folder.name.partition("=")
        if plain_name(key) in CODES:
            return unquote(value), "folder"
    return bare_stem(path), "file"


def bare_stem(path: Path) -> str:
    """A file's name without the suffixes of its format: AAPL of AAPL.csv.gz, brk.b of brk.b.txt."""
    name = path.name
    for suffix in (".gz", ".csv", ".txt", ".tsv", ".parquet", ".pq"):
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
    return name
