"""The cache of an earlier state of a panel, and which of its days a new cache can use again.

A panel that grows by files keeps most of them as they are. The days of the unchanged files are the same to the bit
in a cache of all files, as long as the calendar up to them is, and no label reaches over a later gap: their records
are linked, and only the other files are read. What decides that is stored: the fingerprint of each file, and the
counts of its dates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atft.data.cache_folder import link_file
from atft.data.day_writer import days_across
from atft.data.manifest import (
    DAY_FACTS,
    NAME,
    CacheRecipe,
    Manifest,
    SourceFile,
    first_records,
    read_manifest,
)
from atft.data.panel_index import FIRST, LAST
from atft.data.panel_stream import PanelIndex
from atft.data.records import FileRecord
from atft.errors import InputError
from atft.files.dates import DayNumbers, as_day_numbers
from atft.panel import PanelColumns

MAX_CANDIDATES = 16
"""Caches that are looked at, the newest first: each has a manifest of megabytes."""


@dataclass(frozen=True)
class Former:
    """A cache and the part of it that may be kept."""

    path: Path
    manifest: Manifest
    file_count: int
    """Of the panel's first files, those that have not changed."""

    @property
    def sources(self) -> tuple[SourceFile, ...]:
        """The files that have not changed."""
        return self.manifest.sources[: self.file_count]

    @property
    def day_count(self) -> int:
        """Days of the calendar up to their last date."""
        return int(np.searchsorted(as_day_numbers(self.manifest.dates), self.last_date, "right"))

    @property
    def last_date(self) -> int:
        """Their last date, which may be no trading day, as days since 1970; before all others without one."""
        return max((day for file in self.sources for day in file.dates), default=FIRST)

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes that have a row in them."""
        return self.manifest.codes[: self.sources[-1].codes]

    @property
    def sectors(self) -> tuple[str, ...]:
        """Sectors that were numbered by their end."""
        return self.manifest.sectors[: self.sources[-1].sectors]


def find_former(
    root: Path, recipe: CacheRecipe, fingerprints: Sequence[str], graph_digest: str
) -> Former | None:
    """Find the newest cache of the same recipe whose panel began with the same files.

    A cache with the same graph comes before one with another; a manifest that cannot be read is passed over.
    """
    folders = [path.parent for path in root.glob(f"*-*/{NAME}") if not path.parent.name.startswith(".")]
    folders.sort(key=lambda folder: (not folder.name.endswith(f"-{graph_digest}"), -_made_ns(folder)))
    for folder in folders[:MAX_CANDIDATES]:
        try:
            manifest = read_manifest(folder)
        except InputError:
            continue
        if manifest.recipe != recipe:
            continue
        pairs = zip(manifest.sources, fingerprints, strict=False)
        same = takewhile(lambda pair: pair[0].fingerprint == pair[1], pairs)
        former = Former(folder, manifest, len(list(same)))
        if former.day_count:
            return former
    return None


def unchanged_files(former: Former, index: PanelIndex, columns: PanelColumns) -> int:
    """Count the files whose days are the same in a cache of all files: their calendar, and what straddles a gap."""
    if not index.sources:
        return 0
    reaches = {columns.lag + horizon + wait for horizon in columns.horizons for wait in (0, 1)}

    def days(calendar: DayNumbers, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Each day up to the files' last date, with its rows and whether labels of each reach straddle a gap."""
        across = [days_across(rows == 0, reach) for reach in reaches]
        return np.column_stack([calendar, rows, *across])[calendar <= former.last_date].astype(np.int64)

    old = days(as_day_numbers(former.manifest.dates), np.array(former.manifest.observed_rows))
    now = days(index.calendar, index.rows)
    both = min(len(old), len(now))
    first = int(np.append((old[:both] != now[:both]).any(axis=1), True).argmax())
    # Also a date that is a trading day in one of them only.
    first_changed = min((int(of[first, 0]) for of in (old, now) if first < len(of)), default=LAST)
    return sum(max(file.dates, default=FIRST) < first_changed for file in former.sources)


def kept_days(former: Former, folder: Path) -> dict[str, Any]:
    """Link the records of the days that stay; their part of each field that `write_days` returns."""
    manifest = former.manifest
    records = first_records(manifest.day_records, former.day_count)
    return {
        **{name: getattr(manifest, name)[: former.day_count] for name in DAY_FACTS},
        "files": linked_files(former.path, manifest, records, folder),
        "day_records": records,
    }


def linked_files(
    cache: Path, manifest: Manifest, records: Sequence[tuple[str, int]], folder: Path
) -> dict[str, FileRecord]:
    """Give the files of some records of a cache a second name in ``folder``."""
    files = {key: manifest.files[key] for key, _ in records}
    for record in files.values():
        link_file(cache / record.name, folder / record.name)
    return files


def joined_entries(past: Any, new: Any) -> Any:
    """Entries of days that stay and of new ones."""
    return past | new if isinstance(past, dict) else (*past, *new)


def _made_ns(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:  # removed since it was listed
        return 0
