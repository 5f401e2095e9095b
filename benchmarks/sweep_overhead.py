"""What a sweep costs beyond its training: seconds a trial, and memory that a worker never gives back.

    python benchmarks/sweep_overhead.py                    30 trials of 2 short epochs, one process, sqlite
    python benchmarks/sweep_overhead.py --profile          and where the time goes

Trains nothing but the trials of a study, one after another, as a worker does. A trial's training is its fit, as
its receipt counts it, with the checkpoints that every run writes. All else is overhead: asking for a point,
building model and data, the study's files, the database. Ends with 1 where a bound does not hold.
"""

import argparse
import gc
import statistics
import sys
import tempfile
import time
from pathlib import Path

from atft.process.threads import cap_threads

MOST_SECONDS, MOST_MEGABYTES = 0.3, 1.0
WARM_UP = 5
"""Trials after which libraries are loaded and allocators have their size."""

BASE = """
seed_everything: 1
trainer: {accelerator: cpu}
model:
  horizons: [1, 5]
  network: {class_path: atft.nn.atft_gat_fan.ATFTGATFAN, init_args: {hidden_size: 16, gat_layers: 1}}
  objective: {terms: {huber: 0.1, ic: 0.3, rank_ic: 0.5, sharpe: 0.1}}
  optimizer: {class_path: torch.optim.AdamW, init_args: {lr: 3.0e-3}}
data:
  panel: {simulate: {stocks: 60, days: 200, features: 20, seed: 1}}
  split:
    train: ["2015-01-01", "2015-06-30"]
    val: ["2015-07-01", "2015-09-30"]
    embargo_days: 2
  cache: {dir: %s}
  graph: {k: 3, window: 20, min_observations: 10, refresh_days: 5, sector_k: 0}
  loader: {lookback: 8, block_days: 4, batch_size: 480}
"""


def figures(budget_s: float) -> dict[str, float]:
    """Seconds of a trial beyond its training, and megabytes of memory that each leaves."""
    args = make_parser().parse_args(["--trials", str(max(4, min(30, int(budget_s / 1.5))))])
    with tempfile.TemporaryDirectory() as folder:
        seconds, megabytes = measure(args, Path(folder))
    return {"trial_seconds": seconds, "trial_mb": megabytes}


def make_parser() -> argparse.ArgumentParser:
    """The arguments, with their defaults."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--profile", action="store_true", help="print the functions that take longest")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the trials; 1 where a bound does not hold."""
    args = make_parser().parse_args(arguments)
    cap_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        seconds, megabytes = measure(args, Path(folder))
    passed = seconds <= MOST_SECONDS and megabytes <= MOST_MEGABYTES
    print(
        f"{args.trials} trials: {seconds:.3f} s a trial beyond its training (bound {MOST_SECONDS}), "
        f"{megabytes:+.2f} MB of resident memory a trial (bound {MOST_MEGABYTES:.0f}): "
        f"{'passed' if passed else 'FAILED'}"
    )
    return 0 if passed else 1


def measure(args: argparse.Namespace, folder: Path) -> tuple[float, float]:
    """Run the sweep; median overhead of a trial in seconds, and growth of memory in megabytes a trial."""
    import cProfile

    import optuna

    from atft.callbacks.record.receipt import read_receipt
    from atft.search.question.frozen import identify
    from atft.search.question.options import sweep_of
    from atft.search.study.files import publish_study_files
    from atft.search.study.study import begin_study
    from atft.search.trial.run import run_trial

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    base = folder / "base.yaml"
    base.write_text(BASE % (folder / "cache"))
    sweep = sweep_of(
        {
            "study": "overhead",
            "base": str(base),
            "root": str(folder / "logs"),
            "n_trials": args.trials,
            "limits": {"epochs": args.epochs},
            "space": {
                "model.optimizer.init_args.lr": {"type": "float", "low": 1e-4, "high": 1e-2, "log": True},
                "model.network.init_args.gat_dropout": {"type": "float", "low": 0.1, "high": 0.4},
            },
            "pruner": {"name": "none"},
        }
    )
    study = begin_study(sweep, identify(sweep))
    root = Path(sweep.root) / sweep.study

    def objective(trial: optuna.Trial) -> float:
        return run_trial(sweep, trial, [], lambda: False)

    overhead, memory = [], []
    profile = cProfile.Profile()
    for number in range(args.trials):
        if args.profile and number == WARM_UP:
            profile.enable()
        began = time.perf_counter()
        study.optimize(objective, n_trials=1)
        publish_study_files(study, sweep)
        took = time.perf_counter() - began
        trained = read_receipt(root / f"trial_{number}").seconds["total"]
        overhead.append(took - trained)
        gc.collect()
        memory.append(resident_megabytes())
        print(
            f"trial {number:>3}: {took:.3f} s, {trained:.3f} s of it training, {memory[-1]:.1f} MB resident"
        )
    if args.profile:
        import pstats

        profile.disable()
        pstats.Stats(profile).sort_stats("cumulative").print_stats(60)
    after = memory[min(WARM_UP, len(memory) - 1) :]
    return statistics.median(overhead[1:] or overhead), slope(after)


def resident_megabytes() -> float:
    """Memory of this process that lies in RAM."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    import resource

    return pages * resource.getpagesize() / 1e6


def slope(values: list[float]) -> float:
    """Growth from one value to the next, by least squares; 0 for fewer than two."""
    if len(values) < 2:
        return 0.0
    return statistics.linear_regression(range(len(values)), values).slope


if __name__ == "__main__":
    sys.exit(main())
