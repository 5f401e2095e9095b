"""Predict a training epoch on A100, H100 and H200 from what a step does, counted on the meta device; runs anywhere.

    python -m benchmarks.roofline                  configs/tokyo.yaml and configs/nasdaq.yaml at their loads
    python -m benchmarks.roofline --config tokyo   one of them

Of each step: operators that launch a kernel, bytes that they read and write, FLOP of the matrix products, and the
most that live tensors take, for several numbers of days a block. A step cannot be faster than its FLOP at the
published rate of dense bfloat16 products, or its bytes at the published bandwidth. Real kernels reach a part of
both, `RATE_SHARE` and `BANDWIDTH_SHARE`, and do not overlap much, so the two times are added; a CPU that launches
each operator by itself needs `LAUNCH_SECONDS` for each, and the slower of the two decides. Predictions, no
measurements: `python -m benchmarks.gpu_epoch` measures.
"""

import argparse
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from atft.batch import EDGE_FEATURES, DayBatch
from atft.callbacks.guards.non_finite import NonFiniteGuard
from atft.callbacks.guards.spike import SpikeGuard
from atft.data.graph import GraphOptions
from atft.data.loader import LoaderOptions
from atft.files.yaml_text import read_mapping
from atft.losses.options import ObjectiveOptions
from atft.nn.atft_gat_fan import ATFTGATFAN
from atft.tasks.ranking import RankingTask
from benchmarks.meta_run import META, Counting, Counts, train_on_meta
from benchmarks.reference_load import HORIZONS, LOADS, Load

CONFIGS = Path(__file__).parent.parent / "configs"
RATE_SHARE = 0.6
"""Of the published rate of products, which those of a few hundred units reach."""
BANDWIDTH_SHARE = 0.41
"""Of the published bandwidth: kernels of a step of tokyo took 46 ms for 57 GB on an H100 (encoder lstm), and 37 ms
for 70 GB on an H200 (scan)."""
LAUNCH_SECONDS = 30e-6
"""An operator of torch until its kernel is queued: a step of nasdaq took 181 ms for 6,120 of them there."""


class Device(NamedTuple):
    """Published figures of a GPU."""

    name: str
    tflops: float
    """Dense bfloat16."""
    gbps: float
    memory_gb: float


DEVICES = (
    Device("A100 80GB", 312, 2039, 80),
    Device("H100 80GB", 989, 3350, 80),
    Device("H200", 989, 4800, 141),
)


def loader_of(config: str) -> LoaderOptions:
    """The loader's options of a shipped config."""
    return LoaderOptions(**read_mapping(CONFIGS / f"{config}.yaml")["data"]["loader"])


def shipped_task(config: str, load: Load, **network: Any) -> RankingTask:
    """The task of a shipped config for the columns of a load."""
    model: Any = read_mapping(CONFIGS / f"{config}.yaml")["model"]
    return RankingTask(
        network=partial(ATFTGATFAN, **{**model["network"]["init_args"], **network}),
        objective=ObjectiveOptions(terms=model["objective"]["terms"], target=model["objective"]["target"]),
        horizons=HORIZONS,
        optimizer=partial(torch.optim.AdamW, foreach=True, **model["optimizer"]["init_args"]),
        features=list(load.feature_names),
        regimes=list(load.regime_names),
    )


def empty_block(load: Load, days: int, lookback: int, position: int, closes: bool) -> DayBatch:
    """A block of the load's shapes on the meta device."""
    stocks, span = load.stocks, lookback + days - 1
    neighbours = GraphOptions().width if load.graph else 0
    edges = neighbours * days * stocks

    def make(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        return torch.empty(shape, dtype=dtype, device=META)

    flag, whole = torch.bool, torch.int64
    return DayBatch(
        features=make(span, stocks, load.features),
        observed=make(span, stocks, dtype=flag),
        universe=make(days, stocks, dtype=flag),
        target=make(days, stocks, len(HORIZONS)),
        valid=make(days, stocks, len(HORIZONS), dtype=flag),
        edge_index=make(2, edges, dtype=whole),
        edge_attr=make(edges, len(EDGE_FEATURES)),
        stock=make(stocks, dtype=whole),
        day=make(days, dtype=whole),
        sector=make(days, stocks, dtype=whole),
        exposure=make(days, stocks, 0),
        regime=make(days, load.regimes),
        weight=make(days),
        closes_step=closes,
        position=position,
        max_neighbours=neighbours,
    )


class Step(NamedTuple):
    """What an optimiser step does."""

    stock_days: int
    blocks: int
    counts: Counts


@cache
def counted_step(
    config: str, load: Load, block_days: int | None = None, precision: str = "bf16-mixed"
) -> Step:
    """Count a step of a config: that of ``batch_size`` stock-days, in blocks of ``block_days`` (the config's).

    Where the loader joins the days of a step they are one block.
    """
    loader = loader_of(config)
    step_days = max(1, round(loader.batch_size / load.stocks))
    days = step_days if loader.joins_days else min(block_days or loader.block_days, step_days)
    blocks = max(1, round(loader.batch_size / (days * load.stocks)))

    def run(closing: Sequence[bool]) -> Counts:
        blocks = [empty_block(load, days, loader.lookback, i, last) for i, last in enumerate(closing)]
        mode, guards = Counting(), (NonFiniteGuard(), SpikeGuard())
        train_on_meta(shipped_task(config, load), blocks, precision, *guards, watch=mode)
        return mode.counts

    # The first step measures the terms' gradients and makes the optimiser's state; the second is like all others.
    closing = [i == blocks - 1 for i in range(blocks)]
    one, two = run(closing), run(2 * closing)
    difference = Counts(two.kernels - one.kernels, two.bytes - one.bytes, two.flop - one.flop, two.peak_bytes)
    difference.by_operator = two.by_operator - one.by_operator
    return Step(blocks * days * load.stocks, blocks, difference)


def flop_per_stock_day(config: str, load: Load) -> float:
    """Floating-point operations of the matrix products of a stock-day, forward and backward."""
    step = counted_step(config, load, 1)
    return step.counts.flop / step.stock_days


def predicted_seconds(step: Step, device: Device, graphs: bool) -> float:
    """Seconds of a step; with ``graphs`` the launches cost the CPU nothing."""
    work = step.counts.flop / (RATE_SHARE * device.tflops * 1e12)
    work += step.counts.bytes / (BANDWIDTH_SHARE * device.gbps * 1e9)
    return work if graphs else max(work, step.counts.kernels * LAUNCH_SECONDS)


def main(arguments: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", choices=sorted(LOADS), action="append", help="default: both")
    parser.add_argument("--block-days", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--operators", type=int, default=8, help="operators to list, by bytes")
    args = parser.parse_args(arguments)
    table: dict[str, float] = {}
    for config in args.config or sorted(LOADS, reverse=True):
        load = LOADS[config]
        print(f"{config}: {load.rows:,} stock-days, {load.stocks:,} a day, {load.features} features")
        for days in args.block_days[:1] if loader_of(config).joins_days else args.block_days:
            step = counted_step(config, load, days)
            if days > 1 and step.stock_days < days * load.stocks:
                continue  # more days than a step has
            counts, size = step.counts, step.stock_days
            days = size // (step.blocks * load.stocks)
            print(
                f"  blocks of {days}: {step.blocks} a step of {size:,} stock-days: {counts.kernels:,.0f} launches, "
                f"{counts.bytes / 1e9:.1f} GB, {counts.flop / 1e12:.2f} TFLOP ({counts.flop / size / 1e6:.0f} "
                f"MFLOP a stock-day), at most {counts.peak_bytes / 1e9:.1f} GB live"
            )
            key = f"{config}/{days}"
            table |= {f"{key}/launches": counts.kernels, f"{key}/gb": counts.bytes / 1e9}
            table |= {f"{key}/peak_gb": counts.peak_bytes / 1e9, f"{key}/mflop": counts.flop / size / 1e6}
            for device in DEVICES:
                whole, eager = (
                    load.rows / size * predicted_seconds(step, device, graphs) for graphs in (True, False)
                )
                share = load.rows * counts.flop / size / (whole * device.tflops * 1e12)
                print(
                    f"    {device.name:10} {whole:7.1f} s an epoch ({load.rows / whole:,.0f} stock-days/s, "
                    f"{share:.0%} of the published rate), {eager:.1f} s where each operator is launched by itself"
                )
                table |= {f"{key}/{device.name} s": whole, f"{key}/{device.name} launched s": eager}
        top = counted_step(config, load, args.block_days[-1]).counts.by_operator.most_common(args.operators)
        print("  bytes: " + ", ".join(f"{name} {moved / 1e9:.1f} GB" for name, moved in top))
    return table


def figures(budget_s: float) -> dict[str, float]:
    """The counts and predictions, for ``python -m benchmarks``."""
    return main([])


if __name__ == "__main__":
    main()
