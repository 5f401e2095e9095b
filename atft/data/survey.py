"""First pass over a panel: its calendar, its stocks and whether its rows come in the order of their days.

Reads date, code, universe and what says that a row is known (seconds at nine million rows), so that the second pass
can write every day into slots that are already known. A stock gets a slot if it is ever in the universe. Slots are
numbered in the order of the codes: whatever days a panel holds, the stocks of one day come in the same order.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from atft.data.panel_stream import read_batches
from atft.dates import EPOCH
from atft.errors import InputError
from atft.panel import PanelColumns
from atft.trading_days import DayRules, judge_days

OPTIONS = "data.cache."
"""Where the options of the calendar stand."""
VALUE = "traded_value"
"""The context column by which a day without trades is known, where the panel has it."""
Ints = np.ndarray[tuple[int], np.dtype[np.int32]]


@dataclass(frozen=True)
class Survey:
    """What the first pass found, over the kept dates."""

    calendar: Ints
    """The trading days, as days since 1970, ascending; days inserted into gaps included."""
    rows: np.ndarray[tuple[int], np.dtype[np.int64]]
    """Rows of each day, cached or not; 0 on an inserted day."""
    left_out: Ints
    """Dates of the panel that are no trading days."""
    codes: tuple[str, ...]
    """Code of each slot."""
    in_order: bool
    """Rows come in the order of their dates, so that one sequential pass sees whole days."""
    dropped: int
    """Rows before ``min_date``."""
    findings: tuple[str, ...]
    """What was left out of, or inserted into, the calendar; a line each."""

    @property
    def dates(self) -> tuple[date, ...]:
        """The trading days."""
        return tuple(EPOCH + timedelta(days=int(d)) for d in self.calendar)


def day_numbers(batch: pa.RecordBatch, name: str) -> Ints:
    """Days since 1970 of a date32 column."""
    numbers: Ints = batch.column(name).cast(pa.int32()).to_numpy(zero_copy_only=False)
    return numbers


def survey_panel(
    files: Sequence[Path],
    columns: PanelColumns,
    min_date: date | None,
    rules: DayRules | None = None,
    today: date | None = None,
) -> Survey:
    """Read the panel once, narrowly, and judge its dates.

    A row counts if its trailing return or its target of the first horizon is known: a day of unknown prices has
    neither.

    Args:
        files: the panel's files.
        columns: the role of each column.
        min_date: rows before it are dropped.
        rules: what happens to days that look wrong.
        today: later dates are an error; null is the date of this computer.

    Raises:
        InputError: unreadable file, wrong type, no row in the kept dates, no stock ever in the universe, or the
            calendar breaks a rule.
    """
    where = files[0].parent if len(files) > 1 else files[0]
    seen = _scan(files, columns, min_date, frozenset())
    if not seen.days:
        after = f" from {min_date} on" if min_date else ""
        raise InputError(f"{where}: the panel has no row{after}; check the path and cache.min_date")
    numbers = np.array(sorted(seen.days), dtype=np.int32)
    rows, known, value = np.array([seen.days[int(d)] for d in numbers]).T
    counts = known if known.any() else rows
    counts[0] = rows[0]  # nothing trails on the first date
    judged = judge_days(
        [EPOCH + timedelta(days=int(d)) for d in numbers],
        counts.astype(np.int64),
        value * (not seen.negative),
        rules or DayRules(),
        str(where),
        today or date.today(),
        columns.longest_label_days + 1,
        OPTIONS,
    )
    left_out = np.delete(numbers, judged.source[judged.source >= 0])
    if len(left_out):
        # A stock that is in the universe on such days only must get no slot.
        seen.universe = _scan(files, columns, min_date, frozenset(left_out.tolist())).universe
    if not seen.universe:
        raise InputError(f"{where}: no row is in the universe ({columns.universe!r} is never True)")
    return Survey(
        calendar=np.array([(d - EPOCH).days for d in judged.calendar], dtype=np.int32),
        rows=np.where(judged.source < 0, 0, rows[judged.source]).astype(np.int64),
        left_out=left_out,
        codes=tuple(sorted(seen.universe)),
        in_order=seen.in_order,
        dropped=seen.dropped,
        findings=judged.findings,
    )


@dataclass
class _Seen:
    """What one narrow pass meets."""

    days: dict[int, np.ndarray] = field(default_factory=dict)
    """Rows, known rows and traded value of each date."""
    universe: set[str] = field(default_factory=set)
    """Codes that are ever in the universe."""
    in_order: bool = True
    dropped: int = 0
    negative: bool = False
    """The column of the traded value has values below 0, so it is none."""


def _scan(
    files: Sequence[Path], columns: PanelColumns, min_date: date | None, left_out: frozenset[int]
) -> _Seen:
    returns = [columns.return_1d, columns.targets[0]] if columns.return_1d else []
    value = [VALUE] if VALUE in columns.context else []
    flag = [columns.universe] if columns.universe else []
    names = list(dict.fromkeys([columns.date, columns.code, *flag, *returns, *value]))
    first_kept = (min_date - EPOCH).days if min_date else np.iinfo(np.int32).min
    skipped = np.array(sorted(left_out), dtype=np.int32)
    seen, latest = _Seen(), np.iinfo(np.int32).min

    def column(batch: pa.RecordBatch, name: str) -> np.ndarray:
        values: np.ndarray = batch.column(name).to_numpy(zero_copy_only=False)
        return values

    for batch in read_batches(files, columns, names, bytes_per_batch=4 << 20):
        days = day_numbers(batch, columns.date)
        if not len(days):
            continue
        seen.in_order = seen.in_order and int(days[0]) >= latest and bool((days[1:] >= days[:-1]).all())
        latest = max(latest, int(days.max()))
        kept = days >= first_kept
        seen.dropped += int((~kept).sum())
        kept &= ~np.isin(days, skipped)
        known = np.zeros(len(days), dtype=bool)
        for name in returns:
            known |= ~np.isnan(column(batch, name))
        traded = column(batch, VALUE).astype(np.float64) if value else np.zeros(len(days))
        traded[~np.isfinite(traded)] = 0
        seen.negative = seen.negative or bool((traded < 0).any())
        present, place = np.unique(days[kept], return_inverse=True)
        counts = [np.bincount(place, weights=w[kept]) for w in (np.ones(len(days)), known, traded)]
        for day, *count in zip(present.tolist(), *counts, strict=True):
            seen.days[day] = seen.days.get(day, 0) + np.array(count)
        codes = batch.column(columns.code).dictionary_encode()
        member = kept & column(batch, columns.universe) if columns.universe else kept
        texts = codes.dictionary.to_pylist()
        seen.universe.update(
            texts[i] for i in np.unique(codes.indices.to_numpy(zero_copy_only=False)[member])
        )
    return seen
