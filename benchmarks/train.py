"""Training throughput end to end: cache, loader, network, loss, backward, optimiser, as `fit` runs them.

    python benchmarks/train.py                          32 features, lookback 60, hidden 64, 1,300 stocks, no graph
    python benchmarks/train.py --graph --hidden 32      another setting

Prints stock-days a second over the epochs after the first (which warms up caches and the allocator), and the
share of the time spent waiting for data; then, of a second run, what all monitors together add to a step, steps
with and without them in turn. Figures are drawn after a validation and are no part of a step.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from atft.process.allocator import keep_freed_memory
from atft.process.threads import cap_threads

COMPARED_STEPS = 36
"""Optimiser steps an epoch of the run that compares monitors."""


def figures(budget_s: float, precision: str = "32-true") -> dict[str, float]:
    """Stock-days a second of training and its loader, without validation, and the share waiting for data.

    With what the matrix products of a stock-day need, counted on the meta device, also GFLOP/s. Medians of the
    epochs after the first, which last ``budget_s`` or one epoch.
    """
    from statistics import median

    import lightning.pytorch as pl

    class StopAfter(pl.Callback):
        """Stops at an epoch's end when the seconds since the first epoch's end are over."""

        ends: list[float] = []  # noqa: RUF012 (one run a process)

        def on_train_epoch_end(self, trainer: pl.Trainer, *_: Any) -> None:
            self.ends.append(time.perf_counter())
            trainer.should_stop = len(self.ends) > 1 and self.ends[-1] - self.ends[0] > budget_s

    # The blocks at an epoch's ends are shorter than the others: few of those of a run of years.
    words = ["--train-days", "96" if budget_s > 60 else "48", "--precision", precision]
    args = make_parser().parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        cli = build_run(args, Path(folder), epochs=1000)
        cli.trainer.callbacks.append(StopAfter())
        cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    epochs = cli.record.history[1:]
    rate = median(epoch["speed/stock_days_per_second"] for epoch in epochs)
    return {
        "stock_days_per_second": rate,
        "gflop_per_second": 1e-9 * rate * flop_per_stock_day(args),
        "waiting_percent": 100 * median(epoch["speed/waiting_share"] for epoch in epochs),
    }


def flop_per_stock_day(args: argparse.Namespace) -> float:
    """Operations of the matrix products of a stock-day, forward and backward."""
    from benchmarks.meta_run import Counting, train_on_meta
    from benchmarks.reference_load import Load
    from benchmarks.roofline import empty_block, shipped_task

    load = Load(args.train_days, args.stocks, args.stocks, args.features, graph=False)
    counted = []
    for steps in (1, 2):  # the first step measures more than the others
        blocks = [empty_block(load, args.block_days, args.lookback, i, True) for i in range(steps)]
        with Counting() as mode:
            task = shipped_task("quickstart", load, hidden_size=args.hidden, graph="none")
            train_on_meta(task, blocks, "32-true")
        counted.append(mode.counts.flop)
    return (counted[1] - counted[0]) / (args.block_days * args.stocks)


def make_parser() -> argparse.ArgumentParser:
    """The arguments, with their defaults."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stocks", type=int, default=1300)
    parser.add_argument("--features", type=int, default=32)
    parser.add_argument("--lookback", type=int, default=60)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--train-days", type=int, default=24, help="training days an epoch")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=10_000)
    parser.add_argument(
        "--block-days", type=int, default=8, help="most days of a block; more share more history"
    )
    parser.add_argument("--precision", choices=("32-true", "bf16-mixed"), default="32-true")
    parser.add_argument("--graph", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--turns", type=int, default=8, help="steps of each rare kind of monitoring; 0: not compared"
    )
    return parser


def main(arguments: list[str] | None = None) -> float:
    """Train, print the figures, and return stock-days a second."""
    args = make_parser().parse_args(arguments)
    cap_threads(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        rate, waiting = measure(args, Path(folder))
        print(
            f"{args.features} features, lookback {args.lookback}, hidden {args.hidden}, {args.stocks} stocks, "
            f"graph {'on' if args.graph else 'off'}, {args.threads} threads: "
            f"{rate:,.0f} stock-days/s, {waiting:.1%} of the time waiting for data"
        )
        if args.turns:
            compare_monitors(args, Path(folder))
    return rate


def compare_monitors(args: argparse.Namespace, folder: Path) -> None:
    """Print what monitors add to a step, by what they do in it and in all."""
    from benchmarks.alternating_steps import AlternatingSteps

    steps = AlternatingSteps(args.turns)
    # Steps at an epoch's ends are not compared, so its epochs are longer.
    days = max(args.train_days, COMPARED_STEPS * (args.batch_size // args.stocks))
    cli = build_run(argparse.Namespace(**{**vars(args), "train_days": days}), folder, epochs=1000)
    cli.trainer.callbacks.insert(0, steps)
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    cost = steps.cost()
    print(f"a step without monitors {1e3 * cost.step:.1f} ms; with them")
    for kind, seconds in cost.added.items():
        often = f"every {cost.every[kind]} steps" if kind in cost.every else "every step"
        print(f"  {kind:10}{1e3 * seconds:+8.1f} ms  {often}")
    print(f"monitors together: {cost.share:+.2%} ± {cost.error / cost.step:.2%} of the step time")


def measure(args: argparse.Namespace, folder: Path) -> tuple[float, float]:
    """Train in process and return stock-days a second and the share of time spent waiting for data."""
    cli = build_run(args, folder, args.epochs)
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    receipt = cli.record.receipt
    seconds = receipt.seconds["per_epoch"][1:]
    waiting = receipt.seconds["waiting_for_data"] / sum(receipt.seconds["per_epoch"])
    return receipt.rows["train"].seen * len(seconds) / sum(seconds), waiting


def build_run(args: argparse.Namespace, folder: Path, epochs: int, words: Sequence[str] = ()) -> Any:
    """Make trainer, model and data of the setting, as `fit` makes them; ``words`` are further ones of ``fit``."""
    from atft.commands.train import build
    from atft.market.options import MarketOptions
    from atft.market.simulate import simulate_market

    history, gap = args.lookback - 1, 12
    days = history + args.train_days + gap + 8
    options = MarketOptions(stocks=args.stocks, days=days, features=args.features)
    dates = [d.isoformat() for d in simulate_market(options).dates]
    first, last = history, history + args.train_days + 5
    return build(
        "fit",
        [
            *("--config", str(Path(__file__).parent.parent / "configs" / "quickstart.yaml")),
            *(
                "--early_stopping.patience",
                str(epochs),
                "--name",
                "throughput",
                "--trainer.default_root_dir",
                str(folder),
            ),
            *("--trainer.max_epochs", str(epochs), "--trainer.limit_val_batches", "2"),
            *("--data.panel.simulate.stocks", str(args.stocks), "--data.panel.simulate.days", str(days)),
            *("--data.panel.simulate.features", str(args.features)),
            *(
                "--data.loader.lookback",
                str(args.lookback),
                "--data.loader.batch_size",
                str(args.batch_size),
            ),
            *("--data.loader.block_days", str(args.block_days)),
            *("--trainer.precision", args.precision),
            *("--data.split.train", json.dumps([dates[first], dates[last]])),
            *("--data.split.val", json.dumps([dates[last + 1], dates[-1]]), "--data.split.test", "null"),
            *("--data.split.embargo_days", "0", "--data.cache.dir", str(folder / "cache")),
            *("--model.network.hidden_size", str(args.hidden)),
            *("--model.network.graph", "gat" if args.graph else "none"),
            *(() if args.graph else ("--data.graph", "null")),
            *words,
        ],
    )


if __name__ == "__main__":
    keep_freed_memory()  # as `fit` does
    main(sys.argv[1:])
