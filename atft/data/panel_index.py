"""The first pass over a panel: its days and codes, from a few columns.

It reads date, code, universe and what says that a row is known (seconds at nine million rows). Every row of a
trading day is cached: a stock may join the universe later, and the records of past days do not change. What was
counted of each file is kept where its days come after those of the file before: such a panel is counted once.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa

from atft.data.manifest import SourceFile
from atft.data.panel_stream import PanelIndex, day_numbers, read_batches
from atft.dates import EPOCH, DayNumbers, as_dates, as_day_numbers
from atft.errors import InputError
from atft.panel import PanelColumns
from atft.trading_days import find_trading_days

CALENDAR_KEY = "data.cache.calendar"
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
    scans = [_scan(file, columns, min_date) for file in files[len(former) :]]
    scan = _joined_scans([*map(_former_scan, former), *scans])
    if not scan.days:
        after = f" from {min_date} on" if min_date else ""
        raise InputError(f"{where}: the panel has no row{after}; check the path and cache.min_date")
    numbers = np.array(sorted(scan.days), dtype=np.int32)
    rows, known, value = np.array([scan.days[int(d)] for d in numbers]).T
    # A day of unknown prices has rows and no known ones.
    counts = known if known.any() else rows
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
        later = _joined_scans([_scan(file, columns, min_date, calendar) for file in files[len(former) :]])
        scan.first_day, scan.ranked = later.first_day, later.ranked or bool(former)
    if not scan.ranked:
        raise InputError(f"{where}: no row is in the universe ({columns.universe!r} is never True)")
    for code in former_codes:
        scan.first_day[code] = np.iinfo(np.int32).min
    later_codes = sorted(scan.first_day.keys() - {*former_codes}, key=lambda c: (scan.first_day[c], c))
    codes = (*former_codes, *later_codes)
    return PanelIndex(
        dates=days.calendar,
        calendar=calendar,
        rows=np.where(days.source < 0, 0, rows[days.source]).astype(np.int64),
        codes=codes,
        in_order=scan.in_order,
        sources=_sources(scans, former, codes, scan.first_day) if scan.separate else (),
        findings=days.findings,
    )


@dataclass
class _Scan:
    """What one narrow pass counts."""

    days: dict[int, np.ndarray] = field(default_factory=dict)
    """Rows, known rows (of a known trailing return or first target) and traded value of each date."""
    first_day: dict[str, int] = field(default_factory=dict)
    """Of each code."""
    ranked: bool = False
    """A row is in the universe."""
    in_order: bool = True
    negative: bool = False
    """The column of the traded value has values below 0, so it is none."""
    separate: bool = True
    """Each file has later days than the one before."""
    earliest: int = np.iinfo(np.int32).max
    latest: int = np.iinfo(np.int32).min


def _joined_scans(scans: Sequence[_Scan]) -> _Scan:
    """What one pass over all files counts."""
    whole = _Scan()
    for scan in scans:
        for day, counts in scan.days.items():
            # A day may go on in the next file, or come again in another one: its counts add up.
            whole.days[day] = whole.days.get(day, 0) + counts
        for code, day in scan.first_day.items():
            whole.first_day[code] = min(day, whole.first_day.get(code, day))
        whole.ranked = whole.ranked or scan.ranked
        whole.negative = whole.negative or scan.negative
        whole.in_order = whole.in_order and scan.in_order and scan.earliest >= whole.latest
        whole.separate = whole.separate and scan.in_order and scan.earliest > whole.latest
        whole.latest = max(whole.latest, scan.latest)
    return whole


def _former_scan(source: SourceFile) -> _Scan:
    days = {day: np.array(counts) for day, counts in zip(source.dates, source.counts, strict=True)}
    if not days:
        return _Scan(negative=source.negative, ranked=True)
    earliest, latest = source.dates[0], source.dates[-1]
    return _Scan(days, ranked=True, negative=source.negative, earliest=earliest, latest=latest)


def _sources(
    scans: Sequence[_Scan], former: Sequence[SourceFile], codes: Sequence[str], first_day: Mapping[str, int]
) -> tuple[SourceFile, ...]:
    first_days = [first_day[code] for code in codes]
    return (
        *former,
        *(
            SourceFile(
                fingerprint="",
                dates=tuple(sorted(scan.days)),
                counts=tuple(tuple(scan.days[day].tolist()) for day in sorted(scan.days)),
                negative=scan.negative,
                codes=bisect_right(first_days, scan.latest),
            )
            for scan in scans
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
    first_kept = (min_date - EPOCH).days if min_date else np.iinfo(np.int32).min
    scan = _Scan()

    def column(batch: pa.RecordBatch, name: str) -> np.ndarray:
        values: np.ndarray = batch.column(name).to_numpy(zero_copy_only=False)
        return values

    for batch in read_batches([path], columns, names, bytes_per_batch=4 << 20):
        days = day_numbers(batch, columns.date)
        if not len(days):
            continue
        ascending = bool((days[1:] >= days[:-1]).all())
        scan.in_order = scan.in_order and int(days[0]) >= scan.latest and ascending
        scan.earliest, scan.latest = min(scan.earliest, int(days.min())), max(scan.latest, int(days.max()))
        kept = days >= first_kept if calendar is None else np.isin(days, calendar)
        known = np.zeros(len(days), dtype=bool)
        for name in returns:
            known |= ~np.isnan(column(batch, name))
        traded = column(batch, TRADED_VALUE).astype(np.float64) if value else np.zeros(len(days))
        traded[~np.isfinite(traded)] = 0
        scan.negative = scan.negative or bool((traded < 0).any())
        # A day may go on in the next batch.
        present, which = np.unique(days[kept], return_inverse=True)
        counts = [np.bincount(which, weights=w[kept]) for w in (np.ones(len(days)), known, traded)]
        for day, *count in zip(present.tolist(), *counts, strict=True):
            scan.days[day] = scan.days.get(day, 0) + np.array(count)
        member = kept & column(batch, columns.universe) if columns.universe else kept
        scan.ranked = scan.ranked or bool(member.any())
        codes = batch.column(columns.code).filter(pa.array(kept)).dictionary_encode()
        first = np.full(len(codes.dictionary), np.iinfo(np.int32).max)
        np.minimum.at(first, codes.indices.to_numpy(), days[kept])
        for code, day in zip(codes.dictionary.to_pylist(), first.tolist(), strict=True):
            scan.first_day[code] = min(day, scan.first_day.get(code, day))
    return scan
