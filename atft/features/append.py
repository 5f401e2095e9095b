"""Append new days to a panel that grows: the past keeps its bits, and the result is that of a build of all prices.

It reads the new prices, the state (`atft.features.panel_state`) and the months whose labels become known. So a day
costs about as much after ten years as after two. Apart from labels, a new day can change one thing in the past:
the calendar (a gap that turns out to be usual). Such a change, like a corrected row of a past day, is an error or
builds the panel again from that day on.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from atft.errors import InputError, counted, nearest
from atft.features.append_report import AppendReport, report_append
from atft.features.build import checked_prices, write_blocks, write_folder
from atft.features.calendar import DateCounts, count_dates, move_to_calendar, trading_days
from atft.features.checked_prices import CheckedPrices
from atft.features.options import FeatureOptions
from atft.features.panel_file import forward_returns
from atft.features.panel_folder import (
    FolderFile,
    FolderList,
    MonthFiles,
    check_same_features,
    locked,
    publish_list,
    read_list,
    read_table,
    remove_unlisted,
)
from atft.features.panel_state import (
    PanelState,
    cut_prices,
    read_panel_state,
    state_after,
    with_codes,
    write_panel_state,
)
from atft.features.price_basis import check_one_basis, rescaled
from atft.features.price_store import (
    find_corrections,
    followed_by,
    later_rows,
    merged,
    read_stored,
    with_last_sectors,
    with_same_columns,
    write_prices,
)
from atft.features.prices import PriceGrid, on_grid, read_prices
from atft.features.row_checks import check_rows
from atft.features.variation import flat_features
from atft.files.dates import as_dates, date_of
from atft.trading_days import TradingDays

CORRECTIONS = ("error", "rebuild", "rescale")


def append_prices(
    panel: Path, prices: Path, corrections: str = "error", today: date | None = None
) -> AppendReport:
    """Append the days after a panel's last one, with the options that it was built with.

    The labels of the last days become known; nothing else of the past changes. Days of the prices that the panel
    has are compared with the stored prices. Prices without a sector take each code's last one.

    Args:
        panel: folder that `build_panel` wrote.
        prices: file of prices that has the new days, or a longer history.
        corrections: what to do about rows of past days that differ from the stored ones. ``error`` raises.
            ``rebuild`` takes the new rows and makes all days from the first of them on again; of a code that was
            adjusted since, the prices must have all days. ``rescale`` treats a code whose past rows all differ by
            one factor as adjusted since then, puts its new days on the stored basis, and raises for any other
            difference.
        today: see `build_panel`.

    Raises:
        InputError: ``panel`` is no such folder, or is damaged; the prices cannot be used; or there are corrections.
            The panel is as it was, then and whenever the process is killed.
    """
    if corrections not in CORRECTIONS:
        raise InputError(
            f"corrections must be one of {', '.join(CORRECTIONS)}, got {corrections!r}"
            f"{nearest(corrections, CORRECTIONS)}"
        )
    read_list(panel)  # raises before anything is created in a folder that is no panel
    with locked(panel):
        listed = read_list(panel)
        remove_unlisted(panel, listed)
        options, state = FeatureOptions(**listed.options), read_panel_state(panel, listed.state)
        with _options_of(panel):
            read = with_same_columns(read_prices(prices, options), state.prices.missing)
        new, notes = with_last_sectors(read, state.prices)
        last = date_of(state.counts.dates[-1])
        stored = None
        if new.calendar[0] <= last:
            stored = read_stored(panel, listed.prices, new.calendar[0], min(new.calendar[-1], last))
        if corrections == "rescale":
            new, lines = rescaled(stored, new, last)
            notes += lines
        differing = find_corrections(stored, new, last)
        if differing is not None:
            if corrections != "rebuild":
                raise InputError(f"{prices}: {differing.line}; correct it, or set corrections to rebuild")
            return _rebuild(panel, listed, state, new, differing.first, notes, today)
        later = later_rows(new, last, state.prices)
        if not later.calendar:
            return AppendReport(panel, as_dates(state.calendar)[-1], (), None, 0, 0, tuple(notes))
        with _options_of(panel):
            dated = _dated(later, state, options, today)
        if dated.first_changed is None:
            return _append(panel, listed, options, dated, notes)
        if corrections != "rebuild":
            raise InputError(
                f"{prices}: with these days the calendar of past ones differs from {dated.first_changed} on, as a "
                f"gap or a weekday is usual now or no longer; set corrections to rebuild"
            )
        return _rebuild(panel, listed, state, new, dated.first_changed, notes, today)


def check_options(panel: Path, options: FeatureOptions) -> None:
    """Check that each option is the default, or as the panel was built: appending keeps what it was built with."""
    built, default = FeatureOptions(**read_list(panel).options), FeatureOptions()
    for name in (f.name for f in fields(options)):
        given, was = getattr(options, name), getattr(built, name)
        if given not in (was, getattr(default, name)):
            what = f"{panel}: was built with {name} {was!r}, not {given!r}"
            raise InputError(f"{what}; leave the key out, or build the panel again")


@contextmanager
def _options_of(panel: Path) -> Iterator[None]:
    """Say at an error, which may advise an option, that new days take those that the panel was built with."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{error} (new days have the options that {panel} was built with)") from None


class _LaterPrices(NamedTuple):
    """Prices after the state's last date, and the state, both with the codes and sectors of either."""

    prices: PriceGrid
    state: PanelState
    counts: DateCounts
    """Of all dates."""
    days: TradingDays
    """Of all dates."""
    first_changed: date | None
    """First past day on which the calendar is not the state's any more; None where it is."""


def _dated(later: PriceGrid, state: PanelState, options: FeatureOptions, today: date | None) -> _LaterPrices:
    """Decide the calendar of past and later dates together."""
    codes, sectors = (
        sorted({*getattr(state.prices, name), *getattr(later, name)}) for name in ("codes", "sectors")
    )
    state = with_codes(state, codes, sectors)
    later = on_grid(later, later.calendar, codes, sectors)
    counts = _joined_counts(state.counts, count_dates(later, state.counts.last))
    days = trading_days(counts, options, later.path, today)
    return _LaterPrices(later, state, counts, days, state.first_changed(days.calendar))


def _append(
    panel: Path, listed: FolderList, options: FeatureOptions, dated: _LaterPrices, notes: Sequence[str]
) -> AppendReport:
    later, state = dated.prices, dated.state
    moved = move_to_calendar(later, dated.days, len(state.counts.dates), len(state.calendar))
    read = followed_by(state.prices, moved)
    first = len(state.prices.calendar)
    with _options_of(panel):
        prices = check_rows(cut_prices(read, 0), options, state.checked)
    ranked = np.concatenate([state.ranked, prices.ranked[first:]])
    if first == len(prices.calendar):  # dates that are no trading days: only their prices are new
        names, variation, months = listed.features, state.variation, listed.months
    else:
        settled, tables = _known_labels(panel, listed, prices, first)
        written = MonthFiles(panel)
        for table in tables:
            written.append_table(table)
        names, new = write_blocks(prices, written.append, first)
        written.finish()
        check_same_features(panel, listed, names)
        variation, months = np.concatenate([state.variation, new], axis=2), (*settled, *written.written)
    next_state = state_after(read, prices, dated.counts, variation, ranked, state)
    flat_features(later.path, names, variation, ranked, next_state.inserted.tolist())
    later_prices = write_prices(panel, later, listed.prices)
    publish_list(panel, options, names, months, later_prices, write_panel_state(panel, next_state))
    left_out = [f"left out, {c}: {counted(n, 'row')}" for c, n in prices.exclusions.items() if n]
    return report_append(panel, prices, as_dates(state.calendar), None, [*notes, *left_out])


def _rebuild(
    panel: Path,
    listed: FolderList,
    state: PanelState,
    new: PriceGrid,
    first_changed: date,
    notes: Sequence[str],
    today: date | None,
) -> AppendReport:
    """Make the months again from that of the first label that the first changed day is in.

    The caller has the folder's lock: what another process would publish in between would be lost.
    """
    options, stored = FeatureOptions(**listed.options), read_stored(panel, listed.prices)
    assert stored is not None  # a panel has rows
    check_one_basis(stored, new)
    everything = merged(stored, new)
    with _options_of(panel):
        checked = checked_prices(everything, options, today)
    # The calendar is decided by all days: it may differ before the first corrected row.
    first_changed = min(first_changed, state.first_changed(checked.prices.calendar) or first_changed)
    past = as_dates(state.calendar)
    # Labels of the days before read the closes of the changed day.
    unchanged = bisect_left(past, first_changed) - options.label_days
    day = past[unchanged] if unchanged > 0 else None
    prices = write_folder(everything, checked, panel, options, day).prices
    return report_append(panel, prices, past, first_changed, notes)


def _joined_counts(past: DateCounts, new: DateCounts) -> DateCounts:
    dates, stocks, value = (np.concatenate(pair) for pair in zip(past[:3], new[:3], strict=True))
    return DateCounts(dates, stocks, value, new.last)


def _known_labels(
    panel: Path, listed: FolderList, prices: CheckedPrices, first: int
) -> tuple[tuple[FolderFile, ...], list[Any]]:
    """The months that stay, and tables of those after them, with the labels that days from ``first`` on give."""
    import pyarrow as pa

    options = prices.options
    changed = max(0, first - options.label_days)
    cutoff = prices.calendar[changed]
    # The month that the new days go on with is opened again, whether or not it has a label to fill in.
    month = f"{min(cutoff, prices.calendar[first - 1]):%Y-%m}"
    settled = tuple(file for file in listed.months if file.month < month)
    kept = np.flatnonzero(prices.kept[changed:first])
    labels = {}
    for name, (horizon, lag) in options.labels.items():
        values = forward_returns(prices, horizon, lag, changed, first).reshape(-1)[kept]
        labels[name] = pa.array(values, mask=~np.isfinite(values))
    tables, done = [], 0
    for file in listed.months[len(settled) :]:
        table = read_table(panel, file)
        past = int((table["date"].to_numpy() < np.datetime64(cutoff)).sum())
        count = len(table) - past
        for name, values in labels.items():
            old = table[name].slice(0, past).combine_chunks()
            column = pa.chunked_array([old, values.slice(done, count)])
            table = table.set_column(table.column_names.index(name), name, column)
        done += count
        tables.append(table)
    if done != len(kept):
        raise InputError(
            f"{panel}: its last months have {done:,} rows where {len(kept):,} were written; build it again"
        )
    return settled, tables
