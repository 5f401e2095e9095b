"""The first pass over a panel: its days and codes, from a few columns.

It reads date, code, universe and what says that a row is known (seconds at nine million rows). Every row of a
trading day is cached: a stock may join the universe later, and the records of past days do not change. What was
counted of each file is kept where its days come after those of the file before: such a panel is counted once.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import accumulate
from pathlib import Path

import numpy as np
import pyarrow as pa

from atft.data.manifest import SourceFile
from atft.data.panel_stream import PanelIndex, day_numbers, read_batches
from atft.errors import InputError
from atft.files.dates import EPOCH, DayNumbers, as_dates, as_day_numbers
from atft.panel import PanelColumns
from atft.trading_days import find_trading_days

FIRST, LAST = np.iinfo(np.int32).min, np.iinfo(np.int32).max
"""Days before and after all others."""
CALENDAR_KEY = "data.cache.calendar"
MIN_RETURNS_SHARE = 0.75
"""Share of a panel's rows that must have a trailing return for known rows to tell which days are sessions."""
TRADED_VALUE = "traded_value"
"""The context column that shows a day without trades, where the panel has it."""


def index_panel(
    files: Sequence[Path],
    columns: PanelColumns,
    min_date: date | None,
    rules: Mapping[str, str] | None = None,
    today: date | None = None,
    former: Sequence[SourceFile] = (),
    former_codes: Sequence[str] = (),
) -> PanelIndex:
    """Read the panel once, narrowly, and check its dates; see `find_trading_days`.

    The first files need not be read where they were counted by an earlier pass: ``former``, with their codes.

    Raises:
        InputError: unreadable file, wrong type, no row in the kept dates, no stock ever in the universe, or the
            calendar breaks a rule.
    """
    where = files[0].parent if len(files) > 1 else files[0]
    scan, scans = _joined(map(_former_scan, former)), []
    for file in files[len(former) :]:
        of_file = _scan(file, columns, min_date)
        scan.add(of_file)
        # Of files that share days, as a file per stock, the sum alone is kept: each has counts of every day.
        if scan.separate:
            scans.append(of_file)
    if not scan.days:
        after = f" from {min_date} on" if min_date else ""
        raise InputError(f"{where}: the panel has no row{after}; check the path and data.cache.min_date")
    numbers = np.array(sorted(scan.days), dtype=np.int32)
    rows, known, value, returns = np.array([scan.days[int(d)] for d in numbers]).T
    # A day of unknown prices has rows and no known ones. Where few rows have a return, so do few of the last days,
    # whose targets are not known yet.
    counts = known if returns.sum() >= MIN_RETURNS_SHARE * rows.sum() else rows
    counts[0] = rows[0]  # nothing trails on the first date
    days = find_trading_days(
        as_dates(numbers),
        counts.astype(np.int64),
        value * (not scan.negative),
        rules or {},
        str(where),
        today or date.today(),
        columns.longest_label_days + 1,
        CALENDAR_KEY,
    )
    calendar = as_day_numbers(days.calendar)
    if not np.isin(numbers, calendar).all():
        # A code whose rows are all on dates that are no trading days does not count.
        later = _joined(_scan(file, columns, min_date, calendar) for file in files[len(former) :])
        scan = replace(scan, first_day=later.first_day, ranked=later.ranked or bool(former))
    if not scan.ranked:
        raise InputError(f"{where}: no row is in the universe ({columns.universe!r} is never True)")
    first_day = scan.first_day | dict.fromkeys(former_codes, FIRST)
    codes = (*former_codes, *sorted(first_day.keys() - {*former_codes}, key=lambda c: (first_day[c], c)))
    return PanelIndex(
        dates=days.calendar,
        calendar=calendar,
        rows=np.where(days.source < 0, 0, rows[days.source]).astype(np.int64),
        codes=codes,
        in_order=scan.in_order,
        sources=_sources(scans, former, codes, first_day) if scan.separate else (),
        findings=days.findings,
    )


@dataclass
class _Scan:
    """What a narrow pass counts: of a batch, of a file, of all files."""

    days: dict[int, np.ndarray] = field(default_factory=dict)
    """Of each date: rows, known rows (of a known trailing return or first target), traded value, and rows with a
    known trailing return."""
    first_day: dict[str, int] = field(default_factory=dict)
    """Of each code."""
    ranked: bool = False
    """A row is in the universe."""
    in_order: bool = True
    negative: bool = False
    """The column of the traded value has values below 0, so it is none."""
    separate: bool = True
    """Each part has later days than the one before."""
    earliest: int = LAST
    latest: int = FIRST

    def add(self, part: "_Scan") -> None:
        """Count a part that comes after what was counted so far."""
        for day, counts in part.days.items():
            # A day may go on in the next part, or come again in another one: its counts add up.
            self.days[day] = self.days[day] + counts if day in self.days else counts
        for code, day in part.first_day.items():
            self.first_day[code] = min(day, self.first_day.get(code, day))
        self.ranked |= part.ranked
        self.negative |= part.negative
        self.in_order &= part.in_order and part.earliest >= self.latest
        self.separate &= part.in_order and part.earliest > self.latest
        self.earliest, self.latest = min(self.earliest, part.earliest), max(self.latest, part.latest)


def _joined(parts: Iterable[_Scan]) -> _Scan:
    """What one pass over all parts counts, which come one after another."""
    whole = _Scan()
    for part in parts:
        whole.add(part)
    return whole


def _former_scan(source: SourceFile) -> _Scan:
    days = {day: np.array(counts) for day, counts in zip(source.dates, source.counts, strict=True)}
    earliest, latest = (source.dates[0], source.dates[-1]) if days else (LAST, FIRST)
    return _Scan(days, ranked=True, negative=source.negative, earliest=earliest, latest=latest)


def _sources(
    scans: Sequence[_Scan], former: Sequence[SourceFile], codes: Sequence[str], first_day: Mapping[str, int]
) -> tuple[SourceFile, ...]:
    first_days = [first_day[code] for code in codes]
    # A file without rows has the codes of the files before it.
    latest = accumulate((scan.latest for scan in scans), max)
    return (
        *former,
        *(
            SourceFile(
                fingerprint="",
                dates=tuple(sorted(scan.days)),
                counts=tuple(tuple(scan.days[day].tolist()) for day in sorted(scan.days)),
                negative=scan.negative,
                codes=bisect_right(first_days, last_day),
            )
            for scan, last_day in zip(scans, latest, strict=True)
        ),
    )


def _scan(
    path: Path, columns: PanelColumns, min_date: date | None, calendar: DayNumbers | None = None
) -> _Scan:
    """Count the rows of a file from ``min_date`` on, of the days of the ``calendar`` only where it is known."""
    returns = [columns.return_1d, columns.targets[0]] if columns.return_1d else []
    value = [TRADED_VALUE] if TRADED_VALUE in columns.context else []
    read = [columns.date, columns.code, columns.universe, *returns, *value]
    names = [name for name in dict.fromkeys(read) if name]
    first_kept = (min_date - EPOCH).days if min_date else FIRST

    def column(batch: pa.RecordBatch, name: str) -> np.ndarray:
        values: np.ndarray = batch.column(name).to_numpy(zero_copy_only=False)
        return values

    def counted(batch: pa.RecordBatch) -> _Scan:
        days = day_numbers(batch, columns.date)
        if not len(days):
            return _Scan()
        kept = days >= first_kept if calendar is None else np.isin(days, calendar)
        known = np.zeros((2, len(days)), dtype=bool)
        for i, name in enumerate(returns):
            known[i] = ~np.isnan(column(batch, name))
        traded = column(batch, TRADED_VALUE).astype(np.float64) if value else np.zeros(len(days))
        traded[~np.isfinite(traded)] = 0
        # Dates and codes are few beside rows: both are numbered, and counted by number.
        present, which = np.unique(days[kept], return_inverse=True)
        weights = np.stack([np.ones(len(days)), known.any(axis=0), traded, known[0]])
        counts = [np.bincount(which, weights=of_rows) for of_rows in weights[:, kept]]
        member = kept & column(batch, columns.universe) if columns.universe else kept
        codes = batch.column(columns.code).filter(pa.array(kept)).dictionary_encode()
        first = np.full(len(codes.dictionary), LAST)
        np.minimum.at(first, codes.indices.to_numpy(), days[kept])
        return _Scan(
            days=dict(zip(present.tolist(), np.stack(counts, axis=1), strict=True)),
            first_day=dict(zip(codes.dictionary.to_pylist(), first.tolist(), strict=True)),
            ranked=bool(member.any()),
            in_order=bool((days[1:] >= days[:-1]).all()),
            negative=bool((traded < 0).any()),
            earliest=int(days.min()),
            latest=int(days.max()),
        )

    return _joined(map(counted, read_batches([path], columns, names, bytes_per_batch=4 << 20)))
