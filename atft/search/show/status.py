"""`atft sweep status`: one screen that shows the state of a sweep; the exit code says it to a script.

Reads what `overview` gathers, every few seconds with ``--watch``. Nothing heavy is imported: the answer comes in
a second, however busy the trials are.
"""

import time
from pathlib import Path
from shutil import which
from subprocess import run as call

import optuna
from rich import box
from rich.console import Group
from rich.live import Live
from rich.table import Table

from atft.errors import InputError
from atft.process.console import plain_console
from atft.process.progress import duration
from atft.search.question.options import SweepOptions
from atft.search.show.arguments import sweep_arguments
from atft.search.show.overview import Overview, RunningTrial, overview
from atft.search.study.at_work import is_at_work
from atft.search.study.storage import NoStudy, storage_errors
from atft.search.study.study import open_study

EXIT_CODES = {"done": 0, "failed": 1, "running": 3, "paused": 4}
"""What the command's exit code means; 2 is invalid input, as everywhere."""

DESCRIPTION = """\
Show trials by outcome, the running ones, the best so far and what is left to do.

Exit status: 0 done, 1 done without a complete trial, or the database does not answer, 2 invalid input, 3 running,
4 paused (no process works on it)
"""


def run(arguments: list[str]) -> int:
    """Print the state of a sweep, once or repeatedly."""
    options, sweep = sweep_arguments("status", DESCRIPTION, arguments)
    if options.watch is not None and not 0 < options.watch < float("inf"):
        raise InputError(f"--watch takes a number of seconds above 0, got {options.watch:g}")
    with storage_errors(sweep):
        while True:
            try:
                return show(open_study(sweep), sweep, options.watch)
            except NoStudy:
                if not is_at_work(sweep.directory):
                    raise
            plain_console().print(f"study {sweep.study}: running, its start checks it before the first trial")
            if options.watch is None:
                return EXIT_CODES["running"]
            time.sleep(options.watch)


def show(study: optuna.Study, sweep: SweepOptions, watch: float | None) -> int:
    """Print the state once, or every ``watch`` seconds until the sweep has ended; its exit code."""
    console = plain_console()
    now = overview(study, sweep)
    if watch is None:
        console.print(render(now, sweep))
        return EXIT_CODES[now.state]
    with Live(render(now, sweep), console=console, auto_refresh=False) as live:
        while now.state in ("running", "paused"):
            time.sleep(max(watch, 0.2))
            now = overview(study, sweep)
            live.update(render(now, sweep), refresh=True)
    return EXIT_CODES[now.state]


def render(now: Overview, sweep: SweepOptions) -> Group:
    """Lay one screen out: a headline, the best, the failures; while trials run also these, and the machine."""
    headline, *lines = now.lines(sweep)
    if not now.running:
        return Group(headline, *lines)
    return Group(headline, _running_table(now.running, sweep.metric), *lines, _machine(now.running))


def _running_table(trials: list[RunningTrial], metric: str) -> Table:
    # Short heads: the table fits a terminal of 80 columns.
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    heads = ("trial", "process", "activity", "epoch", metric.rpartition("/")[2], "ep/min", "left")
    for name in (*heads, "last update"):
        table.add_column(name, justify="left" if name in ("process", "activity") else "right")
    for trial in trials:
        table.add_row(
            str(trial.number),
            f"{trial.host}:{trial.pid}",
            trial.activity if trial.alive else f"{trial.activity}, silent",
            f"{trial.epoch:.1f}/{trial.epochs}" if trial.epochs else "-",
            "-" if trial.metric is None else f"{trial.metric:+.4f}",
            "-" if trial.epochs_per_minute is None else f"{trial.epochs_per_minute:.1f}",
            "-" if trial.seconds_left is None else duration(trial.seconds_left),
            f"{trial.silent_seconds:.0f} s",
        )
    return table


def _machine(trials: list[RunningTrial]) -> str:
    """Memory of the trials' processes on this machine, memory left on it, and its GPUs."""
    resident = sum(kilobytes(Path(f"/proc/{t.pid}/status"), "VmRSS") for t in trials if t.here)
    available = kilobytes(Path("/proc/meminfo"), "MemAvailable")
    parts = [f"memory: trials here {resident / 1e6:.1f} GB, available {available / 1e6:.1f} GB"]
    if which("nvidia-smi"):
        query = "nvidia-smi --query-gpu=utilization.gpu,memory.used,memory.total --format=csv,noheader"
        answer = call(query.split(), capture_output=True, text=True, timeout=10, check=False).stdout
        parts += [f"GPU {i}: {line}" for i, line in enumerate(answer.strip().splitlines())]
    return "; ".join(parts)


def kilobytes(table: Path, key: str) -> int:
    """Read one line of a file in /proc, ``VmRSS:  123 kB``; 0 where there is none."""
    try:
        lines = table.read_text(encoding="utf-8").splitlines()
    except OSError:  # the process has gone, or this is no Linux
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{key}:")), 0)
