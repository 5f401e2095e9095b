"""Build a cache of a market of the reference size and print what it costs.

    python benchmarks/cache.py                      # 2,200 days x 4,050 stocks a day, 112 features: some 4 minutes
    python benchmarks/cache.py --days 300           # a quick look

Writes a Parquet panel of noise (once; kept in --folder), builds the cache ranked and raw, with the graph
after it, each in a process of its own so that the peak memory is its own, then times the assembly of blocks.
"""

import argparse
import resource
import shutil
import time
from datetime import date, timedelta
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

HORIZONS = [1, 5, 10, 20]


def write_panel(path: Path, days: int, stocks: int, listed: int, features: int) -> None:
    """Write ``days`` x ``stocks`` rows of noise; the stocks of a day drift through ``listed`` codes."""
    rng = np.random.default_rng(0)
    codes = np.array([f"{i:04d}" for i in range(listed)])
    names = [f"x_{i:03d}" for i in range(features)]
    labels = [n for h in HORIZONS for n in (f"target_{h}d", f"target_{h}d_lag1")]
    writer: pq.ParquetWriter | None = None
    for day in range(days):
        first = (listed - stocks) * day // max(days - 1, 1)
        columns = {
            "date": pa.array([date(2015, 1, 5) + timedelta(days=day)] * stocks, pa.date32()),
            "code": pa.array(codes[first : first + stocks]),
            "sector": pa.array([f"s{i % 33}" for i in range(first, first + stocks)]),
            "universe": pa.array(rng.random(stocks) < 0.98),
        }
        for name in [*names, "exposure_size", *labels, "return_1d"]:
            size = np.float32(0.02 if name in labels or name == "return_1d" else 1.0)
            columns[name] = pa.array(size * rng.standard_normal(stocks, dtype=np.float32))
        columns["regime_volatility"] = pa.array(np.full(stocks, rng.random(), dtype=np.float32))
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(
            path, table.schema, compression="zstd", use_dictionary=["code", "sector"]
        )
        writer.write_table(table)
    assert writer is not None
    writer.close()


def figures(budget_s: float) -> dict[str, float]:
    """Rows a second of a ranked float16 cache of 4,050 stocks and 112 features, and its peak memory in GB."""
    days = max(40, min(1000, int(4 * budget_s)))
    with TemporaryDirectory() as place, get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        panel, folder = Path(place) / "panel.parquet", Path(place) / "caches"
        write_panel(panel, days, 4050, 4484, 112)
        seconds, gigabytes = pool.apply(build, (panel, folder, ["x_*"], "float16", False))
    return {"rows_per_second": days * 4050 / seconds, "peak_gb": gigabytes}


def build(panel: Path, folder: Path, rank: list[str], dtype: str, with_graph: bool) -> tuple[float, float]:
    """Build one cache; print and return seconds, and peak resident memory of this process in GB."""
    from atft.data.build import CacheOptions, build_cache
    from atft.data.cache import DayCache, cache_lines
    from atft.data.graph import GraphOptions
    from atft.panel import PanelSchema

    start = time.perf_counter()
    options = CacheOptions(dir=str(folder), rank=rank, dtype="float16" if dtype == "float16" else "float32")
    path = build_cache(panel, PanelSchema(), HORIZONS, options, GraphOptions() if with_graph else None)
    seconds = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_SELF)
    peak, cpu = used.ru_maxrss / 2**20, used.ru_utime + used.ru_stime
    what = f"{'rank' if rank else 'raw'} {dtype}{' + graph' if with_graph else ''}"
    print(
        f"{what:24s} {seconds:7.1f} s ({cpu:.0f} s of CPU)   peak {peak:5.2f} GiB   "
        f"{cache_lines(DayCache(path))[-1]}",
        flush=True,
    )
    return seconds, peak * 1.073741824


def read(folder: Path, lookback: int, stocks: int) -> None:
    """Time the assembly of blocks of 4 days of the newest cache, after a first pass that maps them."""
    from atft.data.block_plan import BlockSampler
    from atft.data.blocks import DayBlocks
    from atft.data.cache import DayCache

    for path in sorted(folder.glob("[0-9a-f]*-*")):
        cache = DayCache(path)
        last = len(cache)
        days = range(max(lookback - 1, last - 40), last)
        blocks = DayBlocks(cache, lookback)
        plan = BlockSampler(list(days), cache.manifest.universe_rows, 4, 4 * stocks, shuffle=False).plan()
        for _ in range(2):
            start = time.process_time()  # the machine may be shared
            for block in plan:
                batch = blocks[block]
            seconds = (time.process_time() - start) / len(plan)
        shape, edges = list(batch.features.shape), batch.edge_index.shape[1]
        print(f"{path.name}: block {shape} in {1e3 * seconds:.1f} ms, {edges} edges", flush=True)


def main(arguments: list[str] | None = None) -> None:
    """Run every case in turn."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("/tmp/atft-benchmark-cache"))
    parser.add_argument("--days", type=int, default=2200)
    parser.add_argument("--stocks", type=int, default=4050, help="rows of a day")
    parser.add_argument("--listed", type=int, default=4484, help="codes in all")
    parser.add_argument("--features", type=int, default=112)
    parser.add_argument("--lookback", type=int, default=60)
    parser.add_argument("--cases", nargs="*", default=["rank", "raw", "graph"])
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    panel = options.folder / f"panel-{options.days}-{options.stocks}-{options.features}.parquet"
    if not panel.exists():
        start = time.perf_counter()
        write_panel(panel, options.days, options.stocks, options.listed, options.features)
        print(
            f"wrote {panel}: {panel.stat().st_size / 1e9:.2f} GB in {time.perf_counter() - start:.0f} s",
            flush=True,
        )
    spawn = get_context("spawn")
    caches = options.folder / "caches"
    shutil.rmtree(caches, ignore_errors=True)
    cases = {
        "rank": (["x_*"], "float16", False),
        "raw": ([], "float32", False),
        "graph": ([], "float32", True),
    }
    for case in options.cases:
        rank, dtype, graph = cases[case]
        # A fresh process: its peak memory is this build's. "graph" after "raw" pays for the graph alone.
        process = spawn.Process(target=build, args=(panel, caches, rank, dtype, graph))
        process.start()
        process.join()
    reader = spawn.Process(target=read, args=(caches, options.lookback, options.stocks))
    reader.start()
    reader.join()
    shutil.rmtree(caches, ignore_errors=True)


if __name__ == "__main__":
    main()
