"""Small trainings on a quiet and on a busy machine: one thread and two, which sleep or spin while they wait.

    python benchmarks/shared_machine.py                a fit, two minutes
    python benchmarks/shared_machine.py --load wide    a fit of larger products, which uses two threads: 4 minutes
    python benchmarks/shared_machine.py --load sweep   its two workers; loader_workers: two read for a fit

Busy means that a process computes on each core beside the training. Prints the stock-days a second of the best of
the epochs after the first for each setting, and the default's share of the best.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from atft.process.cores import core_count

ROOT = Path(__file__).parent.parent
SETTINGS = {
    "default": None,
    "1 PASSIVE": (1, "PASSIVE"),
    "2 PASSIVE": (2, "PASSIVE"),
    "2 ACTIVE": (2, "ACTIVE"),
}
"""Threads and wait policy."""
STUDY, WORKERS, TRIALS = "quick", 2, 4
FIT = ("fit", "--config", "quickstart", "--baselines", "[]", "--trainer.max_epochs", "{epochs}")
LOADS = {
    "fit": FIT,
    "wide": (*FIT, "--model.network.init_args.hidden_size", "128", "--data.loader.block_days", "8"),
    "loader_workers": (*FIT, "--data.loader.num_workers", "2"),
    "sweep": (
        *("sweep", "--config", STUDY, "--workers", str(WORKERS), "--n-trials", str(TRIALS)),
        *("--set", "limits.epochs={epochs}", "--set", "pruner.name=none"),
    ),
}
"""Words of the command by the name of the load."""


@contextmanager
def busy_cores(count: int) -> Iterator[None]:
    """Run processes that compute all the time, as many as ``count``."""
    spin = "while True: sum(i * i for i in range(100_000))"
    processes = [subprocess.Popen([sys.executable, "-c", spin]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def rate(folder: Path, load: str, setting: tuple[int, str] | None, epochs: int) -> float:
    """Stock-days a second of a load with a setting, the best epoch after the first; of all workers of a sweep."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    words = [word.format(epochs=epochs) for word in LOADS[load]]
    if setting is not None:
        threads, environment["OMP_WAIT_POLICY"] = setting
        words += ["--threads", str(threads)]
    paths = os.pathsep.join(filter(None, (str(ROOT), environment.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "atft", *words],
        cwd=folder,
        env={**environment, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    study = folder / "lightning_logs" / STUDY
    logs = [path.read_text() for path in study.glob("trial_*/run.log")] or [done.stdout + done.stderr]
    shutil.rmtree(study, ignore_errors=True)
    rates = [
        [float(text.replace(",", "")) for text in re.findall(r"([\d,]+) stock-days/s", log)] for log in logs
    ]
    if done.returncode or min(map(len, rates)) < epochs:
        raise SystemExit(done.stderr.strip() or done.stdout)
    return statistics.median(max(of_run[1:]) for of_run in rates) * (WORKERS if load == "sweep" else 1)


def figures(budget_s: float, load: str = "fit", epochs: int = 2) -> dict[str, float]:
    """The rate of each setting, in stock-days a second, quiet and busy, and the default's share of the best.

    Args:
        budget_s: not used; eight fits take about two minutes, eight sweeps twelve.
        load: of `LOADS`.
        epochs: of each training; the first is not counted.
    """
    table: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rate(folder, load, (1, "PASSIVE"), 2)  # builds the cache
        for machine, count in (("quiet", 0), ("busy", core_count())):
            with busy_cores(count):
                rates = {label: rate(folder, load, setting, epochs) for label, setting in SETTINGS.items()}
            share = rates["default"] / max(rates.values())
            listed = "   ".join(f"{label} {value:,.0f}" for label, value in rates.items())
            print(f"{machine:6} {listed} stock-days/s   default {share:.2f} of the best", flush=True)
            table |= {f"{machine} {label} stock_days_per_second": value for label, value in rates.items()}
            table[f"{machine} default_share"] = share
    return table


def main(arguments: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--load", choices=LOADS, default="fit")
    parser.add_argument("--epochs", type=int, default=2)
    options = parser.parse_args(arguments)
    return figures(300.0, options.load, options.epochs)


if __name__ == "__main__":
    main()
