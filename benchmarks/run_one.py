"""Run one benchmark in a process of its own: its threads, its memory, its peak are its own.

`measured` starts ``python -m benchmarks.run_one NAME SECONDS THREADS FILE`` and reads FILE. What a benchmark prints
is kept for the message of one that fails.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from atft.errors import InputError
from atft.process.threads import cap_threads

ROOT = Path(__file__).parent.parent
SPARE_SECONDS = 120.0
"""Start, and data that must be made whatever the budget; three budgets and this are the limit."""


def measured(name: str, budget_s: float, threads: int) -> dict[str, Any]:
    """``figures`` of a benchmark and the ``seconds`` that it took; ``not_run``, one line, where there are none."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        file, printed = Path(folder) / "figures.json", Path(folder) / "printed"
        command = [sys.executable, "-m", "benchmarks.run_one", name, str(budget_s), str(threads), str(file)]
        limit = 3 * budget_s + SPARE_SECONDS
        with printed.open("w") as output:
            process = subprocess.Popen(
                command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
            try:
                status = process.wait(limit)
            except subprocess.TimeoutExpired:
                return {"not_run": f"not over after {limit:.0f} s"}
            finally:
                with suppress(ProcessLookupError):  # it and all its children have ended
                    os.killpg(process.pid, signal.SIGKILL)  # also where the user interrupts
                process.wait()
        if status == 0 and file.exists():
            return json.loads(file.read_text()) | {"seconds": round(time.perf_counter() - began, 1)}
        lines = printed.read_text(errors="replace").strip().splitlines() or ["nothing printed"]
        return {"not_run": f"ended with {status}: {' '.join(lines[-1].split())[:160]}"}


def run(name: str, budget_s: float) -> dict[str, Any]:
    """The figures of a benchmark, in this process, or why there are none here."""
    try:
        return {"figures": import_module(f"benchmarks.{name}").figures(budget_s)}
    except InputError as error:
        return {"not_run": str(error)}
    except ModuleNotFoundError as error:
        return {"not_run": f"{error.name} is not installed"}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", help="module of benchmarks/ with figures(budget_s)")
    parser.add_argument("seconds", type=float, help="that it should take")
    parser.add_argument("threads", type=int, help="cap of each numerical pool")
    parser.add_argument("file", type=Path, help="JSON file to write")
    options = parser.parse_args()
    cap_threads(options.threads)
    options.file.write_text(json.dumps(run(options.name, options.seconds)))
