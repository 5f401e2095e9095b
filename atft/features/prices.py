"""Daily prices as dense [days, stocks] grids, through the gates that need only the row itself.

One float32 grid per price column on the panel's own calendar (the dates that occur), NaN where a stock has no row.
6.7 million rows of 3,064 stocks take 46 MB a column. A panel of many short-lived stocks wastes cells: memory grows
with days x stocks, not with rows.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int32

from atft.cells import check_codes
from atft.dates import EPOCH
from atft.errors import InputError
from atft.features.options import FeatureOptions
from atft.features.price_file import PRICES, price_rows

# An open or close this far outside [low, high] says that the row's prices are not on one split basis.
TOLERANCE = 0.02


@dataclass
class PriceGrid:
    """Prices on the panel's calendar. NaN is unknown; a stock without a row has a NaN close."""

    calendar: list[date]
    codes: list[str]
    """Ascending; the column of each stock."""
    open: Float32[np.ndarray, "days stocks"]
    high: Float32[np.ndarray, "days stocks"]
    low: Float32[np.ndarray, "days stocks"]
    close: Float32[np.ndarray, "days stocks"]
    volume: Float32[np.ndarray, "days stocks"]
    sector: Int32[np.ndarray, "days stocks"]
    """Index into ``sectors``, -1 for none."""
    sectors: list[str]
    inserted: tuple[int, ...] = ()
    """Calendar indices of the days that stand in for a gap; no stock has a row there."""
    findings: tuple[str, ...] = ()
    """What was left out of, or inserted into, the calendar; a line each."""


def read_prices(path: Path, options: FeatureOptions, exclusions: dict[str, int]) -> PriceGrid:
    """Read a Parquet or CSV file, pass each row through the gates that need only the row itself.

    Dates, codes and numbers are read as `atft.dates` and `atft.cells` say. An ``open`` of 0 is a missing open.

    Args:
        path: ``.parquet`` or ``.csv`` with date, code, open, high, low, close, volume, optional sector.
        options: what the gates do.
        exclusions: rows left out, per gate; this adds to it.

    Raises:
        InputError: the file cannot be read, a column is missing or has a wrong type, or a gate set to
            "error" found a row.
    """
    values = price_rows(path)
    present = np.unique(values["date"])
    # The row's cell of the grid, day by day; one array for both steps, since it is the largest.
    cell = np.searchsorted(present, values.pop("date"))
    calendar = [EPOCH + timedelta(days=int(d)) for d in present]
    if len(calendar) < 2:
        raise InputError(f"{path}: only one trading day, {calendar[0]}; a panel needs at least two")
    codes, stock = values.pop("code")
    sectors, sector = values.pop("sector")

    check_codes(path, len(codes), len(calendar), len(cell))
    cell *= len(codes)
    cell += stock
    keep = np.ones(len(cell), dtype=bool)
    _first_of_each_cell(cell, keep, calendar, codes, path, options, exclusions)
    good = np.isfinite(values["close"]) & (values["close"] > 0)
    bad = np.flatnonzero(keep & ~good)
    if len(bad) and options.non_positive == "error":
        where = _place(int(cell[bad[0]]), calendar, codes)
        raise InputError(
            f"{path}: {len(bad):,} rows whose close is missing or not above 0, the first {where}; "
            f"correct them or set non_positive to exclude"
        )
    exclusions["non-positive close"] = len(bad)
    keep &= good

    rows = slice(None) if keep.all() else keep
    shape = (len(calendar), len(codes))

    def grid(of: np.ndarray, empty: float, dtype: type) -> np.ndarray:
        table: np.ndarray = np.full(shape, empty, dtype=dtype)
        table.reshape(-1)[cell[rows]] = of[rows]
        return table

    grids: dict[str, Any] = {name: grid(values.pop(name), np.nan, np.float32) for name in PRICES}
    for name in ("open", "high", "low"):
        grids[name][~((grids[name] > 0) & np.isfinite(grids[name]))] = np.nan
    volume = grids["volume"]
    volume[~((volume >= 0) & np.isfinite(volume))] = np.nan
    _drop_other_basis(grids)
    return PriceGrid(calendar, codes, sector=grid(sector, -1, np.int32), sectors=sectors, **grids)


def _first_of_each_cell(
    cell: np.ndarray,
    keep: np.ndarray,
    calendar: list[date],
    codes: list[str],
    path: Path,
    options: FeatureOptions,
    exclusions: dict[str, int],
) -> None:
    """Keep the first row of each (date, code) in file order."""
    taken = np.bincount(cell, minlength=len(calendar) * len(codes))
    extra = int((taken - 1).clip(min=0).sum())
    exclusions["duplicate"] = extra
    if not extra:
        return
    if options.duplicates == "error":
        where = _place(int(np.argmax(taken > 1)), calendar, codes)
        raise InputError(
            f"{path}: {extra:,} rows repeat a (date, code), the first {where}; "
            f"drop them or set duplicates to exclude"
        )
    keep[:] = False
    keep[np.unique(cell, return_index=True)[1]] = True


def _drop_other_basis(grids: dict[str, np.ndarray]) -> None:
    """Forget a high and low that do not hold the close, and an open that they do not hold."""
    close, high, low = grids["close"], grids["high"], grids["low"]
    holds = (low <= close * (1 + TOLERANCE)) & (high >= close * (1 - TOLERANCE)) & (low <= high)
    high[~holds] = np.nan
    low[~holds] = np.nan
    outside = (grids["open"] > high * (1 + TOLERANCE)) | (grids["open"] < low * (1 - TOLERANCE))
    grids["open"][outside] = np.nan
    # A close a shade outside its range is a rounding; stretch the range, so that positions stay in [0, 1].
    np.fmax(high, close, out=high, where=holds)
    np.fmin(low, close, out=low, where=holds)


def _place(cell: int, calendar: list[date], codes: list[str]) -> str:
    day, stock = divmod(cell, len(codes))
    return f"{codes[stock]} on {calendar[day]}"
