"""First pass over a panel: its calendar, its stocks and whether its rows come in the order of their days.

Reads date, code and universe only (seconds at nine million rows), so that the second pass can write every day
into slots that are already known. A stock gets a slot if it is ever in the universe. Slots are numbered in the
order of the codes: whatever days a panel holds, the stocks of one day come in the same order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from atft.data.panel_stream import read_batches
from atft.errors import InputError
from atft.panel import PanelColumns

EPOCH = date(1970, 1, 1)
Ints = np.ndarray[tuple[int], np.dtype[np.int32]]


@dataclass(frozen=True)
class Survey:
    """What the first pass found, over the kept dates."""

    calendar: Ints
    """The trading days, as days since 1970, ascending."""
    rows: np.ndarray[tuple[int], np.dtype[np.int64]]
    """Rows of each day, cached or not."""
    codes: tuple[str, ...]
    """Code of each slot."""
    in_order: bool
    """Rows come in the order of their dates, so that one sequential pass sees whole days."""
    dropped: int
    """Rows before ``min_date``."""

    @property
    def dates(self) -> tuple[date, ...]:
        """The trading days."""
        return tuple(EPOCH + timedelta(days=int(d)) for d in self.calendar)


def day_numbers(batch: pa.RecordBatch, name: str) -> Ints:
    """Days since 1970 of a date32 column."""
    numbers: Ints = batch.column(name).cast(pa.int32()).to_numpy(zero_copy_only=False)
    return numbers


def survey_panel(files: Sequence[Path], columns: PanelColumns, min_date: date | None) -> Survey:
    """Read the panel once, narrowly.

    Raises:
        InputError: unreadable file, wrong type, no row in the kept dates, or no stock ever in the universe.
    """
    names = [columns.date, columns.code, *([columns.universe] if columns.universe else [])]
    first_kept = (min_date - EPOCH).days if min_date else np.iinfo(np.int32).min
    ever: set[str] = set()
    rows: dict[int, int] = {}
    in_order, latest, dropped = True, np.iinfo(np.int32).min, 0
    for batch in read_batches(files, columns, names, bytes_per_batch=4 << 20):
        days = day_numbers(batch, columns.date)
        if not len(days):
            continue
        in_order = in_order and int(days[0]) >= latest and bool((days[1:] >= days[:-1]).all())
        latest = max(latest, int(days.max()))
        kept = days >= first_kept
        dropped += int((~kept).sum())
        for day, count in zip(*np.unique(days[kept], return_counts=True), strict=True):
            rows[int(day)] = rows.get(int(day), 0) + int(count)
        codes = batch.column(columns.code).dictionary_encode()
        member = kept
        if columns.universe:
            member = kept & batch.column(columns.universe).to_numpy(zero_copy_only=False)
        local = codes.indices.to_numpy(zero_copy_only=False)
        names = codes.dictionary.to_pylist()
        ever.update(names[i] for i in np.unique(local[member]))
    where = files[0].parent if len(files) > 1 else files[0]
    if not rows:
        after = f" from {min_date} on" if min_date else ""
        raise InputError(f"{where}: the panel has no row{after}; check the path and cache.min_date")
    if not ever:
        raise InputError(f"{where}: no row is in the universe ({columns.universe!r} is never True)")
    calendar = np.array(sorted(rows), dtype=np.int32)
    return Survey(
        calendar=calendar,
        rows=np.array([rows[int(d)] for d in calendar], dtype=np.int64),
        codes=tuple(sorted(ever)),
        in_order=in_order,
        dropped=dropped,
    )
