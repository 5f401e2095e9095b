"""How the cost of training grows: with days, with stocks, and with processes.

    python benchmarks/scaling.py                        all three, in 4 minutes on 2 cores
    python benchmarks/scaling.py --only days            days, stocks or ranks

Days and stocks: seconds of a training day of 300 stocks, and of a stock-day of a market of up to 10,000 stocks,
each beside the smallest. Ranks: stock-days a second at the setting of `train.py`, of two processes of one thread
each, which divide the days of a step and average their gradients, and of one process of two threads. All in turn.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from atft.process.allocator import keep_freed_memory
from atft.process.threads import cap_threads

DAYS = (400, 1600)
STOCKS = (500, 2500, 10000)
SMALL = ("--features", "20", "--lookback", "20", "--hidden", "16")
WAYS = {"1 process, 1 thread": (1, 1), "1 process, 2 threads": (1, 2), "2 processes, 1 thread each": (2, 1)}
"""Name -> processes, threads of each."""
Way = TypeVar("Way")


def main(arguments: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=("days", "stocks", "ranks"))
    parser.add_argument("--turns", type=int, default=2, help="times that each is measured, in turn")
    args = parser.parse_args(arguments)
    parts = {"days": of_days, "stocks": of_stocks, "ranks": of_ranks}
    figures: dict[str, float] = {}
    for name, part in parts.items():
        if args.only in (None, name):
            figures |= part(args.turns)
    return figures


def figures(budget_s: float) -> dict[str, float]:
    """What fits into a budget of seconds, by name: ranks take most of it."""
    quick = of_days(2) | of_stocks(2)
    return quick if budget_s < 180 else quick | of_ranks(1)


def of_days(turns: int) -> dict[str, float]:
    """Print the cost of a day by the number of days of an epoch; the largest deviation from the first."""
    words = ("--stocks", "300", "--epochs", "2", *SMALL)
    rates = best_in_turn({days: ("--train-days", str(days), *words) for days in DAYS}, turns)
    costs = {days: rates[DAYS[0]] / rate for days, rate in rates.items()}
    for days, cost in costs.items():
        print(
            f"{days:6,} days: {1e3 * 300 / rates[days]:.2f} ms a day of 300 stocks, {cost:.3f} of the first"
        )
    return {"cost_of_a_day_by_days": max(costs.values(), key=lambda cost: abs(cost - 1))}


def of_stocks(turns: int) -> dict[str, float]:
    """Print the cost of a stock-day by the number of stocks; the largest over the smallest market's."""
    # Four days a step at each size, read together: a day that is larger than the step would be read in parts.
    words = ("--train-days", "24", "--epochs", "3", *SMALL)
    sizes = {n: ("--stocks", str(n), "--batch-size", str(4 * n), *words) for n in STOCKS}
    rates = best_in_turn(sizes, turns)
    for stocks, rate in rates.items():
        print(
            f"{stocks:6,} stocks: {1e6 / rate:.1f} us a stock-day, {rates[STOCKS[0]] / rate:.3f} of the first"
        )
    return {"cost_of_a_stock_day_by_stocks": max(rates[STOCKS[0]] / rate for rate in rates.values())}


def of_ranks(turns: int) -> dict[str, float]:
    """Print stock-days a second of processes against threads; the ratio of two of one to one of two."""
    ways = {way: ("--threads", str(n), "--devices", str(processes)) for way, (processes, n) in WAYS.items()}
    best = best_in_turn(ways, turns)
    for way, rate in best.items():
        print(f"{way:28}{rate:8,.0f} stock-days/s")
    alone, threads, processes = best.values()
    return {"processes_over_threads": processes / threads, "processes_over_one_thread": processes / alone}


def best_in_turn(ways: Mapping[Way, Sequence[str]], turns: int) -> dict[Way, float]:
    """Best rate of each way; each is measured once in a turn, so that a slow minute of the machine tells on all."""
    rates = [{way: best_rate(*words) for way, words in ways.items()} for _ in range(turns)]
    return {way: max(of[way] for of in rates) for way in ways}


def best_rate(*words: str) -> float:
    """Stock-days a second of the best epoch after the first, of a run in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--run", folder, *words]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def run(arguments: list[str]) -> None:
    """Train, and print the rate: what `best_rate` starts, and Lightning for a second process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", type=Path)
    for name, value in {
        "stocks": 1300,
        "features": 32,
        "lookback": 60,
        "hidden": 64,
        "train-days": 24,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    # Blocks of 4 days: a step has one for each of two processes.
    loader = {"epochs": 3, "batch-size": 8192, "block-days": 4}
    for name, value in {**loader, "threads": 1, "devices": 1}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    args = parser.parse_args(arguments)
    args.graph, args.precision = False, "32-true"
    cap_threads(args.threads)
    import torch

    from benchmarks.train import build_run

    cli = build_run(args, args.run, args.epochs, ["--trainer.devices", str(args.devices)])
    torch.set_num_threads(args.threads)  # also where `RunTrainer` divides the cores
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    rates = [epoch["speed/stock_days_per_second"] for epoch in cli.record.history[1:]]
    if cli.trainer.is_global_zero:
        print(max(rates))


if __name__ == "__main__":
    keep_freed_memory()
    run(sys.argv[1:]) if sys.argv[1:2] == ["--run"] else main(sys.argv[1:])
