"""Run the speed benchmarks one after another, beside what this machine can do at most.

    python -m benchmarks                                    all that can run here, in about ten minutes
    python -m benchmarks --only train network --budget 2m   some of them
    python -m benchmarks --out docs/speed.json              also as a file
    python -m benchmarks --readme docs/speed.json           README's table of such a file; --page: docs/speed.md's

Each runs in a process of its own, with its share of the budget. The last column is the share of the limit or of the
goal that is reached. What cannot run here is one line that says why.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from atft.errors import InputError, one_line
from atft.files.publish import publish_text
from atft.process.allocator import keep_freed_memory
from atft.process.cores import core_count
from atft.process.threads import cap_threads
from benchmarks.run_one import measured
from benchmarks.speed_rows import BENCHMARKS, MACHINE
from benchmarks.speed_table import aligned, machine_line, markdown

FORMAT = 1
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def seconds_of(text: str) -> float:
    """Seconds of 90, 90s, 10m or 1.5h.

    Raises:
        argparse.ArgumentTypeError: it is none of these, or not above 0.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if match is None or float(match[1]) <= 0:
        raise argparse.ArgumentTypeError(f"takes a time such as 90s, 10m or 1h, got {text!r:.40}")
    return float(match[1]) * UNITS[match[2] or "s"]


def run_all(
    names: list[str],
    budget_s: float,
    measure: Callable[[str, float], dict[str, Any]],
    show: Callable[[str], None],
) -> dict[str, dict[str, Any]]:
    """Results of the machine's limits and of the named benchmarks; each has its share of the budget."""
    asked = {name: BENCHMARKS[name] for name in BENCHMARKS if name == MACHINE or name in names}
    results = {}
    for name, share in asked.items():
        budget = budget_s * share / sum(asked.values())
        show(f"{name}: {budget:.0f} s")
        results[name] = measure(name, budget)
    return results


def read_results(path: Path) -> dict[str, Any]:
    """What an earlier run wrote.

    Raises:
        InputError: the file is absent or no such file.
    """
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable as JSON ({one_line(error)})") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path}: not a file of `python -m benchmarks --out`, or one of another version")
    return content


def main(arguments: list[str] | None = None) -> int:
    """Measure and print the table, or print that of a file; 2 where an argument is wrong."""
    words = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--budget", type=seconds_of, default=600.0, metavar="TIME", help="of all; 10m")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS), metavar="NAME")
    parser.add_argument("--threads", type=int, default=core_count(), help="of each benchmark; all cores")
    parser.add_argument("--out", type=Path, help="JSON file to write the figures to")
    parser.add_argument(
        "--readme", type=Path, metavar="FILE", help="print README's table of a file, run nothing"
    )
    parser.add_argument("--page", type=Path, metavar="FILE", help="the same for docs/speed.md: all rows")
    options = parser.parse_args(words)
    stored = options.readme or options.page
    if stored is not None:
        try:
            print(markdown(read_results(stored), readme=options.readme is not None))
        except InputError as error:
            print(f"benchmarks: error: {error}", file=sys.stderr)
            return 2
        return 0
    cap_threads(options.threads)
    from benchmarks.machine import describe

    machine = describe()
    print(machine_line(machine))

    def measure(name: str, budget_s: float) -> dict[str, Any]:
        return measured(name, budget_s, options.threads)

    def show(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    results = run_all(options.only, options.budget, measure, show)
    print(aligned(results))
    if options.out:
        content = {
            "format": FORMAT,
            "command": " ".join(["python -m benchmarks", *words]),
            "date": date.today().isoformat(),
            "machine": machine,
            "results": results,
        }
        publish_text(options.out, json.dumps(content, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    keep_freed_memory()
    sys.exit(main())
