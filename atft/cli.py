"""The dispatcher: which command, how many threads, and how an error looks.

Only the standard library is imported before the command is known, so that help costs milliseconds; torch,
Lightning and Polars cost seconds and are imported by the commands that need them, after the thread caps.
"""

import argparse
import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from atft.commands.arguments import check_outputs, take_options, with_home
from atft.commands.from_prices import COMMANDS as FROM_PRICES
from atft.commands.key_help import COMMANDS as KEYED
from atft.commands.key_help import ONE_DAY, short_help
from atft.errors import InputError, RunFailed, clip, nearest, printable
from atft.files.publish import BROKEN, FULL
from atft.process.cores import core_count
from atft.process.deferred_imports import defer_imports
from atft.process.lasting_streams import outlast_readers
from atft.process.launched import first_of_machine
from atft.process.termination import exit_status, how_stopped, terminable
from atft.process.threads import cap_threads

USAGE = """\
usage: python -m atft COMMAND [--config FILE ...] [--any.key VALUE ...]

Rank a day's stocks with ATFT-GAT-FAN.
"""

FOOTER = """
Each command explains its options:     python -m atft COMMAND --help
A first run on a simulated market:     python -m atft fit --config quickstart
Watch runs:                            tensorboard --logdir lightning_logs

Options of every command: --debug shows the traceback of an error, --threads N limits each numerical library.
"""

MAX_ERROR_LINE, MAX_FAILURE_LINE = 280, 1000
"""Characters of the line on an input error, which may quote the input, and on a run that failed, which names files
to go on from; the beginning and the end are kept."""
MAX_THREADS = 4096
MAX_SEARCHED = 1 << 20
"""Characters of a config that are searched for ``threads:`` before anything heavy is imported."""


COMMANDS = {
    "fit": ("atft.commands.train", "train a network, then compare it with baselines on unseen days"),
    "crossval": (
        "atft.crossval.command",
        "run fit for every fold and seed; join their test days into one predictions file",
    ),
    "pretrain": (
        "atft.commands.train",
        "train a network to predict hidden features; fit --init_from starts from its weights",
    ),
    "validate": ("atft.commands.train", "print a checkpoint's metrics on the validation days"),
    "test": ("atft.commands.train", "print a checkpoint's metrics on the test days"),
    "predict": (
        "atft.commands.train",
        "write a checkpoint's scores to a file, also of days whose returns are unknown",
    ),
    "update": (
        "atft.daily.command",
        "append new days of prices, score the last day and write its ranked list",
    ),
    "retrain": (
        "atft.daily.retrain",
        "train again every N trading days, into a registry of checkpoints by date",
    ),
    "export": ("atft.commands.export", "write a checkpoint as a program for torch or ONNX, without atft"),
    "baseline": (
        "atft.commands.baseline",
        "fit ridge, LightGBM or a perceptron on the rows of a config, and compare",
    ),
    "simulate": ("atft.commands.flat", "write a simulated market whose best possible score is known"),
    "features": ("atft.commands.flat", "turn daily prices into a panel of features and forward returns"),
    "join": ("atft.commands.flat", "add columns of another file to a panel, as of the day of publication"),
    "cache": (
        "atft.commands.train",
        "build or verify the memory-mapped cache of a panel; --prune removes what no run needs",
    ),
    "evaluate": (
        "atft.commands.evaluate",
        "measure predictions of any program: intervals, costs, null controls; needs no torch",
    ),
    "probe": ("atft.commands.probe", "find leaks in a panel, in predictions, or in the pipeline of a config"),
    "sweep": (
        "atft.search.cli",
        "search hyperparameters: many runs of fit, in a study that any interruption leaves intact",
    ),
    "explain": (
        "atft.commands.explain",
        "show why a stock has its score, or which features decide the scores of a period",
    ),
    "report": (
        "atft.commands.report",
        "write a tear sheet of predictions: one HTML page that loads nothing else",
    ),
    "compare": (
        "atft.commands.compare",
        "compare runs, baselines and files side by side, with paired differences",
    ),
    "completion": ("atft.completion", "print a script that completes commands and keys in bash"),
    "configs": ("atft.commands.shipped_configs", "list the configs that atft ships, or print one"),
}
"""Command -> the module whose ``run(command, arguments)`` does it, and a line for the help."""


TRAINS = ("fit", "crossval", "pretrain", "retrain", "sweep")
"""Commands whose processes train networks."""


def list_commands() -> str:
    """The text of ``python -m atft --help``."""
    lines = [f"  {name:<12}{summary}" for name, (_, summary) in COMMANDS.items()]
    return "\n".join([USAGE, "commands:", *lines, FOOTER])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit status: 0 done, 1 the run failed, 2 the input cannot be used, 3 an alarm."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    outlast_readers()
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    return guarded(lambda: _dispatch(words[0] if words else "--help", words[1:]), debug)


def _dispatch(name: str, rest: list[str]) -> int:
    if name in ("-h", "--help", "help"):
        print(list_commands())  # noqa: T201
        return 0
    if name == "--version":
        from atft import __version__

        print(f"atft {__version__}")  # noqa: T201
        return 0
    if name not in COMMANDS:
        raise InputError(f"no command {name!r}{nearest(name, COMMANDS)}")
    try:
        Path.cwd()
    except FileNotFoundError as error:  # torch's libraries end the process without a reason there
        raise InputError("the current folder does not exist any more; change to one that does") from error
    rest = [with_home(word) for word in rest]
    check_outputs(rest)
    options = {word.partition("=")[0] for word in rest}
    of_one_day = name == "predict" and not options.isdisjoint(ONE_DAY)
    pruned = name == "cache" and "--prune" in options
    if name in KEYED and not of_one_day and not pruned and options & {"-h", "--help"}:
        print(short_help(name))  # noqa: T201
        return 0
    if name != "sweep":  # it divides the cores among its workers
        cap_threads(thread_cap(rest))
    if name in ("configs", "completion"):  # nothing is computed
        rest = take_options(rest, "--threads")[1]
    defer_imports()
    # Lightning imports it; it warns of a home folder in which it cannot write.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    if name in FROM_PRICES and "--prices" in options:
        from atft.commands.from_prices import words_of_panel

        rest = words_of_panel(rest)
    many_seeds = name == "fit" and "--seeds" in options
    served_by = "crossval" if many_seeds else "update" if of_one_day else name
    run: Callable[[str, list[str]], int] = import_module(COMMANDS[served_by][0]).run
    return run(name, rest)


def thread_cap(arguments: Sequence[str]) -> int:
    """Threads asked for by ``--threads``, else by the last config with ``threads:``, else the cores.

    Read before any heavy import, since numerical pools read their size when they are loaded.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--threads")
    parser.add_argument("-c", "--config", action="append", default=[])
    options, _ = parser.parse_known_args([a for a in arguments if a not in ("-h", "--help")])
    asked = options.threads
    for config in reversed(options.config):
        path = Path(config)
        if asked is None and path.is_file():
            with path.open(encoding="utf-8", errors="replace") as file:
                match = re.search(r"^threads:[ \t]*([^\s#]*)", file.read(MAX_SEARCHED), re.M)
            asked = match[1] if match else None
    if asked in (None, "", "~", "null"):
        return core_count()
    if not (asked.isdecimal() and len(asked) <= 5 and 1 <= int(asked) <= MAX_THREADS):
        raise InputError(f"threads must be a whole number from 1 to {MAX_THREADS}, got {clip(asked, 40)!r}")
    return int(asked)


def sentence(error: BaseException) -> str:
    """The text of an error, in one printable line."""
    longest = MAX_FAILURE_LINE if isinstance(error, RunFailed) else MAX_ERROR_LINE
    return clip(printable(" ".join(str(error).split())), longest)


def guarded(action: Callable[[], int], debug: bool) -> int:
    """Run a command so that what a user can cause shows as one line, unless ``debug``; its exit status.

    Of the processes of one run that raise the same error, the first of each machine prints it.
    """
    try:
        with terminable():
            return action()
    except (InputError, RunFailed, argparse.ArgumentError) as error:
        if debug:
            raise
        if first_of_machine() or not getattr(error, "on_every_device", True):
            print(f"atft: error: {sentence(error)}", file=sys.stderr)  # noqa: T201
        return 1 if isinstance(error, RunFailed) else 2
    except OSError as error:
        # The machine's answer about a file: a full disk, a missing right. It is no bug of ours, and names the file.
        if debug or error.errno is None:
            raise
        name = os.fsdecode(error.filename) if isinstance(error.filename, bytes) else error.filename
        where = f"{name}: " if name else ""
        reason = "the disk is full; make room" if error.errno in FULL else os.strerror(error.errno)
        place = clip(printable(where), MAX_ERROR_LINE - 40)
        print(f"atft: error: {place}{reason}", file=sys.stderr)  # noqa: T201
        return 2 if error.errno in BROKEN else 1
    except KeyboardInterrupt as stop:
        if debug:
            raise
        if first_of_machine():
            print(f"atft: {how_stopped(stop)}", file=sys.stderr)  # noqa: T201
        return exit_status(stop)
