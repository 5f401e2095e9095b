"""Attack the program with inputs that are damaged, wrong or hostile, and print what each kind came to.

    python -m benchmarks.attacks                                  all of it: some ten minutes on 2 cores
    python -m benchmarks.attacks --only cache panel --share 0.1   a tenth of two kinds
    python -m benchmarks.attacks --only config --number 17        one attack again, with all that it said

clean: an error of one line under 300 characters. harmless: accepted, and the result equals the sound one bit by
bit. Everything else is a fault: an error that is not one short line or leaves files behind (untidy), a traceback,
another result without a word (silent), a dead process (crash), a time limit (hang), foreign code that ran
(executed). Ends with 1 where there is any. --results FILE keeps each result; the same command then goes on where it
was left.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from importlib import import_module
from pathlib import Path

from atft.process.progress import Progress
from benchmarks.attacks.verdict import BAD, GOOD, Result
from benchmarks.attacks.workers import attack_once, run_all

KINDS = ("cache", "panel", "checkpoint", "config", "hostile", "prices", "calendar")
MAX_SHOWN_FAULTS = 60
"""Faults that are printed; --results FILE has all."""


def module_of(kind: str) -> str:
    """The module of a kind: COUNT, LIMIT_SECONDS and ``prepare``."""
    return f"benchmarks.attacks.{kind}"


def table(results: dict[tuple[str, int], Result]) -> str:
    """The table of all kinds as text."""
    columns = ("tried", *GOOD, *BAD)
    lines = [f"{'kind':<12}" + "".join(f"{c:>11}" for c in columns)]
    for kind in [*KINDS, "all"]:
        counts = Counter(r.verdict for (k, _), r in results.items() if kind in (k, "all"))
        if counts:
            row = [counts.total(), *(counts[c] for c in columns[1:])]
            lines.append(f"{kind:<12}" + "".join(f"{n:>11,}" for n in row))
    return "\n".join(lines)


def read_results(path: Path, seed: int) -> dict[tuple[str, int], Result]:
    """What an earlier run of this seed has found, from a file of JSON lines."""
    lines = path.read_text().splitlines() if path.exists() else []
    rows = [json.loads(line) for line in lines]
    return {(kind, number): Result(*rest) for row_seed, kind, number, *rest in rows if row_seed == seed}


def main(arguments: list[str] | None = None) -> int:
    """Run the attacks that are left, print the table and the faults; 1 if there are any."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", default=list(KINDS), choices=KINDS, metavar="KIND")
    parser.add_argument("--share", type=float, default=1.0, help="of each kind's attacks")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--number", type=int, help="this attack alone, in this process")
    parser.add_argument("--results", type=Path, help="file of JSON lines to keep results in")
    args = parser.parse_args(arguments)
    if args.number is not None:
        return _single(args.only[0], args.seed, args.number)
    results = read_results(args.results, args.seed) if args.results else {}
    orders, asked = [], set()
    for kind in args.only:
        module = import_module(module_of(kind))
        numbers = range(max(1, round(module.COUNT * args.share)))
        asked |= {(kind, n) for n in numbers}
        orders += [(module_of(kind), n, module.LIMIT_SECONDS) for n in numbers if (kind, n) not in results]
    results = {place: result for place, result in results.items() if place in asked}
    began = time.monotonic()
    with Progress("attacks", total=len(orders)) as bar, tempfile.TemporaryDirectory() as folder:
        for module_name, number, result in run_all(orders, args.workers, args.seed, Path(folder)):
            kind = module_name.rpartition(".")[2]
            results[kind, number] = result
            if args.results:
                with args.results.open("a") as file:
                    file.write(json.dumps([args.seed, kind, number, *result]) + "\n")
            bar.advance()
    faults = sorted((place, result) for place, result in results.items() if result.verdict in BAD)
    for (kind, number), result in faults[:MAX_SHOWN_FAULTS]:
        print(f"{result.verdict}: {kind} --number {number}: {result.what}: {result.said[:300]}")
    print(table(results))
    minutes = (time.monotonic() - began) / 60
    print(
        f"{len(orders):,} attacks in {minutes:.1f} minutes, {args.workers} workers, seed {args.seed}; "
        f"{len(faults)} faults"
    )
    return 1 if faults else 0


def _single(kind: str, seed: int, number: int) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sound").mkdir()
        attack = import_module(module_of(kind)).prepare(folder / "sound")
        result = attack_once(attack, module_of(kind), seed, number, folder)
    print(f"{result.verdict}: {result.what}: {result.said}")
    return 1 if result.verdict in BAD else 0


if __name__ == "__main__":
    sys.exit(main())
