"""What a cache says of itself: typed, versioned JSON with its own digest.

Every number that a reader needs before it touches the data is here: the calendar, the stocks, the features and how
each was scaled, facts of each day (112 features on 2,500 days take 70 kB), and the checksums of every byte.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from atft.data.records import FileRecord
from atft.errors import InputError
from atft.files.digest import read_sealed_json, record_of, sealed_json

FORMAT = 8
"""Raised whenever the files' meaning changes: an older cache is then built again, never misread."""
NAME = "manifest.json"
SECTOR = ""
"""Name of the sector among the columns of `Manifest.known_days`: no column has an empty name."""
DAY_FACTS = ("observed_rows", "universe_rows", "known", "telling", "known_labels", "regime")
"""Fields of `Manifest` that have an entry a day."""


@dataclass(frozen=True)
class SourceFile:
    """One file of a panel: the counts that decide the calendar, and the codes and sectors numbered by then."""

    fingerprint: str
    dates: tuple[int, ...]
    """Days since 1970 of its rows, from the least date that is kept on."""
    counts: tuple[tuple[float, ...], ...]
    """[dates][4]: see `atft.data.panel_index`."""
    negative: bool
    """The column of the traded value has values below 0."""
    codes: int = 0
    """Of the codes that the manifest has, those with a row in this file or one before."""
    sectors: int = 0


def locate_record(records: Sequence[tuple[str, int]], index: int) -> tuple[str, int]:
    """The file that has a record, and the record's number in it."""
    for key, count in records:
        if index < count:
            return key, index
        index -= count
    raise IndexError(index)


def first_records(records: Sequence[tuple[str, int]], count: int) -> tuple[tuple[str, int], ...]:
    """The files that have the first ``count`` records, and how many of them each has."""
    kept = []
    for key, of_file in records:
        if count > 0:
            kept.append((key, min(of_file, count)))
        count -= of_file
    return tuple(kept)


@dataclass(frozen=True)
class CacheRecipe:
    """What the rows of a panel become in a cache: caches of one recipe have the same days of the same files."""

    schema: dict[str, Any]
    """Roles of the panel's columns; without ``label_end`` where the panel has no such column."""
    options: dict[str, Any]
    """`CacheOptions` but the folder, the rules of the calendar complete."""
    features: tuple[str, ...]
    scaling: tuple[str, ...]
    """``raw``, ``rank`` or ``zscore``, per feature."""
    half: tuple[bool, ...]
    """True where the feature is stored as float16."""
    horizons: tuple[int, ...]
    lag: int
    delayed: bool
    """The panel has the targets of a trade that waits one more close."""
    oracle: bool
    """The market is simulated and its best score is known."""
    returns: bool
    """The panel has a trailing one-day return."""
    exposures: tuple[str, ...]
    regimes: tuple[str, ...]
    context: tuple[str, ...]


@dataclass(frozen=True)
class Manifest(CacheRecipe):
    """Everything about a cache but its cells."""

    format: int
    digest: str
    """The directory's name: panel part, then graph part."""
    source: str
    """Fingerprint of the panel's files."""
    graph: dict[str, Any] | None
    """Options of the graph; None where there is none."""
    dates: tuple[date, ...]
    codes: tuple[str, ...]
    """In the order of their first days, those of one day ascending: a later day appends to them."""
    sectors: tuple[str, ...]
    regime: tuple[tuple[float | None, ...], ...]
    """[days][regimes]; market-wide values, None where unknown."""
    observed_rows: tuple[int, ...]
    """[days], as the following ones."""
    universe_rows: tuple[int, ...]
    known: tuple[str, ...]
    """Bits of the features, the exposures and the sector: known for two stocks of the universe or more."""
    telling: tuple[str, ...]
    """Bits of the features: they differ between stocks of the universe."""
    known_labels: tuple[tuple[int, ...], ...]
    """[days][horizons]; known targets in the universe."""
    calendar: tuple[str, ...]
    """What was left out of the calendar, inserted or kept though it looks wrong; a line each."""
    infinite: dict[str, int]
    """Infinite cells that were turned into missing ones, per column."""
    files: dict[str, FileRecord]
    """``days`` and, with a graph, ``graph``; of a cache that grew, those of later days too."""
    day_records: tuple[tuple[str, int], ...]
    """Key of each file of days, in order, and how many of its first records are the cache's days."""
    graph_records: tuple[tuple[str, int], ...]
    """The same of the graph's refreshes."""
    sources: tuple[SourceFile, ...]
    """The panel's files, where each has later days than the one before; else empty, and nothing can be appended."""

    @property
    def recipe(self) -> CacheRecipe:
        """What its days were made by."""
        return CacheRecipe(**{field.name: getattr(self, field.name) for field in fields(CacheRecipe)})

    @property
    def longest_label_days(self) -> int:
        """Trading days after day t that the labels of day t reach."""
        return max(self.horizons) + self.lag

    def known_days(self, days: Sequence[int] | np.ndarray) -> dict[str, int]:
        """Count the days on which each feature, each exposure and the sector (`SECTOR`) is known."""
        return count_bits((self.known[i] for i in days), (*self.features, *self.exposures, SECTOR))

    def varying_days(self, days: Sequence[int] | np.ndarray) -> dict[str, int]:
        """Count the days on which each feature differs between stocks."""
        return count_bits((self.telling[i] for i in days), self.features)


def pack_bits(flags: Bool[np.ndarray, " columns"]) -> str:
    """Write one day's flags as hexadecimal digits."""
    return np.packbits(flags).tobytes().hex()


def count_bits(days: Iterable[str], names: Sequence[str]) -> dict[str, int]:
    """Count the days whose flag of each name is set, in what `pack_bits` wrote of them."""
    packed = np.array([list(bytes.fromhex(day)) for day in days], dtype=np.uint8)
    counts = np.unpackbits(packed, axis=1, count=len(names)).sum(axis=0, dtype=np.int64)
    return dict(zip(names, counts.tolist(), strict=True))


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write ``manifest.json`` into ``folder`` with the digest of its own text."""
    (folder / NAME).write_text(sealed_json("manifest", asdict(manifest)))


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest of a cache directory.

    Raises:
        InputError: there is none, it is damaged, of another format version, or of another directory.
    """
    path = folder / NAME
    remedy = "delete its folder to build it again"
    if not path.exists():
        raise InputError(f"{path}: no such file, so {folder} is not a cache; build it with `cache`")
    body = read_sealed_json(path, "manifest", "manifest", remedy)
    if body["format"] != FORMAT:
        raise InputError(f"{path}: cache format {body['format']}, this program reads {FORMAT}; {remedy}")
    if body["digest"] != folder.resolve().name:
        raise InputError(f"{path}: the manifest of cache {body['digest']}, not of this folder; {remedy}")
    return record_of(Manifest, body)
