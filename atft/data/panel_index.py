"""First pass over a panel: its trading days, its stocks and whether its rows come in the order of their days.

Reads date, code, universe and what says that a row is known (seconds at nine million rows), so that the second pass
can write each day into rows that are already known. A stock has a row in the cache if it is ever in the universe.
Rows are in the order of the codes: whatever days a panel holds, the stocks of one day come in the same order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa

from atft.data.panel_stream import day_numbers, read_batches
from atft.dates import EPOCH, Days
from atft.errors import InputError
from atft.panel import PanelColumns
from atft.trading_days import find_trading_days

CALENDAR_KEY = "data.cache.calendar"
TRADED_VALUE = "traded_value"
"""The context column that shows a day without trades, where the panel has it."""


@dataclass(frozen=True)
class PanelIndex:
    """The days and stocks of a panel, over the kept dates."""

    dates: tuple[date, ...]
    """The trading days, ascending; days inserted into gaps included."""
    calendar: Days
    """The same as days since 1970."""
    rows: np.ndarray[tuple[int], np.dtype[np.int64]]
    """Rows of each day, cached or not; 0 on an inserted day."""
    codes: tuple[str, ...]
    """Stocks that are ever in the universe, ascending."""
    in_order: bool
    """Rows come in the order of their dates, so that one sequential pass sees whole days."""
    findings: tuple[str, ...]
    """What was left out of, or inserted into, the calendar; a line each."""


def index_panel(
    files: Sequence[Path],
    columns: PanelColumns,
    min_date: date | None,
    rules: Mapping[str, str] | None = None,
    today: date | None = None,
) -> PanelIndex:
    """Read the panel once, narrowly, and check its dates; see `find_trading_days`.

    Raises:
        InputError: unreadable file, wrong type, no row in the kept dates, no stock ever in the universe, or the
            calendar breaks a rule.
    """
    where = files[0].parent if len(files) > 1 else files[0]
    scan = _scan(files, columns, min_date)
    if not scan.days:
        after = f" from {min_date} on" if min_date else ""
        raise InputError(f"{where}: the panel has no row{after}; check the path and cache.min_date")
    numbers = np.array(sorted(scan.days), dtype=np.int32)
    rows, known, value = np.array([scan.days[int(d)] for d in numbers]).T
    # A day of unknown prices has rows and no known ones.
    counts = known if known.any() else rows
    counts[0] = rows[0]  # nothing trails on the first date
    days = find_trading_days(
        numbers.astype("datetime64[D]").tolist(),
        counts.astype(np.int64),
        value * (not scan.negative),
        rules or {},
        str(where),
        today or date.today(),
        columns.longest_label_days + 1,
        CALENDAR_KEY,
    )
    calendar = np.array(days.calendar, dtype="datetime64[D]").astype(np.int32)
    if not np.isin(numbers, calendar).all():
        # A stock that is in the universe on dates that are no trading days only must get no row.
        scan.universe = _scan(files, columns, min_date, calendar).universe
    if not scan.universe:
        raise InputError(f"{where}: no row is in the universe ({columns.universe!r} is never True)")
    return PanelIndex(
        dates=days.calendar,
        calendar=calendar,
        rows=np.where(days.source < 0, 0, rows[days.source]).astype(np.int64),
        codes=tuple(sorted(scan.universe)),
        in_order=scan.in_order,
        findings=days.findings,
    )


@dataclass
class _Scan:
    """What one narrow pass counts."""

    days: dict[int, np.ndarray] = field(default_factory=dict)
    """Rows, known rows (of a known trailing return or first target) and traded value of each date."""
    universe: set[str] = field(default_factory=set)
    in_order: bool = True
    negative: bool = False
    """The column of the traded value has values below 0, so it is none."""


def _scan(
    files: Sequence[Path], columns: PanelColumns, min_date: date | None, calendar: Days | None = None
) -> _Scan:
    """Count the rows from ``min_date`` on, of the days of the ``calendar`` only where it is known."""
    returns = [columns.return_1d, columns.targets[0]] if columns.return_1d else []
    value = [TRADED_VALUE] if TRADED_VALUE in columns.context else []
    flag = [columns.universe] if columns.universe else []
    names = list(dict.fromkeys([columns.date, columns.code, *flag, *returns, *value]))
    first_kept = (min_date - EPOCH).days if min_date else np.iinfo(np.int32).min
    scan, latest = _Scan(), np.iinfo(np.int32).min

    def column(batch: pa.RecordBatch, name: str) -> np.ndarray:
        values: np.ndarray = batch.column(name).to_numpy(zero_copy_only=False)
        return values

    for batch in read_batches(files, columns, names, bytes_per_batch=4 << 20):
        days = day_numbers(batch, columns.date)
        if not len(days):
            continue
        scan.in_order = scan.in_order and int(days[0]) >= latest and bool((days[1:] >= days[:-1]).all())
        latest = max(latest, int(days.max()))
        kept = days >= first_kept if calendar is None else np.isin(days, calendar)
        known = np.zeros(len(days), dtype=bool)
        for name in returns:
            known |= ~np.isnan(column(batch, name))
        traded = column(batch, TRADED_VALUE).astype(np.float64) if value else np.zeros(len(days))
        traded[~np.isfinite(traded)] = 0
        scan.negative = scan.negative or bool((traded < 0).any())
        # A day may go on in the next batch, or come again in another file: its counts add up.
        present, which = np.unique(days[kept], return_inverse=True)
        counts = [np.bincount(which, weights=w[kept]) for w in (np.ones(len(days)), known, traded)]
        for day, *count in zip(present.tolist(), *counts, strict=True):
            scan.days[day] = scan.days.get(day, 0) + np.array(count)
        codes = batch.column(columns.code).dictionary_encode()
        member = kept & column(batch, columns.universe) if columns.universe else kept
        texts = codes.dictionary.to_pylist()
        scan.universe.update(
            texts[i] for i in np.unique(codes.indices.to_numpy(zero_copy_only=False)[member])
        )
    return scan
