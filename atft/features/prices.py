"""Daily prices as dense [days, stocks] grids, after the checks that need only the row itself.

One float32 grid per price column on the dates that occur, NaN where a stock has no row. 6.7 million rows of 3,064
stocks take 46 MB a column. Memory grows with days x stocks, not with rows: many short-lived stocks waste cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int32

from atft.errors import InputError, counted, first_of
from atft.features.options import FeatureOptions
from atft.features.price_dialects import PRICES
from atft.features.price_rows import read_price_rows
from atft.features.windows import Grid
from atft.files.cells import check_codes
from atft.files.dates import as_dates

RANGE_TOLERANCE = 0.02
"""Of an open or close this far outside [low, high], the row's prices are not on one split basis."""


EMPTY: dict[str, Any] = dict.fromkeys(PRICES, np.nan) | {"sector": -1}
"""Grid of `PriceGrid` by name -> what a stock has there without a row."""


@dataclass(kw_only=True)
class PriceGrid:
    """Prices by day and stock. NaN is unknown; a stock without a row has a NaN close."""

    path: Path
    """The file, folder or glob, for messages."""
    calendar: list[date]
    codes: list[str]
    """Ascending; the column of each stock."""
    open: Grid
    high: Grid
    low: Grid
    close: Grid
    volume: Grid
    sector: Int32[np.ndarray, "days stocks"]
    """Index into ``sectors``, -1 for none."""
    sectors: list[str]
    exclusions: dict[str, int]
    """Rows left out so far, by the check that left them out."""
    start: int = 0
    """Index of the first day on the panel's calendar; above 0 where only its last days are in memory."""
    inserted: tuple[int, ...] = ()
    """Indices of the days that stand in for a gap, the first day here being 0; no stock has a row there."""
    missing: tuple[str, ...] = ()
    """Prices (of `PRICES`) that the files do not have."""
    layout: str = ""
    """What the files were taken for, in a line."""
    notes: tuple[str, ...] = ()
    """What was found in the calendar and the series, a line each."""

    def grids(self) -> dict[str, Any]:
        """Prices and sectors by name, ``[days, stocks]`` each."""
        return {name: getattr(self, name) for name in EMPTY}


def on_grid(
    prices: PriceGrid, calendar: Sequence[date], codes: Sequence[str], sectors: Sequence[str]
) -> PriceGrid:
    """The same rows on a grid of more dates, codes and sectors, each ascending and a superset of its own."""
    day = np.searchsorted(np.array(calendar, "datetime64[D]"), np.array(prices.calendar, "datetime64[D]"))
    stock = np.searchsorted(np.array(codes), np.array(prices.codes))
    renumbered = np.append(np.searchsorted(np.array(sectors), np.array(prices.sectors)), -1).astype(np.int32)
    grids: dict[str, Any] = {}
    for name, values in prices.grids().items():
        grids[name] = np.full((len(calendar), len(codes)), EMPTY[name], dtype=values.dtype)
        grids[name][np.ix_(day, stock)] = renumbered[values] if name == "sector" else values
    return replace(prices, calendar=list(calendar), codes=list(codes), sectors=list(sectors), **grids)


def read_prices(path: Path, options: FeatureOptions) -> PriceGrid:
    """Read the prices of a file, a folder or a glob, as `atft.features.price_rows` says.

    Rows without a close above 0, and second rows of a (date, code), are left out. An open of 0 is a missing one.

    Raises:
        InputError: the files cannot be read, no dialect fits them, a column has a wrong type, or a row repeats a
            date and code.
    """
    table = read_price_rows(path, options.columns)
    values: dict[str, Any] = table.prices
    dates = np.unique(table.date)
    calendar = as_dates(dates)
    codes, stock = table.code
    sectors, sector = table.sector
    # The row's cell of the grid, day by day; one array for both steps, since it is the largest.
    cell = np.searchsorted(dates, table.date)
    check_codes(path, len(codes), len(calendar), len(cell))
    cell *= len(codes)
    cell += stock

    keep = np.ones(len(cell), dtype=bool)
    rows_of_cell = np.bincount(cell, minlength=len(calendar) * len(codes))
    duplicates = int((rows_of_cell - 1).clip(min=0).sum())
    if duplicates and options.duplicates == "error":
        day, column = divmod(int(np.argmax(rows_of_cell > 1)), len(codes))
        raise InputError(
            f"{path}: {counted(duplicates, 'row')} with the (date, code) of another, the first "
            f"{codes[column]} on {calendar[day]}; drop them or set duplicates to exclude"
        )
    if duplicates:  # the first row of each cell in file order stays
        keep[:] = False
        keep[np.unique(cell, return_index=True)[1]] = True
    positive = np.isfinite(values["close"]) & (values["close"] > 0)
    exclusions = {"duplicate": duplicates, "non-positive close": int((keep & ~positive).sum())}
    keep &= positive

    rows = slice(None) if keep.all() else keep  # of a clean file nothing is copied

    def grid(of: np.ndarray, empty: float, dtype: type) -> np.ndarray:
        out: np.ndarray = np.full((len(calendar), len(codes)), empty, dtype=dtype)
        out.reshape(-1)[cell[rows]] = of[rows]
        return out

    grids: dict[str, Any] = {name: grid(values.pop(name), np.nan, np.float32) for name in PRICES}
    for name in ("open", "high", "low"):
        grids[name][~((grids[name] > 0) & np.isfinite(grids[name]))] = np.nan
    volume = grids["volume"]
    volume[~((volume >= 0) & np.isfinite(volume))] = np.nan
    _drop_other_basis(grids)
    return PriceGrid(
        path=path,
        calendar=calendar,
        codes=codes,
        sector=grid(sector, -1, np.int32),
        sectors=sectors,
        exclusions=exclusions,
        missing=table.missing,
        layout=table.line,
        notes=_alike_codes(codes),
        **grids,
    )


def _alike_codes(codes: Sequence[str]) -> tuple[str, ...]:
    """A line for codes that differ in leading zeros or in case only, as where Excel wrote one of two files."""
    groups: dict[str, list[str]] = {}
    for code in codes:
        groups.setdefault(code.casefold().lstrip("0"), []).append(code)
    alike = [" and ".join(group) for group in groups.values() if len(group) > 1]
    if not alike:
        return ()
    return (f"WARNING codes that differ in leading zeros or case only: {len(alike):,}: {first_of(alike, 3)}",)


def _drop_other_basis(grids: dict[str, np.ndarray]) -> None:
    """Make a high and low unknown that do not contain the close, and an open that they do not contain."""
    close, high, low = grids["close"], grids["high"], grids["low"]
    above, below = 1 + RANGE_TOLERANCE, 1 - RANGE_TOLERANCE
    contains = (low <= close * above) & (high >= close * below) & (low <= high)
    high[~contains] = np.nan
    low[~contains] = np.nan
    outside = (grids["open"] > high * above) | (grids["open"] < low * below)
    grids["open"][outside] = np.nan
    # A close a shade outside its range is a rounding; stretch the range, so that positions stay in [0, 1].
    np.fmax(high, close, out=high, where=contains)
    np.fmin(low, close, out=low, where=contains)
