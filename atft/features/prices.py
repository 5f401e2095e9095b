"""Read daily prices into dense [days, stocks] grids.

Polars scans lazily and streams; what stays is one float32 grid per price column on the panel's own calendar
(the dates that occur), NaN where a stock has no row. 6.7 million rows of 3,064 stocks take 46 MB a column. A
panel of many short-lived stocks wastes cells: memory grows with days x stocks, not with rows.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Int32

from atft.errors import InputError, nearest
from atft.features.options import FeatureOptions

if TYPE_CHECKING:
    import polars as pl

PRICES = ("open", "high", "low", "close", "volume")
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


def read_prices(path: Path, options: FeatureOptions, exclusions: dict[str, int]) -> PriceGrid:
    """Read a Parquet or CSV file, pass each row through the gates that need only the row itself.

    Dates may be dates, timestamps (the local day as it is written counts) or ISO text; codes are text, so
    that "0050" keeps its zeros. An ``open`` of 0 is a missing open.

    Args:
        path: ``.parquet`` or ``.csv`` with date, code, open, high, low, close, volume, optional sector.
        options: what the gates do.
        exclusions: rows left out, per gate; this adds to it.

    Raises:
        InputError: the file cannot be read, a column is missing or has a wrong type, or a gate set to
            "error" found a row.
    """
    frame = _rows(path)
    frame = _one_time_zone(frame, path, options, exclusions)
    day, calendar = _calendar(frame, path)
    codes, stock = _indexed(frame["code"])
    sectors, sector = _indexed(frame["sector"])
    values = {name: frame[name].to_numpy() for name in PRICES}
    del frame

    cell = day.astype(np.int64) * len(codes) + stock
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

    grids = {name: grid(values.pop(name), np.nan, np.float32) for name in PRICES}
    for name in ("open", "high", "low"):
        grids[name][~((grids[name] > 0) & np.isfinite(grids[name]))] = np.nan
    volume = grids["volume"]
    volume[~((volume >= 0) & np.isfinite(volume))] = np.nan
    _drop_other_basis(grids)
    return PriceGrid(calendar, codes, sector=grid(sector, -1, np.int32), sectors=sectors, **grids)


def _rows(path: Path) -> "pl.DataFrame":
    """Date (as it came), code, prices, sector: streamed from disk, typed, nothing else."""
    import polars as pl

    if not path.is_file():
        raise InputError(f"{path}: no such file; give the Parquet or CSV file of the prices")
    try:
        if path.suffix.lower() in (".csv", ".txt"):
            # Text stays text until it is cast, so that "0050" is a code and a bad number is named.
            scan = pl.scan_csv(path, infer_schema=False)
        else:
            scan = pl.scan_parquet(path)
        schema = scan.collect_schema()
        for name in ("date", "code", *PRICES):
            if name not in schema:
                raise InputError(f"{path}: no column {name!r}{nearest(name, schema.names())}")
        wrong = [n for n in PRICES if not (schema[n].is_numeric() or schema[n] == pl.String)]
        if wrong:
            raise InputError(f"{path}: column {wrong[0]!r} is {schema[wrong[0]]}; it must be numeric")
        when = schema["date"]
        if not (when in (pl.Date, pl.String) or isinstance(when, pl.Datetime)):
            raise InputError(f"{path}: column 'date' is {when}; it must be a date, a timestamp or ISO text")
        sector = pl.col("sector").cast(pl.String) if "sector" in schema else pl.lit(None, dtype=pl.String)
        # Through float64: a CSV and the Parquet file of the same numbers give the same float32.
        prices = [pl.col(n).cast(pl.Float64).cast(pl.Float32) for n in PRICES]
        wanted = scan.select("date", pl.col("code").cast(pl.String), *prices, sector.alias("sector"))
        frame = wanted.collect(engine="streaming")
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not readable as prices ({reason}); write it again") from error
    if frame.height == 0:
        raise InputError(f"{path}: no rows; give a file with prices")
    for name in ("date", "code"):
        if frame[name].null_count():
            raise InputError(f"{path}: {frame[name].null_count():,} rows have no {name}; fill or drop them")
    return frame


def _one_time_zone(
    frame: "pl.DataFrame", path: Path, options: FeatureOptions, exclusions: dict[str, int]
) -> "pl.DataFrame":
    """Reduce the dates to local days, as written, and let the gate judge their UTC offsets."""
    import polars as pl

    if frame.schema["date"] != pl.String:
        # A timestamp column has one zone; the local day in that zone is the trading day.
        exclusions["other time zone"] = 0
        return frame.with_columns(pl.col("date").dt.date())
    text = pl.col("date").str.strip_chars()
    offset = text.str.slice(10).str.extract(r"(Z|[+-]\d{2}:?\d{2})$").fill_null("none")
    offset = pl.when(offset == "Z").then(pl.lit("+0000")).otherwise(offset.str.replace(":", ""))
    day = text.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    read = frame.with_columns(day=day, offset=offset)
    if read["day"].null_count():
        first = read.filter(pl.col("day").is_null())["date"][0]
        raise InputError(f"{path}: date {first!r} is not of the form 2015-01-31; write ISO dates")
    zones = read["offset"].unique().sort().to_list()
    exclusions["other time zone"] = 0
    if len(zones) > 1 and options.time_zones == "error":
        raise InputError(
            f"{path}: dates of {len(zones)} time zones ({', '.join(zones)}) in one column; "
            f"write local dates without a time, or set time_zones to exclude or keep"
        )
    if len(zones) > 1 and options.time_zones == "exclude":
        # The earliest date decides, so that rows to come cannot change which ones stay.
        home = read.sort("day", "code", "offset").item(0, "offset")
        kept = read.filter(pl.col("offset") == home)
        exclusions["other time zone"] = read.height - kept.height
        read = kept
    return read.with_columns(date=pl.col("day")).drop("day", "offset")


def _calendar(frame: "pl.DataFrame", path: Path) -> tuple[np.ndarray, list[date]]:
    """The dates that occur, ascending, and each row's index among them."""
    days = frame["date"].unique().sort()
    if len(days) < 2:
        raise InputError(f"{path}: only one trading day, {days[0]}; a panel needs at least two")
    return np.searchsorted(
        days.to_physical().to_numpy(), frame["date"].to_physical().to_numpy()
    ), days.to_list()


def _indexed(column: "pl.Series") -> tuple[list[str], np.ndarray]:
    """The distinct texts, ascending, and each row's index among them, -1 for null."""
    import polars as pl

    names = column.drop_nulls().unique().sort()
    index = column.cast(pl.Enum(names)).to_physical().cast(pl.Int32).fill_null(-1)
    return names.to_list(), index.to_numpy()


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
