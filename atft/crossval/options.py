"""What ``crossval`` and ``fit --seeds`` take beside the keys of a training run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from atft.commands.arguments import read_count, take_options
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
OPTION_NAMES = ("--seeds", "--workers", "--resume", "--warm_start")


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
    """Take the options out of the words of a command line; the others are those of ``fit``, in their order."""
    taken, words = take_options(arguments, *OPTION_NAMES, flag="--warm_start")
    own = dict(taken)
    if own.get("warm_start", "true") not in ("true", "false"):
        raise InputError(f"--warm_start takes true or false, got {clip(own['warm_start'], 40)!r}")
    return (
        CrossvalOptions(
            read_count("--seeds", own["seeds"]) if "seeds" in own else None,
            read_count("--workers", own.get("workers", "1")),
            own["warm_start"] == "true" if "warm_start" in own else None,
            Path(own["resume"]) if "resume" in own else None,
        ),
        words,
    )
