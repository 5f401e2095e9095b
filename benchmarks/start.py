"""Seconds until a command does something: its help, the first step of a fit, a day's scores from a checkpoint.

    python benchmarks/start.py

Trains the quickstart for an epoch in a temporary folder first, so that cache, bytecode and checkpoint exist. Each
figure is the fastest of ``--repeats`` processes, from the start of Python on. The imports of the first step are
then listed by package, as Python's ``-X importtime`` measures them, which is slower.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
FIT = ("fit", "--config", "quickstart", "--baselines", "[]")
STOP = ("--trainer.callbacks+", "benchmarks.first_step.FirstStep")
GOALS = {"help_seconds": 0.15, "first_step_seconds": 5.0, "day_seconds": 4.0}
PACKAGES = 8
"""Listed of those that are imported, the slowest first."""


def atft(
    folder: Path, *words: str, python: tuple[str, ...] = ()
) -> tuple[float, subprocess.CompletedProcess[str]]:
    """Run a command in a folder; when it began, and what it printed."""
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    began = time.time()
    done = subprocess.run(
        [sys.executable, *python, "-m", "atft", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: {done.stderr.strip()}")
    return began, done


def seconds_to_end(folder: Path, *words: str) -> float:
    """Seconds until a command has ended."""
    began, _ = atft(folder, *words)
    return time.time() - began


def seconds_to_first_step(folder: Path) -> float:
    """Seconds until a fit on a warm cache has made its first optimiser step."""
    began, done = atft(folder, *FIT, *STOP)
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("first step "))
    return float(line.removeprefix("first step ")) - began


def seconds_by_package(folder: Path) -> Counter[str]:
    """Seconds that the modules of each package took to import until the first step, those they import left out."""
    _, done = atft(folder, *FIT, *STOP, python=("-X", "importtime"))
    seconds: Counter[str] = Counter()
    for line in done.stderr.splitlines():
        micros, _, rest = line.removeprefix("import time:").partition("|")
        if line.startswith("import time:") and micros.strip().isdecimal():
            seconds[rest.partition("|")[2].strip().partition(".")[0]] += int(micros) / 1e6
    return seconds


def figures(budget_s: float, repeats: int = 3) -> dict[str, float]:
    """The three figures, in seconds.

    Args:
        budget_s: about the seconds to spend; one process of each kind is always timed.
        repeats: most processes of each kind.
    """
    ends = time.monotonic() + budget_s
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        atft(folder, *FIT, "--trainer.max_epochs", "1")
        run = folder / "lightning_logs" / "quickstart" / "version_0"
        day = ("predict", "--ckpt_path", str(run / "best_model.ckpt"), "--last")
        fastest: dict[str, float] = {}
        for _ in range(repeats):
            timed = {
                "help_seconds": seconds_to_end(folder, "--help"),
                "first_step_seconds": seconds_to_first_step(folder),
                "day_seconds": seconds_to_end(folder, *day),
            }
            fastest = {key: min(value, fastest.get(key, value)) for key, value in timed.items()}
            if time.monotonic() > ends:
                break
        for key, value in fastest.items():
            print(f"{key:20}{value:6.2f} s   (goal {GOALS[key]:g})")
        packages = seconds_by_package(folder)
    listed = ", ".join(f"{package} {seconds:.2f}" for package, seconds in packages.most_common(PACKAGES))
    print(f"imports until the first step, s: {listed}; all {packages.total():.2f}")
    return fastest


def main(arguments: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--budget", type=float, default=120.0, help="seconds")
    args = parser.parse_args(arguments)
    return figures(args.budget, args.repeats)


if __name__ == "__main__":
    main()
