"""A panel that grows: a folder of one Parquet file a month, and beside them what later days need.

``2017-06-1a2b3c4d.parquet`` are the rows of a month, named by month and content; ``update/`` has the prices as they
were read (a file a month as well), the state of the checks and windows after the last day, and ``panel.json``,
which lists the files that count. Files are written under new names, then ``panel.json`` is replaced, then what it
no longer lists is removed: whatever kills the writer, the folder is the former panel or the next one. The list is
chained: each month's link covers its bytes and the link of the month before.
"""

import itertools
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from atft.errors import InputError
from atft.features.options import FeatureOptions
from atft.features.panel_file import PARQUET_OPTIONS, day_groups, panel_table
from atft.files.digest import file_digest, read_sealed_json, record_of, sealed_json
from atft.files.file_lock import exclusive
from atft.files.panel_files import FOLDER_LIST
from atft.files.parquet import readable, table_file
from atft.files.publish import publish_text

FORMAT = 4
"""Raised whenever the bits of a feature, or the meaning of a file here, change: such a panel is built again."""
NAME_DIGITS = 8
REBUILD = "build the panel again, with features without --append"
"""What to do about a panel that cannot be appended to, in messages."""
OURS = re.compile(
    rf"(prices-)?\d{{4}}-\d\d-[0-9a-f]{{{NAME_DIGITS}}}\.parquet|state-[0-9a-f]+\.npz|\.?\.new.*"
)
"""Names that are written here, unfinished files included; no other file is ever removed."""


@dataclass(frozen=True)
class FolderFile:
    """One file of the folder."""

    name: str
    """Below the folder."""
    month: str
    """Such as 2017-06; empty for the state."""
    size: int
    sha256: str


@dataclass(frozen=True)
class FolderList:
    """What ``panel.json`` says."""

    format: int
    options: dict[str, Any]
    """`FeatureOptions` that the panel was built with."""
    features: tuple[str, ...]
    months: tuple[FolderFile, ...]
    """Rows of the panel, ascending."""
    prices: tuple[FolderFile, ...]
    """The prices as read, ascending; dates that are no trading days included."""
    state: FolderFile
    chain: tuple[str, ...]
    """The link of each month."""


def is_folder(out: Path) -> bool:
    """Whether ``out`` names a panel that grows: an existing folder, or a name without a suffix."""
    return out.is_dir() or not out.suffix


def link_months(months: tuple[FolderFile, ...]) -> tuple[str, ...]:
    """The digest of each month's bytes and of the link before it."""
    links, link = [], ""
    for month in months:
        link = sha256(f"{link}\0{month.month}\0{month.sha256}".encode()).hexdigest()
        links.append(link)
    return tuple(links)


def read_list(folder: Path) -> FolderList:
    """Read and check the list of a panel that grows.

    Raises:
        InputError: ``folder`` is none, its list is damaged, or another version of the program wrote it.
    """
    path = folder / FOLDER_LIST
    if not path.is_file():
        what = "a file" if folder.is_file() else "no panel that grows"
        raise InputError(
            f"{folder}: {what}; days are appended to a folder that features made, --out without a suffix"
        )
    body = read_sealed_json(path, "panel", "list", REBUILD)
    if body["format"] != FORMAT:
        raise InputError(f"{path}: format {body['format']}, this program appends to {FORMAT}; {REBUILD}")
    listed = record_of(FolderList, body)
    if listed.chain != link_months(listed.months):
        raise InputError(f"{path}: damaged (the months' digests are not its chain); {REBUILD}")
    return listed


def check_same_features(folder: Path, listed: FolderList, names: tuple[str, ...]) -> None:
    """Check that features made now are those of the panel: months with others cannot stand beside its own."""
    if names != listed.features:
        raise InputError(f"{folder}: built by another version of the program; build the panel again")


def publish_list(
    folder: Path,
    options: FeatureOptions,
    features: tuple[str, ...],
    months: tuple[FolderFile, ...],
    prices: tuple[FolderFile, ...],
    state: FolderFile,
) -> None:
    """Make these files the panel, and remove what it does not list."""
    listed = FolderList(FORMAT, asdict(options), features, months, prices, state, link_months(months))
    publish_text(folder / FOLDER_LIST, sealed_json("panel", asdict(listed)))
    remove_unlisted(folder, listed)


def remove_unlisted(folder: Path, listed: FolderList) -> None:
    """Remove what a killed writer left, or what has been replaced."""
    names = {file.name for file in (*listed.months, *listed.prices, listed.state)}
    for path in (*folder.iterdir(), *(folder / FOLDER_LIST).parent.iterdir()):
        if OURS.fullmatch(path.name) and path.relative_to(folder).as_posix() not in names:
            path.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other writers out of the folder while the block runs; the system frees it when a process is killed."""
    lock = (folder / FOLDER_LIST).with_name("lock")
    with exclusive(lock, f"{folder}: another process is writing this panel; wait until it ends"):
        yield


def check_listed(folder: Path, file: FolderFile) -> Path:
    """The path of a listed file whose bytes are those that were written, or raise."""
    path = folder / file.name
    try:
        intact = path.stat().st_size == file.size and file_digest(path) == file.sha256
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; {REBUILD}") from error
    if not intact:
        raise InputError(f"{path}: damaged, its bytes are not those that were written; {REBUILD}")
    return path


def read_table(folder: Path, file: FolderFile) -> Any:
    """Read a month of the panel or of its prices as an Arrow table."""
    import pyarrow.parquet as pq

    path = check_listed(folder, file)
    with readable(path):
        return pq.read_table(path, memory_map=False, partitioning=None)


def write_table(
    folder: Path, kind: str, month: str, table: Any, groups: list[tuple[int, int]], **options: Any
) -> FolderFile:
    """Write a month's table, named by its content; ``kind`` is what comes before the month's name."""
    aside = (folder / f"{kind}{month}").with_name(".new.parquet")
    with table_file(aside, **options) as append:
        for start, end in groups:
            append(table.slice(start, end - start), end - start)
    return name_by_content(folder, aside, f"{kind}{month}", ".parquet", month)


def name_by_content(folder: Path, aside: Path, stem: str, suffix: str, month: str = "") -> FolderFile:
    """Give a finished file the name of its content."""
    digest = file_digest(aside)
    name = f"{stem}-{digest[:NAME_DIGITS]}{suffix}"
    file = FolderFile(name, month, aside.stat().st_size, digest)
    aside.replace(folder / name)
    return file


class MonthFiles:
    """Takes rows of the panel in order and writes each month when it is complete; the files are ``written``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: list[FolderFile] = []
        self._month, self._tables = "", list[Any]()

    def append(self, columns: Mapping[str, Any], day: np.ndarray) -> None:
        """Take the columns of some whole days after all days before; see `panel_file`."""
        if len(day):
            self.append_table(panel_table(columns))

    def append_table(self, table: Any) -> None:
        """The same of a finished table."""
        months = table["date"].to_numpy().astype("datetime64[M]")
        starts = [0, *(np.flatnonzero(months[1:] != months[:-1]) + 1).tolist(), len(months)]
        for start, end in itertools.pairwise(starts):
            month = str(months[start])
            if month != self._month:
                self.finish()
                self._month = month
            self._tables.append(table.slice(start, end - start))

    def finish(self) -> None:
        """Write the month that is open."""
        import pyarrow as pa

        if not self._tables:
            return
        # One chunk a column: the file's bytes are those of its rows, however they came.
        table = pa.concat_tables(self._tables).combine_chunks()
        self._tables = []
        groups = day_groups(table["date"].to_numpy().astype(np.int64))
        self.written.append(write_table(self.folder, "", self._month, table, groups, **PARQUET_OPTIONS))
