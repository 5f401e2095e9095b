"""`sweep.py status`: one screen that says where a sweep stands; the exit code says it to a script.

Reads what `overview` gathers, every few seconds with ``--watch``. Nothing heavy is imported: the answer comes in
a second, whatever the trials do.
"""

import argparse
import time
from datetime import timedelta
from pathlib import Path
from shutil import which
from subprocess import run as call
from typing import TYPE_CHECKING

from atft.search.show.overview import Overview, RunningTrial, overview

if TYPE_CHECKING:
    from rich.console import RenderableType

EXIT_CODES = {"done": 0, "failed": 1, "running": 3, "paused": 4}
"""What the command's exit code means; 2 is an input that was refused, as everywhere."""

DESCRIPTION = """\
Show trials by state, running trials, the best so far and what is left to do.

exit code: 0 done, 1 done without one complete trial, 3 running, 4 paused (nobody works at it), 2 refused input
"""


def run(arguments: list[str]) -> int:
    """Print where a sweep stands, once or again and again.

    Args:
        arguments: what follows ``sweep.py status``.

    Raises:
        InputError: there is no such sweep or study.
    """
    parser = argparse.ArgumentParser(
        "sweep.py status", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True, type=Path, help="the sweep, for instance hpo/quick.yaml")
    parser.add_argument("--storage", help="URL of the storage, in place of the sweep's")
    parser.add_argument("--watch", type=float, metavar="SECONDS", help="show it again every so many seconds")
    given = parser.parse_args(arguments)
    from rich.console import Console
    from rich.live import Live

    from atft.search.question.options import read_sweep
    from atft.search.study.study import open_study

    changes = {"storage": given.storage} if given.storage else {}
    sweep = read_sweep(given.config, changes)
    study = open_study(sweep, create=False)
    console = Console(highlight=False)
    seen = overview(study, sweep)
    if given.watch is None:
        console.print(render(seen))
        return EXIT_CODES[seen.state]
    with Live(render(seen), console=console, auto_refresh=False) as live:
        while seen.state == "running" or seen.state == "paused":
            time.sleep(max(given.watch, 0.2))
            seen = overview(study, sweep)
            live.update(render(seen), refresh=True)
    return EXIT_CODES[seen.state]


def render(seen: Overview) -> "RenderableType":
    """Lay one screen out: a headline, the running trials, the best, the failures, the machine."""
    from rich.console import Group

    parts: list[RenderableType] = [_headline(seen)]
    if seen.running:
        parts.append(_running_table(seen.running, seen.metric))
    parts.append(_best(seen))
    if seen.failures:
        counts = ", ".join(f"{n} {kind}" for kind, n in sorted(seen.failures.items()))
        parts.append(f"failures by class: {counts} (reasons: {seen.directory}/all_trials.json)")
    parts.append(_machine(seen.running))
    return Group(*parts)


def _headline(seen: Overview) -> str:
    others = "  ".join(f"{name} {count}" for name, count in sorted(seen.states.items()) if count)
    left = f", about {_duration(seen.seconds_left)} left" if seen.seconds_left else ""
    done = f"{seen.finished} of {seen.n_trials} trials finished"
    return f"study {seen.study}: {seen.state}, {done}{left}   ({others})"


def _running_table(trials: list[RunningTrial], metric: str) -> "RenderableType":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE, pad_edge=False)
    # Short heads: the table fits a terminal of 80 columns.
    short = metric.rpartition("/")[2]
    for name in ("trial", "process", "activity", "epoch", short, "ep/min", "left", "heard"):
        table.add_column(name, justify="left" if name in ("process", "activity") else "right")
    for trial in trials:
        table.add_row(
            str(trial.number),
            f"{trial.host}:{trial.pid}",
            trial.activity if trial.alive else f"{trial.activity}, silent",
            f"{trial.epoch:.1f}/{trial.epochs}" if trial.epochs else "-",
            "-" if trial.metric is None else f"{trial.metric:+.4f}",
            "-" if trial.epochs_per_minute is None else f"{trial.epochs_per_minute:.1f}",
            "-" if trial.seconds_left is None else _duration(trial.seconds_left),
            f"{trial.silent_seconds:.0f} s ago",
        )
    return table


def _best(seen: Overview) -> str:
    if seen.best_value is None:
        ended = seen.states.get("pruned", 0) + seen.states.get("failed", 0)
        return "no trial has completed yet" if seen.state != "failed" else f"none of {ended} trials completed"
    lines = [f"best {seen.metric} {seen.best_value:+.4f}, trial {seen.best_number}"]
    if seen.deflated is not None:
        lines[0] += (
            f"; {seen.deflated.expected:+.4f} after taking off what the best of {seen.finished} gains by luck alone"
        )
    for key, value in seen.best_params.items():
        lines.append(f"  {key}: {value:.6g}" if isinstance(value, float) else f"  {key}: {value}")
    return "\n".join(lines)


def _machine(trials: list[RunningTrial]) -> str:
    """Memory of the trials' processes on this machine, memory left on it, and its GPUs."""
    resident = sum(kilobytes(Path(f"/proc/{t.pid}/status"), "VmRSS") for t in trials if t.pid)
    available = kilobytes(Path("/proc/meminfo"), "MemAvailable")
    parts = [f"memory: trials here {resident / 1e6:.1f} GB, available {available / 1e6:.1f} GB"]
    if which("nvidia-smi"):
        query = [
            "nvidia-smi",
            "--query-gpu=utilization.gpu,memory.used,memory.total",
            "--format=csv,noheader",
        ]
        told = (
            call(query, capture_output=True, text=True, timeout=10, check=False).stdout.strip().splitlines()
        )
        parts += [f"GPU {i}: {line}" for i, line in enumerate(told)]
    return "; ".join(parts)


def kilobytes(table: Path, key: str) -> int:
    """Read one line of a table of the kernel's, ``VmRSS:  123 kB``; 0 where there is none."""
    try:
        lines = table.read_text(encoding="utf-8").splitlines()
    except OSError:  # the process has gone, or this is no Linux
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{key}:")), 0)


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
