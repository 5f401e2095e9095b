"""Structural edits of a panel, each with the table that is right after it, or None where only an error is."""

import random
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

Edited = tuple[str, pl.DataFrame | pa.Table | list[pl.DataFrame], pl.DataFrame | None]
"""What was done, the file's table (or tables of several files), and the table that is right."""
NEEDED = ("date", "code", "target_1d", "target_5d", "return_1d")


def edit_panel(rng: random.Random, sound: pl.DataFrame, folder: Path) -> tuple[str, pl.DataFrame | None]:
    """Write an edited panel into ``folder``; what was done, and the table that is right."""
    edit = rng.choice(EDITS)
    what, tables, expected = edit(rng, sound)
    folder.mkdir()
    for part, table in enumerate(tables if isinstance(tables, list) else [tables]):
        arrow = table.to_arrow() if isinstance(table, pl.DataFrame) else table
        rows = rng.choice((100, 1000, 10_000))
        codec = rng.choice(("zstd", "lz4", "snappy", "none"))
        pq.write_table(arrow, folder / f"part_{part}.parquet", compression=codec, row_group_size=rows)
    return what, expected


def _numbers(sound: pl.DataFrame) -> list[str]:
    return [n for n in sound.columns if sound[n].dtype == pl.Float32 and not n.startswith("regime")]


def _drop(rng: random.Random, sound: pl.DataFrame) -> Edited:
    name = rng.choice(sound.columns)
    after = sound.drop(name)
    return f"dropped {name}", after, _without(after, name)


def _without(after: pl.DataFrame, name: str) -> pl.DataFrame | None:
    """The table that is right where a column is absent."""
    if name in NEEDED:
        return None
    if name == "universe":
        return after.with_columns(universe=pl.lit(True))
    if name == "sector":
        return after.with_columns(sector=pl.lit(None, pl.String))
    if name.endswith("_lag1"):  # both or none
        return after.drop("target_1d_lag1", "target_5d_lag1", strict=False)
    return after.drop("oracle_1d", "oracle_5d", strict=False)


def _rename(rng: random.Random, sound: pl.DataFrame) -> Edited:
    name = rng.choice(sound.columns)
    new = f"x_{name[2:]}_renamed" if name.startswith("x_") else f"other_{name}"
    after = sound.rename({name: new})
    expected = _without(after, name)
    if expected is not None and not name.startswith("x_"):
        expected = expected.drop(new, strict=False)
    return f"renamed {name} to {new}", after, expected


def _repeat_column(rng: random.Random, sound: pl.DataFrame) -> Edited:
    name = rng.choice(sound.columns)
    table = sound.to_arrow()
    column = table.column(rng.choice((name, rng.choice(_numbers(sound)))))
    return f"two columns {name}", table.append_column(name, column), None


def _retype_number(rng: random.Random, sound: pl.DataFrame) -> Edited:
    name = rng.choice(_numbers(sound))
    kind = rng.choice(("float64", "int32", "text", "flags", "dates", "lists", "nothing", "decimal"))
    ways = {
        "float64": pl.col(name).cast(pl.Float64),
        "int32": (100 * pl.col(name)).fill_nan(None).cast(pl.Int32, strict=False),
        "text": pl.col(name).cast(pl.String),
        "flags": pl.col(name) > 0,
        "dates": pl.col("date"),
        "lists": pl.concat_list(name),
        "nothing": pl.lit(None),
        "decimal": pl.col(name).round(3).cast(pl.Decimal(20, 3), strict=False),
    }
    after = sound.with_columns(ways[kind].alias(name))
    if kind == "text":
        return f"{name} as text", after, sound
    fits = kind in ("float64", "int32", "decimal") or (kind == "nothing" and name.startswith(EXTRAS))
    return f"{name} as {kind}", after, after if fits else None


EXTRAS = ("exposure", "momentum", "traded", "target_1d_lag1", "target_5d_lag1", "oracle")
"""Numbers that may be unknown everywhere."""


def _retype_key(rng: random.Random, sound: pl.DataFrame) -> Edited:
    day, code = pl.col("date"), pl.col("code")
    moment = day.cast(pl.Datetime("us"))
    tokyo = moment.dt.replace_time_zone("Asia/Tokyo")
    digits = code.rank("dense").cast(pl.Int64) + 1300
    numbered = sound.with_columns(code=digits.cast(pl.String))
    fit: dict[str, tuple[pl.Expr, pl.DataFrame | None]] = {
        "date as timestamps": (moment, sound),
        "date as nanoseconds": (day.cast(pl.Datetime("ns")), sound),
        "date as ISO text": (day.dt.to_string("%Y-%m-%d"), sound),
        "date as midnights of Tokyo": (tokyo, sound),
        "date as midnights of Tokyo in UTC": (tokyo.dt.convert_time_zone("UTC"), None),
        "date with a time of day": (moment + timedelta(hours=15), None),
        "date as days since 1970": (day.cast(pl.Int32), None),
        "date as slashed text": (day.dt.to_string("%m/%d/%Y"), None),
        "date as compact text": (day.dt.to_string("%Y%m%d"), sound),
        "code as categories": (code.cast(pl.Categorical), sound),
        "code as integers": (digits, numbered),
        "code as floats": (digits.cast(pl.Float64), numbered),
        "code as floats that are not whole": (digits + 0.5, None),
        "code as flags": (digits > 1310, None),
        "code as bytes": (code.cast(pl.Binary), None),
        "universe as numbers": (pl.col("universe").cast(pl.Int8), None),
        "universe as text": (pl.col("universe").cast(pl.String), None),
        "sector as integers": (pl.col("sector").str.slice(7).cast(pl.Int32).alias("sector"), None),
    }
    what = rng.choice(list(fit))
    name = what.split()[0]
    expression, expected = fit[what]
    after = sound.with_columns(expression.alias(name))
    if name == "sector":
        expected = after.with_columns(pl.col("sector").cast(pl.String))
    return what, after, expected


def _reorder(rng: random.Random, sound: pl.DataFrame) -> Edited:
    way = rng.choice(("rows shuffled", "rows by code", "rows reversed", "columns shuffled"))
    orders: dict[str, Callable[[], pl.DataFrame]] = {
        "rows shuffled": lambda: sound.sample(fraction=1, shuffle=True, seed=rng.randrange(1000)),
        "rows by code": lambda: sound.sort("code", "date"),
        "rows reversed": lambda: sound.reverse(),
        "columns shuffled": lambda: sound.select(rng.sample(sound.columns, sound.width)),
    }
    return way, orders[way](), sound


def _repeat_rows(rng: random.Random, sound: pl.DataFrame) -> Edited:
    extra = sound.sample(rng.choice((1, 20)), seed=rng.randrange(1000))
    if rng.random() < 0.5:
        extra = extra.with_columns(pl.col("x_revision") + 1)
    after = pl.concat([sound, extra])
    return "rows given twice", after if rng.random() < 0.5 else after.sort("date", "code"), None


def _cells(rng: random.Random, sound: pl.DataFrame) -> Edited:
    """Some cells of a column are unknown, not a number, infinite or absurd."""
    name = rng.choice(_numbers(sound))
    rows = pl.int_range(pl.len()).is_in(rng.sample(range(sound.height), rng.choice((1, 30))))
    label = name.startswith("target")
    value, fits = rng.choice(
        [
            (None, True),
            (float("nan"), True),
            (float("inf"), False),
            (-float("inf"), False),
            (1e300, False),
            (1e30, not label),
            (-5.0, not label),
        ]
    )
    kind = pl.Float64 if value == 1e300 else pl.Float32
    marked = pl.when(rows).then(pl.lit(value, kind)).otherwise(name).alias(name)
    after = sound.with_columns(marked)
    return f"cells of {name} are {value}", after, after if fits else None


def _keys(rng: random.Random, sound: pl.DataFrame) -> Edited:
    """One row's date, code or flag is none that can be meant."""
    row = pl.int_range(pl.len()) == rng.randrange(sound.height)
    what, name, value = rng.choice(
        [
            ("a null date", "date", pl.lit(None, pl.Date)),
            ("a date of year 1", "date", pl.lit(date(1, 1, 1))),
            ("a date of year 9999", "date", pl.lit(date(9999, 12, 31))),
            ("a null code", "code", pl.lit(None, pl.String)),
            ("an empty code", "code", pl.lit("")),
            ("a null in the universe", "universe", pl.lit(None, pl.Boolean)),
        ]
    )
    after = sound.with_columns(pl.when(row).then(value).otherwise(name).alias(name))
    return (
        what,
        after,
        after.with_columns(pl.col("universe").fill_null(False)) if name == "universe" else None,
    )


def _columns(rng: random.Random, sound: pl.DataFrame) -> Edited:
    """A column that no network may learn from, or a market-wide one of several values."""
    feature = rng.choice([n for n in sound.columns if n.startswith("x_")])
    after, what = rng.choice(
        [
            (sound.with_columns(pl.col("target_1d").alias(feature)), f"{feature} equals the target"),
            (sound.with_columns(pl.col("target_5d").alias(feature)), f"{feature} equals the 5-day target"),
            (sound.with_columns(pl.lit(1.0, pl.Float32).alias(feature)), f"{feature} is constant"),
            (sound.with_columns(pl.lit(None, pl.Float32).alias(feature)), f"{feature} is unknown"),
            (sound.with_columns(pl.lit(None, pl.Float32).alias("target_1d")), "the target is unknown"),
            (sound.with_columns(pl.col("x_flow").alias("regime_trend")), "a regime of many values"),
            (sound.with_columns(universe=pl.lit(False)), "an empty universe"),
            (sound.head(0), "no rows"),
            (sound.select(pl.lit(1).alias("a")), "another table"),
        ]
    )
    return what, after, None


def _files(rng: random.Random, sound: pl.DataFrame) -> Edited:
    """The panel in two files of one folder."""
    middle = sound["date"][sound.height // 2]
    first, last = sound.filter(pl.col("date") < middle), sound.filter(pl.col("date") >= middle)
    what, parts, expected = rng.choice(
        [
            ("two files", [first, last], sound),
            ("two files, the later first", [last, first], sound),
            ("two files that share rows", [first, pl.concat([first.tail(5), last])], None),
            ("the same file twice", [sound, sound], None),
            ("a second file without a column", [first, last.drop("x_flow")], None),
            (
                "a second file of timestamps",
                [first, last.with_columns(pl.col("date").cast(pl.Datetime))],
                sound,
            ),
            ("a second file without rows", [sound, sound.head(0)], sound),
        ]
    )
    return what, parts, expected


def _odd_codes(rng: random.Random, sound: pl.DataFrame) -> Edited:
    """A code with characters that break lines and terminals stays that code."""
    code = rng.choice(sound["code"].unique().sort().to_list())
    odd = rng.choice(
        ("\x1b[31mred", "a\nb", "nul\x00l", "日本", "a,b", "'\"", "x" * 5000, "None", "NaN", "ｱ́")
    )
    after = sound.with_columns(pl.col("code").replace(code, odd)).sort("date", "code")
    return f"the code {odd[:20]!r}", after, after


EDITS = (
    _drop,
    _rename,
    _repeat_column,
    _retype_number,
    _retype_key,
    _retype_key,
    _reorder,
    _repeat_rows,
    _cells,
    _cells,
    _keys,
    _columns,
    _files,
    _odd_codes,
)
