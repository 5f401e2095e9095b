"""Append days to a panel and its cache, and compare with a build of all prices: bit for bit, and under kill -9.

    python -m benchmarks.append --prices ../shared/data/nasdaq_prices.parquet

Takes some stocks and days of a file of prices, builds panel and cache without the last ``--days`` trading days, and
appends those one by one; after each, panel, state and stored prices must be the files, and the cache the days and
graphs, of a build of the same prices. Then ``--kills`` processes that append are killed at a random moment; after
each the folder must be the former panel or the next one, and what ends well must again be the build of all prices.
"""

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl

from atft.data.build import CacheOptions, build_cache
from atft.data.cache import DayCache
from atft.data.graph import GraphOptions
from atft.features.append import append_prices
from atft.features.build import build_panel
from atft.features.options import FeatureOptions
from atft.files.panel_files import panel_files
from atft.panel import PanelSchema

OPTIONS = FeatureOptions(min_history_days=60, min_traded_value=1e5, min_close=1.0)
GRAPH = GraphOptions(k=3, window=20, min_observations=10, sector_k=2)
CHILD = "import sys; from benchmarks.append import append; print('ready', flush=True); append(*sys.argv[1:])"
APPENDED_DAYS = 3
"""Of `figures`."""
LAYOUT = ("files", "day_records", "graph_records")


def make_cache(panel: Path, folder: Path) -> DayCache:
    """The cache of a panel as it is now."""
    options = CacheOptions(dir=str(folder), rank=["x_*"])
    return DayCache(build_cache(panel, PanelSchema(), OPTIONS.horizons, options, GRAPH))


def append(panel: str, prices: str, caches: str) -> None:
    """What a killed process does: the new days to the panel, then to the cache."""
    append_prices(Path(panel), Path(prices))
    make_cache(Path(panel), Path(caches))


def figures(budget_s: float) -> dict[str, float]:
    """Seconds in which a day of 1,000 stocks of noise is appended to a panel of 420 days and its cache."""
    from benchmarks.price_noise import write_prices

    with tempfile.TemporaryDirectory() as place:
        prices, panel, caches = (Path(place) / name for name in ("prices.parquet", "panel", "caches"))
        write_prices(prices, 1000, 420 + APPENDED_DAYS)
        frame = pl.read_parquet(prices)
        dates = frame["date"].unique().sort()[-APPENDED_DAYS:]
        frame.filter(pl.col("date") < dates[0]).write_parquet(prices)
        build_panel(prices, panel, OPTIONS)
        make_cache(panel, caches)
        seconds = []
        for day in dates:
            frame.filter(pl.col("date") == day).write_parquet(prices)
            began = time.perf_counter()
            append(str(panel), str(prices), str(caches))
            seconds.append(time.perf_counter() - began)
    return {"day_seconds": median(seconds)}


def contents(folder: Path) -> dict[str, bytes]:
    """Bytes of the files of a panel that grows."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def differing(one: DayCache, two: DayCache) -> list[str]:
    """What differs between two caches, files and their order apart."""
    names = [f.name for f in fields(one.manifest) if f.name not in (*LAYOUT, "source", "digest", "sources")]
    differences = [name for name in names if getattr(one.manifest, name) != getattr(two.manifest, name)]
    stocks = np.arange(one.stocks)
    for day in range(len(one) if not differences else 0):
        a, b = one.day(day), two.day(day)
        pairs = [(getattr(a, f.name), getattr(b, f.name)) for f in fields(a)]
        pairs += zip(one.graph(day, stocks), two.graph(day, stocks), strict=True)
        if not all(np.array_equal(x, y, equal_nan=x.dtype.kind == "f") for x, y in pairs):
            differences.append(f"day {one.manifest.dates[day]}")
    return differences


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was compared; 1 where anything differed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prices", type=Path, required=True)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--stocks", type=int, default=60)
    parser.add_argument("--history", type=int, default=420, help="Trading days before the appended ones.")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    rng = random.Random(options.seed)
    frame = pl.read_parquet(options.prices)
    dates = frame["date"].unique().sort()
    start = rng.randrange(len(dates) - options.history - options.days)
    dates = dates[start : start + options.history + options.days]
    frame = frame.filter(pl.col("date").is_between(dates[0], dates[-1]))
    codes = sorted(frame["code"].unique().to_list())
    frame = frame.filter(pl.col("code").is_in(rng.sample(codes, min(options.stocks, len(codes)))))
    with tempfile.TemporaryDirectory() as place:
        faults = _days(frame, dates, Path(place), options.days) + _kills(
            frame, dates, Path(place), options, rng
        )
    print(f"faults: {faults}")
    return int(faults > 0)


def _days(frame: pl.DataFrame, dates: pl.Series, place: Path, days: int) -> int:
    panel, caches, prices, faults = place / "panel", place / "caches", place / "prices.parquet", 0
    frame.filter(pl.col("date") < dates[-days]).write_parquet(prices)
    build_panel(prices, panel, OPTIONS)
    shutil.copytree(panel, place / "base")
    make_cache(panel, caches)
    for number, day in enumerate(dates[-days:], 1):
        frame.filter(pl.col("date") == day).write_parquet(prices)
        started = time.perf_counter()
        append_prices(panel, prices)
        grown = make_cache(panel, caches)
        seconds = time.perf_counter() - started
        frame.filter(pl.col("date") <= day).write_parquet(prices)
        whole = place / "whole"
        build_panel(prices, whole, OPTIONS)
        same = contents(panel) == contents(whole)
        differences = differing(grown, make_cache(whole, place / "other"))
        faults += (not same) + bool(differences)
        panels = "same" if same else "DIFFERS"
        print(f"{number:3} {day}: {seconds:.1f} s, panel {panels}, cache {differences or 'same'}")
        shutil.rmtree(whole)
        shutil.rmtree(place / "other")
    return faults


def _kills(
    frame: pl.DataFrame, dates: pl.Series, place: Path, options: argparse.Namespace, rng: random.Random
) -> int:
    prices, killed, whole, faults, slowest = place / "new.parquet", 0, contents(place / "panel"), 0, 1.0
    frame.filter(pl.col("date") >= dates[-options.days]).write_parquet(prices)
    ends: dict[str, int] = {}
    while killed < options.kills:
        panel, caches = place / f"killed{killed}", place / "killed_caches"
        if not panel.exists():
            shutil.copytree(place / "base", panel)
        before = panel_files(panel)
        words = [sys.executable, "-c", CHILD, str(panel), str(prices), str(caches)]
        child = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL)
        assert child.stdout is not None
        child.stdout.readline()
        started = time.perf_counter()
        try:
            child.wait(rng.uniform(0, 1.1 * slowest))
            slowest = 0.5 * slowest + 0.5 * (time.perf_counter() - started)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            killed += 1
            slowest *= 1.03
        # The former panel or the next one: every listed file is there and readable.
        state = "former" if panel_files(panel) == before else "next"
        ends[state] = ends.get(state, 0) + 1
        for file in panel_files(panel):
            pl.scan_parquet(file).select(pl.len()).collect()
        append(str(panel), str(prices), str(caches))
        faults += contents(panel) != whole
        shutil.rmtree(panel)
        shutil.rmtree(caches)
    print(f"{killed} kills: {ends}; each appended afterwards, {faults} differ from a build of all prices")
    return faults


if __name__ == "__main__":
    sys.exit(main())
