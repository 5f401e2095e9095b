"""One small market written in the layouts of vendors, each from its public description."""

import gzip
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

CODES = ("AAPL", "BRK-B", "MSFT")
FIELDS = ("Open", "High", "Low", "Close", "Volume")


def weekdays(count: int) -> list[date]:
    """Weekdays from March 2015 on."""
    return [d for i in range(2 * count) if (d := date(2015, 3, 2) + timedelta(days=i)).weekday() < 5][:count]


def market(days: int = 40, codes: tuple[str, ...] = CODES) -> pl.DataFrame:
    """Rows sorted by (date, code) with prices of two decimals, so that text and Parquet hold the same numbers."""
    rng = np.random.default_rng(7)
    calendar = weekdays(days)
    close = np.round(50 * np.exp(np.cumsum(0.02 * rng.standard_normal((days, len(codes))), axis=0)), 2)
    opened = np.round(close * (1 + 0.005 * rng.standard_normal(close.shape)), 2)
    rows = {
        "date": np.repeat(np.array(calendar, dtype="datetime64[D]"), len(codes)),
        "code": list(codes) * days,
        "open": opened.ravel(),
        "high": np.round(np.maximum(opened, close) + 0.5, 2).ravel(),
        "low": np.round(np.minimum(opened, close) - 0.5, 2).ravel(),
        "close": close.ravel(),
        "volume": np.round(1e6 * np.exp(0.3 * rng.standard_normal(close.size))),
    }
    return pl.DataFrame(rows)


def _capital(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.rename({name: name.capitalize() for name in frame.columns})


def _pairs(frame: pl.DataFrame, folder: Path, ticker_first: bool, named: bool = True) -> Path:
    """`yf.download(...).to_csv()`: two rows of column names, and one for the name of the index."""
    pairs = [(field, code) for field in FIELDS for code in CODES]
    pairs += [("Dividends", code) for code in CODES]
    if ticker_first:
        pairs.sort(key=lambda pair: pair[1])
    wide = frame.pivot("code", index="date", values=[f.lower() for f in FIELDS]).sort("date")
    columns = [
        wide["date"],
        *(
            wide[f"{field.lower()}_{code}"] if field in FIELDS else pl.zeros(wide.height, eager=True)
            for field, code in pairs
        ),
    ]
    firsts = [code if ticker_first else field for field, code in pairs]
    seconds = [field if ticker_first else code for field, code in pairs]
    names = ("Ticker", "Price") if ticker_first else ("Price", "Ticker")
    lines = [
        [names[0] if named else "", *firsts],
        [names[1] if named else "", *seconds],
        ["Date"] + [""] * len(pairs),
    ]
    lines += [[str(cell) for cell in row] for row in zip(*columns, strict=True)]
    (folder / "prices.csv").write_text("\n".join(",".join(line) for line in lines) + "\n")
    return folder / "prices.csv"


def _each(frame: pl.DataFrame, folder: Path, write: Callable[[pl.DataFrame, str], None]) -> Path:
    for (code,), rows in frame.group_by("code", maintain_order=True):
        write(rows.drop("code"), str(code))
    return folder


def plain(frame: pl.DataFrame, folder: Path) -> Path:
    frame.write_csv(folder / "prices.csv")
    return folder / "prices.csv"


def plain_gzip(frame: pl.DataFrame, folder: Path) -> Path:
    (folder / "prices.csv.gz").write_bytes(gzip.compress(frame.write_csv(separator=";").encode()))
    return folder / "prices.csv.gz"


def glob_of_months(frame: pl.DataFrame, folder: Path) -> Path:
    months = frame.with_columns(month=pl.col("date").dt.month())
    for (month,), rows in months.group_by("month"):
        rows.drop("month").write_parquet(folder / f"prices-{month:02d}.parquet")
    return folder / "prices-*.parquet"


def yfinance_long(frame: pl.DataFrame, folder: Path) -> Path:
    stacked = _capital(frame).rename({"Code": "Ticker"}).with_columns(pl.col("Close").alias("Adj Close"))
    stacked.write_csv(folder / "prices.csv")
    return folder / "prices.csv"


def yfinance_price_ticker(frame: pl.DataFrame, folder: Path) -> Path:
    return _pairs(frame, folder, ticker_first=False)


def yfinance_ticker_price(frame: pl.DataFrame, folder: Path) -> Path:
    return _pairs(frame, folder, ticker_first=True)


def yfinance_unnamed(frame: pl.DataFrame, folder: Path) -> Path:
    return _pairs(frame, folder, ticker_first=False, named=False)


def yfinance_parquet(frame: pl.DataFrame, folder: Path) -> Path:
    """A frame of two levels of columns as pandas writes it."""
    wide = frame.pivot("code", index="date", values=[f.lower() for f in FIELDS]).sort("date")
    pairs = {f"{f.lower()}_{code}": str((f, code)) for f in FIELDS for code in CODES}
    wide.rename(pairs).select(*pairs.values(), pl.col("date").alias("Date")).write_parquet(
        folder / "p.parquet"
    )
    return folder / "p.parquet"


def yfinance_files(frame: pl.DataFrame, folder: Path) -> Path:
    """`Ticker(...).history(auto_adjust=False).to_csv()`: dates with the offsets of winter and summer."""

    def write(rows: pl.DataFrame, code: str) -> None:
        stamp = pl.col("Date").cast(pl.Datetime).dt.replace_time_zone("America/New_York")
        table = _capital(rows).with_columns(
            stamp.dt.to_string("%Y-%m-%d %H:%M:%S%:z"),
            pl.col("Close").alias("Adj Close"),
            pl.lit(0.0).alias("Dividends"),
            pl.lit(0.0).alias("Stock Splits"),
        )
        table.write_csv(folder / f"{code}.csv")

    return _each(frame, folder, write)


def stooq(frame: pl.DataFrame, folder: Path) -> Path:
    """Its archive: folders of text files, some of them empty."""
    (folder / "nyse").mkdir()
    (folder / "nyse" / "never.us.txt").write_text("")

    def write(rows: pl.DataFrame, code: str) -> None:
        table = rows.select(
            pl.lit(f"{code}.US").alias("<TICKER>"),
            pl.lit("D").alias("<PER>"),
            pl.col("date").dt.to_string("%Y%m%d").alias("<DATE>"),
            pl.lit("000000").alias("<TIME>"),
            *(pl.col(f.lower()).alias(f"<{f.upper()}>") for f in FIELDS[:4]),
            pl.col("volume").alias("<VOL>"),
            pl.lit(0).alias("<OPENINT>"),
        )
        table.write_csv(folder / "nyse" / f"{code.lower()}.us.txt")

    return _each(frame, folder, write)


def tiingo(frame: pl.DataFrame, folder: Path) -> Path:
    def write(rows: pl.DataFrame, code: str) -> None:
        raw = [(pl.col(f.lower()) * 2).alias(f.lower()) for f in ("Close", "High", "Low", "Open", "Volume")]
        adjusted = [pl.col(f.lower()).alias(f"adj{f}") for f in ("Close", "High", "Low", "Open", "Volume")]
        stamp = pl.col("date").dt.to_string("%Y-%m-%dT00:00:00.000Z")
        table = rows.select(stamp, *raw, *adjusted, divCash=pl.lit(0.0), splitFactor=pl.lit(1.0))
        table.write_csv(folder / f"{code}.csv")

    return _each(frame, folder, write)


def j_quants(frame: pl.DataFrame, folder: Path) -> Path:
    raw = [(pl.col(f.lower()) * 2).alias(f) for f in FIELDS]
    adjusted = [pl.col(f.lower()).alias(f"Adjustment{f}") for f in FIELDS]
    table = frame.select(
        pl.col("date").alias("Date"),
        pl.col("code").alias("Code"),
        *raw,
        pl.lit(1.0).alias("AdjustmentFactor"),
        *adjusted,
    )
    table.write_parquet(folder / "prices.parquet")
    return folder / "prices.parquet"


def j_quants_short(frame: pl.DataFrame, folder: Path) -> Path:
    """Version 2 of its interface."""
    short = {"Open": "O", "High": "H", "Low": "L", "Close": "C", "Volume": "Vo"}
    raw = [(pl.col(f.lower()) * 2).alias(name) for f, name in short.items()]
    adjusted = [pl.col(f.lower()).alias(f"Adj{name}") for f, name in short.items()]
    table = frame.select(
        pl.col("date").dt.to_string("%Y%m%d").cast(pl.Int64).alias("Date"),
        pl.col("code").alias("Code"),
        *raw,
        pl.lit(1.0).alias("AdjFactor"),
        *adjusted,
    )
    table.write_csv(folder / "prices.csv")
    return folder / "prices.csv"


def qlib(frame: pl.DataFrame, folder: Path) -> Path:
    """`D.features(...)` with its index as columns."""
    table = frame.select(
        pl.col("code").alias("instrument"),
        pl.col("date").cast(pl.Datetime("ns")).alias("datetime"),
        *(pl.col(f.lower()).alias(f"${f.lower()}") for f in FIELDS),
        pl.lit(1.0).alias("$factor"),
    )
    table.write_parquet(folder / "prices.parquet")
    return folder / "prices.parquet"


def a_file_a_price(frame: pl.DataFrame, folder: Path) -> Path:
    for field in FIELDS:
        wide = frame.pivot("code", index="date", values=field.lower()).sort("date")
        wide.rename({"date": "Date"}).write_csv(folder / f"{field}.csv")
    return folder


def closes(frame: pl.DataFrame, folder: Path) -> Path:
    wide = frame.pivot("code", index="date", values="close").sort("date").rename({"date": ""})
    wide.write_csv(folder / "prices.csv")
    return folder / "prices.csv"


FULL: dict[str, tuple[str, Callable[[pl.DataFrame, Path], Path]]] = {
    "plain": ("daily bars", plain),
    "gzip and semicolons": ("daily bars", plain_gzip),
    "a glob": ("daily bars, 2 files", glob_of_months),
    "yfinance, stacked": ("yfinance; code = Ticker", yfinance_long),
    "yfinance, prices over tickers": ("yfinance, two header rows; 3 codes", yfinance_price_ticker),
    "yfinance, tickers over prices": ("yfinance, two header rows; 3 codes", yfinance_ticker_price),
    "yfinance, two rows without names": ("yfinance, two header rows; 3 codes", yfinance_unnamed),
    "yfinance, Parquet of two levels": ("yfinance, two header rows; 3 codes", yfinance_parquet),
    "yfinance, a file a ticker": ("yfinance, 3 files;", yfinance_files),
    "Stooq": ("Stooq, 3 files (1 more without rows); date = <DATE>, code = <TICKER>", stooq),
    "Tiingo": ("Tiingo, 3 files; open = adjOpen", tiingo),
    "J-Quants": ("J-Quants; open = AdjustmentOpen", j_quants),
    "J-Quants, short names": ("J-Quants; open = AdjO, high = AdjH", j_quants_short),
    "Qlib": ("Qlib; date = datetime, code = instrument", qlib),
    "a wide table a price": ("wide table, 5 files; 3 codes", a_file_a_price),
}
"""Layout -> how its line begins, and what writes it; each has the whole bar."""
