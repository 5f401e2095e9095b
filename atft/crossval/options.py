"""What ``crossval`` and ``fit --seeds`` take beside the keys of a training run."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from atft.commands.arguments import read_count
from atft.errors import InputError, clip

HELP = """\
usage: python -m atft crossval [--config FILE ...] [options] [--any.key VALUE ...]

Run fit for every fold of data.split.folds and every seed, each in a process of its own, and join the test days of
all folds into one out-of-sample predictions.parquet. All of it is in lightning_logs/<name>_crossval/version_N.

options
  --seeds N          seeds of each fold: seed_everything and the N - 1 numbers after it; default 1
  --workers N        runs at a time; default 1
  --threads N        most threads of all runs together; default: the cores
  --warm_start       each fold starts from the weights of the fold before it with the same seed; walk_forward only
  --resume DIR       continue in this directory: finished runs stay, interrupted ones resume, failed ones restart
  --config, --any.key and --debug as in fit: python -m atft fit --help

examples
  python -m atft crossval --config mine.yaml --data.split.folds.every 252 --seeds 3 --workers 2
      walk forward: a new training every 252 trading days, with three seeds
  python -m atft crossval --resume lightning_logs/mine_crossval/version_0
      continue after an interruption; --seeds 5 adds seeds
  python -m atft fit --config mine.yaml --seeds 5
      five seeds of the plain split: predictions.parquet has the mean of their ranks
"""


@dataclass(frozen=True)
class CrossvalOptions:
    """Options of the command.

    Args:
        seeds: of each fold; None for those of the directory that is resumed, else 1.
        workers: runs at a time.
        warm_start: whether each fold starts from the weights of the fold before it; None as for ``seeds``, else no.
        resume: directory to resume; None makes a new one.
    """

    seeds: int | None = None
    workers: int = 1
    warm_start: bool | None = None
    resume: Path | None = None


def split_arguments(arguments: Sequence[str]) -> tuple[CrossvalOptions, list[str]]:
    """Take the options out of the words of a command line; the others are those of ``fit``, in their order.

    Raises:
        InputError: a value that an option does not take.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    add_crossval_arguments(parser)
    options, words = parser.parse_known_args(list(arguments))
    if options.warm_start not in (None, "true", "false"):
        raise InputError(f"--warm_start takes true or false, got {clip(options.warm_start, 40)!r}")
    return (
        CrossvalOptions(
            None if options.seeds is None else read_count("--seeds", options.seeds),
            1 if options.workers is None else read_count("--workers", options.workers),
            None if options.warm_start is None else options.warm_start == "true",
            None if options.resume is None else Path(options.resume),
        ),
        words,
    )


def add_crossval_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options to a parser, as text."""
    for name in ("--seeds", "--workers", "--resume"):
        parser.add_argument(name)
    parser.add_argument("--warm_start", nargs="?", const="true")
