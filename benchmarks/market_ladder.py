"""The ladder on a real market: what each model, part and blend reaches on the development folds, beside LightGBM.

    python -m benchmarks.market_ladder --data.panel.path panels/nasdaq.parquet --seeds 3
    python -m benchmarks.market_ladder --only ridge LightGBM --data.panel.path panels/nasdaq.parquet
    python -m benchmarks.market_ladder --table_only --ladder mine.yaml --folds 3 4

Rungs are a YAML file (`benchmarks/market_ladder.yaml`, whose head says what a rung may be): networks, ridge,
LightGBM, predictions files of any origin, the mean rank of others, a ridge on their ranks. Networks are trained by
``crossval`` and baselines by ``baseline``, whose commands are printed. What is there is not made again: after an
interruption the next call goes on.

Prints three tables (RankIC by horizon, paired differences to the reference, differences by fold), and writes
``ladder.txt``, ``ladder.csv``, ``ladder.json`` and ``ladder.svg`` into ``--out``. Further keys go to all trained
rungs.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import atft
from atft.errors import InputError
from atft.process.threads import cap_threads

RUNGS = Path(__file__).with_suffix(".yaml")


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--ladder", type=Path, default=RUNGS, help="YAML file of the rungs")
    parser.add_argument("--out", type=Path, default=Path("benchmark_ladder"), help="folder of all files")
    parser.add_argument("--seeds", type=int, help="of each rung; by default as the file says")
    parser.add_argument("--workers", type=int, default=1, help="trainings at a time")
    parser.add_argument("--threads", type=int, help="cap of each numerical pool")
    parser.add_argument("--only", nargs="+", default=[], help="names of rungs; their members come with them")
    parser.add_argument("--folds", type=int, nargs="+", default=[], help="numbers of the folds to measure")
    parser.add_argument("--table_only", action="store_true", help="train nothing, measure what is there")
    parser.add_argument("--title", help="of the picture")
    options, options.keys = parser.parse_known_args(arguments)
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Make what is missing, measure all rungs, print and write; 1 where a rung could not be made."""
    options = read_options(arguments)
    try:
        return climb(options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def climb(options: argparse.Namespace) -> int:
    """Make every rung that can be made, then the tables of those that are there."""
    from benchmarks.ladder_figures import figures_text, ladder_figures
    from benchmarks.ladder_rungs import Maker, made_rungs, read_ladder
    from benchmarks.ladder_scores import ladder_days

    if options.threads is not None:
        cap_threads(options.threads)
    ladder = read_ladder(options.ladder, options.seeds).only(options.only)
    maker = Maker(options.out, options.workers, options.threads, tuple(options.keys))
    missing = dict(made_rungs(maker, ladder, train=not options.table_only))
    for name, reason in missing.items():
        print(f"rung {name!r} is left out: {reason}")
    if ladder.reference in missing:
        raise InputError(f"the reference {ladder.reference!r} is not there: {missing[ladder.reference]}")
    there = [name for name in ladder.rungs if name not in missing]
    ladder = ladder.only(there)
    parts = {name: maker.parts(rung) for name, rung in ladder.rungs.items() if not rung.members}
    days = ladder_days(ladder, parts, options.folds)
    figures = ladder_figures(ladder, days)
    text = figures_text(figures, ladder, days)
    print(f"\n{text}")
    write_ladder(options, ladder, days, figures, text)
    return 1 if missing and not options.table_only else 0


def write_ladder(options: argparse.Namespace, ladder: Any, days: Any, figures: Any, text: str) -> None:
    """Write the text, the figures as CSV and JSON, and the picture."""
    from atft.callbacks.record.receipt import code_digest
    from atft.files.publish import publish_json, publish_text
    from benchmarks.ladder_figures import figures_csv
    from benchmarks.ladder_picture import ladder_picture

    options.out.mkdir(parents=True, exist_ok=True)
    first, last = str(days.dates[0]), str(days.dates[-1])
    publish_text(options.out / "ladder.txt", text + "\n")
    publish_text(options.out / "ladder.csv", figures_csv(figures))
    commit = subprocess.run(
        ["git", "-C", str(RUNGS.parent), "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    content = {
        "version": atft.__version__,
        "commit": commit,
        "code": code_digest(),
        "ladder": str(options.ladder),
        "keys": options.keys,
        "reference": ladder.reference,
        "mean": list(ladder.mean),
        "first": first,
        "last": last,
        "stocks_a_day": days.stocks,
        "rungs": {
            name: {
                key: str(value) if isinstance(value, Path) else value for key, value in asdict(rung).items()
            }
            for name, rung in ladder.rungs.items()
        },
        "weights": days.weights,
        "figures": [asdict(figure) for figure in figures],
    }
    publish_json(options.out / "ladder.json", content)
    title = options.title or f"Test days {first} to {last}, {days.stocks:,.0f} stocks a day"
    publish_text(options.out / "ladder.svg", ladder_picture(figures, ladder, title))
    print(f"\nladder.txt, .csv, .json and .svg in {options.out}")


if __name__ == "__main__":
    sys.exit(main())
