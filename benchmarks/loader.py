"""Blocks of days from a cache, beside a plain copy of the same bytes, in process and with workers.

    python -m benchmarks.loader                          8 days of 4,000 stocks, 112 features, 60 days of lookback
    python -m benchmarks.loader --stocks 10000 --days 2

Makes a cache of noise whose blocks are read again and again, in turn with a copy of a block's features into memory
that is in use already, by as many threads: what the loader cannot do without. With workers a block's time is that
of a pass divided by its blocks, while this process only waits, in turn with copies by a thread for each worker
that has a core. Memory is what the resident size grows by when twice as many days have been read.
"""

import argparse
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

from atft.process.allocator import keep_freed_memory
from atft.process.cores import core_count
from atft.process.threads import cap_threads, pool_threads

PASSES = 5
WARM_PASSES = 3


def figures(budget_s: float) -> dict[str, float]:
    """Milliseconds of a block of 8 days, and how many times a copy of its bytes that is."""
    options = make_parser().parse_args(
        ["--blocks", "4" if budget_s < 30 else "8", "--threads", str(pool_threads())]
    )
    with tempfile.TemporaryDirectory() as folder:
        return measure_in_turn(options, Path(folder))


def measure_in_turn(options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Build the cache, then time it in a process that has built none."""
    from benchmarks.cache import write_panel

    panel = folder / "panel.parquet"
    days = options.lookback - 1 + options.days * options.blocks
    write_panel(panel, days, options.stocks, options.stocks, options.features)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        1, spawn, max_tasks_per_child=1
    ) as pool:  # a pool's workers may have none themselves
        pool.submit(build, panel, folder / "caches").result()
        return pool.submit(measure, options, folder / "caches").result()


def build(panel: Path, folder: Path) -> None:
    """Build a float32 cache without graph."""
    from atft.data.build import CacheOptions, build_cache
    from atft.panel import PanelSchema
    from benchmarks.cache import HORIZONS

    build_cache(panel, PanelSchema(), HORIZONS, CacheOptions(dir=str(folder), rank=[], dtype="float32"), None)


def measure(options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Time blocks in this process and with workers, beside copies of them in turn."""
    import torch

    from atft.data.block_plan import BlockSampler
    from atft.data.blocks import DayBlocks
    from atft.data.cache import DayCache
    from atft.data.loader import BlockLoader

    torch.set_num_threads(options.threads)
    (path,) = folder.glob("[0-9a-f]*-*")
    cache = DayCache(path)
    days = range(options.lookback - 1, len(cache))
    blocks = DayBlocks(cache, options.lookback)
    rows = options.days * options.stocks

    def sampler(days: range) -> BlockSampler:
        return BlockSampler(list(days), cache.manifest.universe_rows, options.days, rows, shuffle=False)

    plan = sampler(days).plan()
    half = read_all(blocks, plan[: max(1, len(plan) // 2)])  # the first pass checks digests
    whole = read_all(blocks, plan)
    features = blocks[plan[0]].features.clone()
    target = torch.zeros_like(features)
    seconds: dict[str, list[float]] = {"block": [], "copy": [], "worker block": [], "worker copy": []}
    for number in range(PASSES * len(plan)):
        seconds["block"].append(seconds_of(lambda number=number: blocks[plan[number % len(plan)]]))
        seconds["copy"].append(seconds_of(lambda: target.copy_(features)))
    if options.workers:
        torch.set_num_threads(min(options.workers, core_count()))
        loader = BlockLoader(blocks, sampler(days), options.workers)
        for _ in range(WARM_PASSES):  # start the workers, and let them map the shared memory
            read_pass(loader)
        for _ in range(PASSES):
            seconds["worker block"].append(seconds_of(lambda: read_pass(loader)) / len(plan))
            seconds["worker copy"] += [seconds_of(lambda: target.copy_(features)) for _ in plan]
    block, copy, *of_workers = (median(values) for values in seconds.values() if values)
    result = {
        "block_ms": 1e3 * block,
        "copy_ms": 1e3 * copy,
        "times_a_copy": block / copy,
        "gb_per_second": 1e-9 * features.nbytes / block,
        "memory_growth_mb": whole - half,
    }
    if of_workers:
        block, copy = of_workers
        result |= {
            "worker_block_ms": 1e3 * block,
            "worker_copy_ms": 1e3 * copy,
            "workers_times_a_copy": block / copy,
        }
    return result


def read_pass(loader: Any) -> None:
    """Receive the blocks of a pass."""
    for _ in loader:
        pass


def read_all(blocks: Any, plan: Any) -> float:
    """Read all blocks once; the resident size afterwards without mapped files, MB."""
    for block in plan:
        blocks[block]
    status = Path("/proc/self/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in status if line.startswith("RssAnon")) / 1e3


def seconds_of(step: Any) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    result = step()
    seconds = time.perf_counter() - began
    del result
    return seconds


def make_parser() -> argparse.ArgumentParser:
    """The arguments, with their defaults."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stocks", type=int, default=4000)
    parser.add_argument("--features", type=int, default=112)
    parser.add_argument("--lookback", type=int, default=60)
    parser.add_argument("--days", type=int, default=8, help="of a block")
    parser.add_argument("--blocks", type=int, default=8, help="in the cache")
    parser.add_argument("--workers", type=int, default=2, help="0: only in this process")
    parser.add_argument("--threads", type=int, default=2)
    return parser


def main(arguments: list[str] | None = None) -> None:
    """Print the figures."""
    options = make_parser().parse_args(arguments)
    cap_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        result = measure_in_turn(options, Path(folder))
    for name, value in result.items():
        print(f"{name:24}{value:10,.2f}")


if __name__ == "__main__":
    keep_freed_memory()
    main()
