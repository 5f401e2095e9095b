"""The files of a panel: which ones a path stands for, their fingerprints, and the names of their columns."""

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path

from atft.errors import InputError
from atft.files.digest import file_digest, read_sealed_json, sealed_json
from atft.files.publish import parse_json, publish_text

FOLDER_LIST = "update/panel.json"
"""Of a panel that grows (`features --append`): names the files of its folder that count."""

MEMORY = ".panels.json"
"""In the folder of the caches: digests of panels' files, and by what a file is known that has not changed."""
SETTLED_NS = 2_000_000_000
"""A file that changed less long before it was read could change again without another time: clocks of file systems
tick, that of FAT every 2 s."""

SUBFOLDERS = ("*/", "*/*/")
"""Where a message looks for files that a folder itself has not, as of a partitioned panel."""


def panel_files(path: str | Path) -> list[Path]:
    """The Parquet files of a panel, one at least: a file, ``*.parquet`` of a folder, or the matches of a glob.

    Hidden files, such as those that macOS leaves beside each file on other disks, are no part of a folder or glob.

    Raises:
        InputError: there is none, or a folder is named like one, as Spark writes it.
    """
    text = str(path)
    place = Path(text)
    # A file or folder may have brackets in its name.
    is_glob = any(c in text for c in "*?[") and not place.exists()
    if is_glob:
        files = sorted(files_of_glob(text))
    else:
        files = files_of_folder(place) if place.is_dir() else [place] if place.is_file() else []
    if not files:
        start = "" if place.is_absolute() else f" (looked in {Path.cwd()})"
        below = any(True for level in SUBFOLDERS for _ in place.glob(f"{level}*.parquet"))
        advice = (
            f"its subfolders have some, write {text.rstrip('/')}/**/*.parquet"
            if below
            else "set data.panel.path to a file, folder or glob"
        )
        raise InputError(f"panel {text}: no Parquet file there{start}; {advice}")
    folder = next((file for file in files if file.is_dir()), None)
    if folder is not None:
        raise InputError(f"panel {text}: {folder} is a folder; write {folder.parent}/*/*.parquet")
    return files


def files_of_glob(pattern: str) -> Iterator[Path]:
    """The matches of a glob, which may be absolute, but for those that are hidden."""
    named = Path(pattern)
    found = Path(named.anchor).glob(str(named.relative_to(named.anchor)))
    return (file for file in found if not is_hidden(file, named))


def is_hidden(file: Path, named: Path) -> bool:
    """Whether a file, or a folder around it that the ``named`` path does not have, is hidden: Jupyter's copies."""
    return any(part.startswith(".") and part not in named.parts for part in file.parts)


def files_of_folder(folder: Path) -> list[Path]:
    """The Parquet files of a folder, ascending by name; of a panel that grows, those that its list names.

    Raises:
        InputError: the list cannot be read.
    """
    listed = folder / FOLDER_LIST
    if not listed.is_file():
        return sorted(file for file in folder.glob("*.parquet") if not file.name.startswith("."))
    try:
        months = parse_json(listed)["panel"]["months"]
        return [folder / file["name"] for file in months]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{listed}: unreadable; build the panel again with features") from error


def source_fingerprint(files: Sequence[Path], memory: str | Path) -> str:
    """Digest of a panel: the bytes of its files, in their order; 64 hexadecimal digits. See `file_fingerprints`."""
    return joined_fingerprint(file_fingerprints(files, memory))


def file_fingerprints(files: Sequence[Path], memory: str | Path) -> list[str]:
    """SHA-256 of the bytes of each file: one that was copied, moved or touched is the same.

    Reading takes a second for a GB. So the folder ``memory``, that of the caches, has a file of the digests, each
    beside the size, inode and times of its file: one that still has these is not read again. Where that folder
    takes no file, all are read each time.

    Raises:
        InputError: a file cannot be read.
    """
    from atft.files.parquet import readable

    place, new = Path(memory) / MEMORY, {}
    try:
        known = read_sealed_json(place, "files", "digests of panels", "delete it")
    except InputError:
        known = {}
    digests: list[str] = []
    for file in files:
        with readable(file):
            # The state first: whatever changes the file while it is read gives it another one.
            now, stat, name = time.time_ns(), file.stat(), str(file.resolve())
            state = [stat.st_size, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns]
            entry = known.get(name)
            if entry is None or entry[0] != state:
                entry = [state, file_digest(file)]
                if now - stat.st_ctime_ns > SETTLED_NS:
                    new[name] = entry
            digests.append(entry[1])
    if new:
        with suppress(InputError, OSError):
            kept = {name: entry for name, entry in known.items() if Path(name).exists()}
            publish_text(place, sealed_json("files", kept | new), durable=False)
    return digests


def joined_fingerprint(of_files: Iterable[str]) -> str:
    """The fingerprint of a panel from those of its files."""
    return hashlib.sha256("\0".join(of_files).encode()).hexdigest()


@contextmanager
def same_while_read(
    panel: str | Path, files: Sequence[Path], fingerprints: Sequence[str], memory: str | Path
) -> Iterator[None]:
    """Check after the block, however it ends, that the files are those of the ``fingerprints``; else raise."""
    try:
        yield
    finally:
        # What has read two states of a file may have failed anywhere, or not at all.
        if file_fingerprints(files, memory) != [*fingerprints]:
            raise InputError(f"panel {panel}: its files changed while they were read; run it again")


def footer_names(path: str | Path, keys: Sequence[str] = ()) -> tuple[str, ...]:
    """Column names of a panel, read from the first file's Parquet footer only (a millisecond).

    Args:
        path: of the panel.
        keys: columns that it must have, which the names of its folders may say instead.

    Raises:
        InputError: there is no file, the first one is no Parquet file, or a partition's folders have a key.
    """
    from atft.files.parquet import open_parquet

    first = panel_files(path)[0]
    if _is_text(first):
        raise InputError(
            f"{first}: not a readable Parquet file but text; write a panel as Parquet, daily prices go to --prices"
        )
    with open_parquet(first) as file:
        names = tuple(file.schema_arrow.names)
    folders = [*takewhile(lambda folder: "=" in folder.name, first.parents)][::-1]
    folder_of = {folder.name.partition("=")[0]: folder for folder in folders}
    for key in keys:
        if key in folder_of and key not in names:
            texts = ", ".join(f"{name!r}: pl.String" for name in folder_of)
            raise InputError(
                f"panel {path}: column {key!r} is in the folders' names only, as {folder_of[key].name}; write it "
                f"into a file, pl.scan_parquet({str(folders[0].parent)!r}, hive_schema={{{texts}}})"
                f".sink_parquet('panel.parquet') of Polars"
            )
    return names


def _is_text(path: Path) -> bool:
    """Whether a file begins as a CSV does, with a line that can be printed."""
    with path.open("rb") as file:
        line = file.readline(1024).strip()
    return bool(line) and line.decode("utf-8-sig", errors="replace").replace("\t", " ").isprintable()
