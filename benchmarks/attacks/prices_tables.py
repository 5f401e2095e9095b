"""Hostile Parquet files of prices, each with the prices that it means, or None where it can mean none."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.attacks.prices_text import Case, Meaning, none, same

DAY, CODE = pl.col("date"), pl.col("code")
MOMENT = DAY.cast(pl.Datetime("us"))
ROW = pl.int_range(pl.len()) == 499


def _table(change: Callable[[pl.DataFrame], pl.DataFrame | pa.Table], meaning: Meaning, **how: Any) -> Case:
    """A Parquet file of changed prices."""

    def case(frame: pl.DataFrame, folder: Path) -> tuple[Path, pl.DataFrame | None]:
        table = change(frame)
        arrow = table.to_arrow() if isinstance(table, pl.DataFrame) else table
        pq.write_table(arrow, folder / "prices.parquet", **how)
        return folder / "prices.parquet", meaning(frame)

    return case


def _with(meaning: Meaning, **columns: pl.Expr) -> Case:
    return _table(lambda f: f.with_columns(**columns), meaning)


def _cell(column: str, value: Any, meaning: Meaning) -> Case:
    return _with(meaning, **{column: pl.when(ROW).then(pl.lit(value)).otherwise(column)})


def _day_number(days: int) -> pl.Expr:
    """One row's date is so many days after 1970."""
    return pl.when(ROW).then(days).otherwise(DAY.cast(pl.Int32)).cast(pl.Date)


def _without_row(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.filter(~ROW)


def _without_volume(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(volume=pl.lit(None, pl.Float64))


def _folder(frame: pl.DataFrame, folder: Path) -> tuple[Path, None]:
    (folder / "prices.parquet").mkdir()
    return folder / "prices.parquet", None


def _cut(frame: pl.DataFrame, folder: Path) -> tuple[Path, None]:
    frame.write_parquet(folder / "prices.parquet")
    path = folder / "prices.parquet"
    path.write_bytes(path.read_bytes()[:-50])
    return path, None


def _csv_name(frame: pl.DataFrame, folder: Path) -> tuple[Path, pl.DataFrame]:
    frame.write_parquet(folder / "prices.csv")
    return folder / "prices.csv", frame


def _twice(frame: pl.DataFrame) -> pa.Table:
    table = frame.to_arrow()
    return table.append_column("close", table.column("open"))


def _pandas(frame: pl.DataFrame) -> pa.Table:
    """As pandas writes it: its index as a column, and its metadata."""
    table = frame.to_arrow().append_column("__index_level_0__", pa.array(range(frame.height)))
    return table.replace_schema_metadata({"pandas": '{"index_columns": ["__index_level_0__"]}'})


TABLES: dict[str, Case] = {
    # -- dates
    "timestamps": _with(same, date=MOMENT),
    "nanoseconds": _with(same, date=DAY.cast(pl.Datetime("ns"))),
    "midnights of New York": _with(same, date=MOMENT.dt.replace_time_zone("America/New_York")),
    "midnights of Tokyo in UTC": _with(
        none, date=MOMENT.dt.replace_time_zone("Asia/Tokyo").dt.convert_time_zone("UTC")
    ),
    "midnights of New York in UTC": _with(
        none, date=MOMENT.dt.replace_time_zone("America/New_York").dt.convert_time_zone("UTC")
    ),
    "midnights of UTC in Tokyo": _with(
        none, date=MOMENT.dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Tokyo")
    ),
    "closing times without a zone": _with(same, date=MOMENT + timedelta(hours=16)),
    "closing times of New York in UTC": _with(same, date=MOMENT.dt.replace_time_zone("UTC") + timedelta(hours=21)),
    "dates as categories": _with(same, date=DAY.dt.to_string("%Y-%m-%d").cast(pl.Categorical)),
    "dates as compact numbers": _with(same, date=DAY.dt.to_string("%Y%m%d").cast(pl.Int32)),
    "dates as days since 1970": _with(none, date=DAY.cast(pl.Int32)),
    "dates as floats": _with(none, date=DAY.cast(pl.Int32).cast(pl.Float64)),
    "dates as times": _with(none, date=pl.time(1, 2, 3)),
    "dates as bytes": _with(none, date=DAY.dt.to_string("%Y-%m-%d").cast(pl.Binary)),
    "dates as lists": _with(none, date=pl.concat_list("date")),
    "a null date": _cell("date", None, none),
    "a date of year 1 in Parquet": _cell("date", date(1, 1, 1), none),
    "a date of year 9999 in Parquet": _cell("date", date(9999, 12, 31), none),
    "a date beyond Python's": _with(none, date=_day_number(10_000_000)),
    "a date before Python's": _with(none, date=_day_number(-10_000_000)),
    # -- codes
    "codes as integers": _with(same, code=CODE.cast(pl.Int64)),
    "codes as small integers": _with(same, code=CODE.cast(pl.UInt16)),
    "codes as categories": _with(same, code=CODE.cast(pl.Categorical)),
    "float codes": _with(same, code=CODE.cast(pl.Float64)),
    "decimal codes": _with(same, code=CODE.cast(pl.Decimal(10, 1))),
    "float codes that are not whole": _with(none, code=CODE.cast(pl.Float64) + 0.5),
    "codes as flags": _with(none, code=CODE > "1310"),
    "codes as bytes": _with(none, code=CODE.cast(pl.Binary)),
    "codes as lists": _with(none, code=pl.concat_list("code")),
    "a null code": _cell("code", None, none),
    "an empty code in Parquet": _cell("code", "", none),
    "a code of white space in Parquet": _cell("code", " \t", none),
    "an escape in a code in Parquet": _with(
        lambda f: f.with_columns(code=CODE.replace("1305", "\x1b[31m")), code=CODE.replace("1305", "\x1b[31m")
    ),
    # -- numbers
    "closes as text": _with(same, close=pl.col("close").cast(pl.String)),
    "closes as decimals": _with(same, close=pl.col("close").cast(pl.Decimal(20, 3))),
    "closes as flags": _with(none, close=pl.col("close") > 1),
    "closes as lists": _with(none, close=pl.concat_list("close")),
    "closes as structures": _with(none, close=pl.struct("close")),
    "closes as dates": _with(none, close=DAY),
    "closes of nothing": _with(none, close=pl.lit(None)),
    "volumes as unsigned integers": _with(same, volume=pl.col("volume").cast(pl.UInt64)),
    "a null close": _cell("close", None, _without_row),
    "a close of NaN in Parquet": _cell("close", float("nan"), _without_row),
    "an infinite close in Parquet": _cell("close", float("inf"), _without_row),
    "a close of 1e300 in Parquet": _cell("close", 1e300, _without_row),
    "a negative close in Parquet": _cell("close", -50.0, _without_row),
    "a close of 1e-300": _cell("close", 1e-300, _without_row),
    "all closes 0": _with(none, close=pl.lit(0.0)),
    "one price for all days": _with(none, **dict.fromkeys(("open", "high", "low", "close"), pl.lit(50.0))),
    "infinite volumes": _with(_without_volume, volume=pl.lit(float("inf"))),
    # -- the table
    "no sector": _table(lambda f: f.drop("sector"), lambda f: f.with_columns(sector=pl.lit(None, pl.String))),
    "sectors as integers": _with(
        lambda f: f.with_columns(sector=pl.col("sector").str.slice(7)),
        sector=pl.col("sector").str.slice(7).cast(pl.Int8),
    ),
    "no volume": _table(lambda f: f.drop("volume"), lambda f: f.drop("volume")),
    "no date": _table(lambda f: f.drop("date"), none),
    "a column twice": _table(_twice, none),
    "as pandas writes it": _table(_pandas, same),
    "rows shuffled": _table(lambda f: f.sample(fraction=1, shuffle=True, seed=1), same),
    "rows by code": _table(lambda f: f.sort("code", "date"), same),
    "rows reversed": _table(lambda f: f.reverse(), same),
    "columns reversed": _table(lambda f: f.select(f.columns[::-1]), same),
    "500 columns more": _table(lambda f: f.with_columns(**{f"c{i}": pl.lit(i) for i in range(500)}), same),
    "columns of other case": _table(lambda f: f.with_columns(Close=pl.lit(1.0), DATE=pl.lit("x")), same),
    "rows given twice": _table(lambda f: pl.concat([f, f[500:520]]), none),
    "small row groups": _table(lambda f: f, same, row_group_size=7, compression="brotli", version="1.0"),
    "no rows": _table(lambda f: f.head(0), none),
    "no columns": _table(lambda f: f.select([]), none),
    "a folder": _folder,
    "a file cut short": _cut,
    "Parquet by the name of CSV": _csv_name,
}  # fmt: skip
