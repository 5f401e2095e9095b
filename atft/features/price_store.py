"""The prices of a panel that grows, as they were read, a Parquet file a month; and how new prices differ from them.

A correction is a row of a past day that differs from the stored one, or that is not stored. A stored row that the
new prices lack is no correction: a file may hold only some of the stocks, or only the last days.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from atft.errors import InputError, counted
from atft.features.panel_folder import FolderFile, read_table, write_table
from atft.features.price_dialects import PRICES
from atft.features.prices import EMPTY, PriceGrid, on_grid
from atft.files.cells import sorted_texts
from atft.files.dates import as_dates


def write_prices(
    folder: Path, prices: PriceGrid, stored: Sequence[FolderFile] = ()
) -> tuple[FolderFile, ...]:
    """Store prices on their own dates, a file a month, after what is ``stored``; later rows of a month join it."""
    months = np.array(prices.calendar, dtype="datetime64[M]")
    written = []
    for month in np.unique(months).tolist():
        name = f"{month:%Y-%m}"
        table = _table(prices, np.flatnonzero(months == np.datetime64(name)))
        if not len(table):
            continue
        if stored and stored[-1].month == name:
            table = _joined([read_table(folder, stored[-1]), table])
            stored = stored[:-1]
        options: dict[str, Any] = {"compression": "lz4", "use_dictionary": ["code", "sector"]}
        written.append(write_table(folder, "update/prices-", name, table, [(0, len(table))], **options))
    return (*stored, *written)


def read_stored(
    folder: Path, stored: Sequence[FolderFile], first: date | None = None, last: date | None = None
) -> PriceGrid | None:
    """Read the stored prices of the months of ``first`` to ``last``; None where there is no row."""
    import pyarrow as pa

    low, high = (f"{day:%Y-%m}" if day else None for day in (first, last))
    tables = [
        read_table(folder, file)
        for file in stored
        if (low is None or file.month >= low) and (high is None or file.month <= high)
    ]
    if not tables:
        return None
    # A dense grid again: what `read_prices` made of the file that the rows came from.
    table = _joined(tables)
    dates, day = np.unique(table["date"].cast(pa.int32()).to_numpy(), return_inverse=True)
    codes, stock = sorted_texts(table["code"])
    sectors, sector = sorted_texts(table["sector"])
    grids: dict[str, Any] = {}
    for name, values in {"sector": sector, **{name: table[name].to_numpy() for name in PRICES}}.items():
        grids[name] = np.full((len(dates), len(codes)), EMPTY[name], dtype=values.dtype)
        grids[name][day, stock] = values
    return PriceGrid(
        path=folder, calendar=as_dates(dates), codes=codes, sectors=sectors, exclusions={}, **grids
    )


def merged(stored: PriceGrid, new: PriceGrid) -> PriceGrid:
    """All rows of both; where both have one it is the new one, with the stored sector if the new one has none."""
    every = [
        sorted({*getattr(stored, name), *getattr(new, name)}) for name in ("calendar", "codes", "sectors")
    ]
    one, two = on_grid(stored, *every), on_grid(new, *every)
    known = np.isfinite(two.close)
    grids: dict[str, Any] = {name: np.where(known, getattr(two, name), getattr(one, name)) for name in PRICES}
    grids["sector"] = np.where(two.sector >= 0, two.sector, one.sector)
    return replace(two, **grids)


def later_rows(prices: PriceGrid, last: date, stored: PriceGrid) -> PriceGrid:
    """The prices after a date, of the codes that have a row there.

    Raises:
        InputError: none of these codes is ``stored``: other spellings would begin a panel of new stocks.
    """
    first = bisect_right(prices.calendar, last)
    stocks = np.flatnonzero(np.isfinite(prices.close[first:]).any(axis=0))
    codes = [prices.codes[stock] for stock in stocks]
    if codes and set(codes).isdisjoint(stored.codes):
        raise InputError(
            f"{prices.path}: none of the new days' codes is in the panel; they have {codes[0]!r}, the panel "
            f"{stored.codes[0]!r}; use the same codes"
        )
    grids = {name: values[first:, stocks] for name, values in prices.grids().items()}
    return replace(prices, calendar=prices.calendar[first:], codes=codes, **grids)


def followed_by(past: PriceGrid, later: PriceGrid) -> PriceGrid:
    """The stored last days and then the later ones; both have the same codes."""
    inserted = (*past.inserted, *(len(past.calendar) + day for day in later.inserted))
    after = later.grids()
    grids: dict[str, Any] = {
        name: np.concatenate([values, after[name]]) for name, values in past.grids().items()
    }
    calendar = [*past.calendar, *later.calendar]
    return replace(later, calendar=calendar, start=past.start, inserted=inserted, **grids)


def with_same_columns(new: PriceGrid, missing: tuple[str, ...]) -> PriceGrid:
    """Leave out prices that the panel was built without (``missing``), or raise where it has more than these."""
    absent = [name for name in new.missing if name not in missing]
    if absent:
        raise InputError(
            f"{new.path}: no {' and no '.join(absent)}, which the panel was built with; give all its columns"
        )
    unknown: dict[str, Any] = {name: np.full_like(getattr(new, name), np.nan) for name in missing}
    return replace(new, missing=missing, **unknown)


def with_last_sectors(new: PriceGrid, past: PriceGrid) -> tuple[PriceGrid, list[str]]:
    """Give prices without a sector, after the days of ``past``, each code's last one; and a line that says so."""
    lines = [new.layout] if new.layout else []
    if new.sectors or not past.sectors:
        return new, lines
    known = past.sector >= 0
    last = past.sector[len(known) - 1 - known[::-1].argmax(axis=0), np.arange(known.shape[1])]
    of_code = dict(zip(past.codes, last.tolist(), strict=True))
    number = np.array([of_code.get(code, -1) for code in new.codes], dtype=np.int32)
    sector = np.where(np.isfinite(new.close), number, -1).astype(np.int32)
    sector[: bisect_right(new.calendar, past.calendar[-1])] = -1
    lines.append("no sector in the prices; each code keeps its last one")
    return replace(new, sector=sector, sectors=list(past.sectors)), lines


class Corrections(NamedTuple):
    """Rows of past days that differ from the stored ones, or are not stored."""

    first: date
    """Of the earliest."""
    line: str
    """How many, and what the earliest one is and was."""


def find_corrections(stored: PriceGrid | None, new: PriceGrid, last: date) -> Corrections | None:
    """Compare the rows of ``new`` up to the date ``last`` with the ``stored`` ones, cell by cell.

    A sector counts where ``new`` has one. None where no row differs.
    """
    end = bisect_right(new.calendar, last)
    cells = {name: values[:end] for name, values in new.grids().items()}
    past = replace(new, calendar=new.calendar[:end], **cells)
    before = stored_like(stored, past)
    rows = np.isfinite(past.close)
    differs = {name: rows & different_cells(before, past, name) for name in EMPTY}
    differs["sector"] &= past.sector >= 0
    changed = np.any(list(differs.values()), axis=0)
    if not changed.any():
        return None
    day, stock = (int(index[0]) for index in np.nonzero(changed))
    name = next(name for name, cells in differs.items() if cells[day, stock])
    is_new = not np.isfinite(before.close[day, stock])
    was, now = _cell(before, name, day, stock), _cell(past, name, day, stock)
    what = "which is not stored" if is_new else f"{name} {now} where {was} is stored"
    where = f"{past.codes[stock]} on {past.calendar[day]}"
    line = f"past days differ in {counted(changed.sum(), 'row')}, the first {where}, {what}"
    return Corrections(past.calendar[day], line)


def different_cells(one: PriceGrid, other: PriceGrid, name: str) -> np.ndarray:
    """Cells of a grid that differ; NaN equals itself."""
    a, b = getattr(one, name), getattr(other, name)
    different: np.ndarray = (a != b) & ~(np.isnan(a) & np.isnan(b))
    return different


def stored_like(stored: PriceGrid | None, like: PriceGrid) -> PriceGrid:
    """The stored rows on the dates and codes of other prices, with sectors numbered as theirs, new ones behind."""
    grids = {name: np.full_like(values, EMPTY[name]) for name, values in like.grids().items()}
    names = list(like.sectors)
    if stored is not None:
        _, day, stored_day = np.intersect1d(
            np.array(like.calendar, "datetime64[D]"),
            np.array(stored.calendar, "datetime64[D]"),
            return_indices=True,
        )
        _, stock, stored_stock = np.intersect1d(
            np.array(like.codes), np.array(stored.codes), return_indices=True
        )
        names += [name for name in stored.sectors if name not in like.sectors]
        number = np.array([*(names.index(name) for name in stored.sectors), -1], dtype=np.int32)
        for name, grid in grids.items():
            values = getattr(stored, name)[np.ix_(stored_day, stored_stock)]
            grid[np.ix_(day, stock)] = number[values] if name == "sector" else values
    return replace(like, sectors=names, **grids)


def _cell(prices: PriceGrid, name: str, day: int, stock: int) -> str:
    value = getattr(prices, name)[day, stock]
    if name != "sector":
        return "nothing" if np.isnan(value) else f"{value:.7g}"
    return prices.sectors[value] if value >= 0 else "nothing"


def _joined(tables: Sequence[Any]) -> Any:
    import pyarrow as pa

    return pa.concat_tables(tables).combine_chunks()


def _table(prices: PriceGrid, days: np.ndarray) -> Any:
    """The rows of some days, sorted by (date, code)."""
    import pyarrow as pa

    day, stock = np.nonzero(np.isfinite(prices.close[days]))
    rows = days[day], stock
    sector = prices.sector[rows]
    return pa.table(
        {
            "date": pa.array([prices.calendar[d] for d in days], pa.date32()).take(pa.array(day)),
            "code": pa.array(prices.codes, pa.string()).take(pa.array(stock)),
            "sector": pa.array(prices.sectors, pa.string()).take(pa.array(sector, mask=sector < 0)),
            **{name: getattr(prices, name)[rows] for name in PRICES},
        }
    )
