"""The commands behind ``python hpo/sweep.py``: which one, and what of the sweep's file the command line changes.

Only the standard library is imported before the command is known, so that help costs milliseconds. Commands
that look at a study need Optuna and no torch; those that run one start processes which do.
"""

import argparse
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from atft.errors import InputError, nearest
from atft.threads import core_count

HELP_OPTIONS = {"-h", "--help"}

COMMANDS = {
    "run": ("atft.search.run", "run trials until the budget is spent (the default)"),
    "status": ("atft.search.show.status", "trials by outcome, what runs, time left; --watch 30 repeats"),
    "best": ("atft.search.show.best", "the best trial's config, for python -m atft fit; --out FILE"),
    "report": ("atft.search.show.report", "one HTML page: history, importance, slices, table"),
    "dashboard": ("atft.search.show.dashboard", "optuna-dashboard on this machine"),
    "rebuild": ("atft.search.show.rebuild", "make a lost database again from the trials' directories"),
}

HELP = """\
usage: python hpo/sweep.py [COMMAND] --config FILE [options]

Search hyperparameters with Optuna over the training command. A sweep is its YAML file; the name of its study is its
folder (lightning_logs/STUDY). The same command, run again, continues the study.

    python hpo/sweep.py --config hpo/quick.yaml                  minutes, on a simulated market
    python hpo/sweep.py --config hpo/production.yaml --dry-run   is a long sweep worth starting?
    python hpo/sweep.py --config hpo/production.yaml             run it, or continue it

commands:
{commands}

Options of a run:
  --n-trials N     trials to finish in all, completed or pruned; run again with a larger N to add trials
  --workers N      processes on this machine, one trial each at a time
  --threads N      cap of each numerical pool per worker; default: the cores divided among the workers
  --storage URL    postgresql://USER@HOST/DATABASE or grpc://HOST:PORT, for many machines: same command on each
  --set KEY=VALUE  any other key of the sweep's file: --set limits.epochs=5 --set pruner.name=none
  --dry-run        one trial of two epochs and every check; leaves no study behind
  --debug          show the traceback of an error

Kill it at any time, start it again, start it on several machines: exactly N trials finish. Trials that lost
their process continue from their last checkpoint. Ctrl-C once stops at the end of the epoch, twice at once.

Exit status: 0 the budget is spent; 1 no trial is complete, or the sweep was aborted because its trials fail;
2 invalid input; 130 interrupted. Each command explains its own: python hpo/sweep.py status --help
"""


def main(arguments: Sequence[str]) -> int:
    """Run one command of the sweep; its exit status.

    Args:
        arguments: what follows ``python hpo/sweep.py``.

    Raises:
        InputError: no such command or option, or a mistake in the sweep's file.
    """
    words = list(arguments)
    wants_help = not words or words[0] == "help" or words[0] in HELP_OPTIONS
    command = "run" if not words or words[0].startswith("-") else words.pop(0)
    if wants_help or (command == "run" and HELP_OPTIONS & set(words)):
        commands = "\n".join(f"  {name:<11}{summary}" for name, (_, summary) in COMMANDS.items())
        print(HELP.format(commands=commands))  # noqa: T201
        return 0
    if command not in COMMANDS:
        raise InputError(f"no command {command!r}{nearest(command, COMMANDS)}")
    return int(import_module(COMMANDS[command][0]).run(words))


def run_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse what follows ``run``: ``config``, ``threads``, ``dry_run`` and ``changes``, keys to values.

    Raises:
        InputError: an unknown option, or a value that is not of its kind.
    """
    parser = argparse.ArgumentParser(prog="sweep.py", add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("-c", "--config", type=Path)
    for option in ("--n-trials", "--workers", "--threads"):
        parser.add_argument(option, type=int)
    parser.add_argument("--storage")
    parser.add_argument("--study")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--dry-run", action="store_true")
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        names = [name for action in parser._actions for name in action.option_strings]
        raise InputError(f"unknown option {unknown[0]!r}{nearest(unknown[0], names)}")
    if options.config is None:
        raise InputError("a sweep needs --config FILE, such as --config hpo/quick.yaml")
    keys = {key: getattr(options, key) for key in ("n_trials", "workers", "storage", "study")}
    options.changes = {key: value for key, value in keys.items() if value is not None}
    for pair in options.set:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"--set takes KEY=VALUE, got {pair!r}; such as --set limits.epochs=5")
        options.changes[key] = value
    return options


def threads_per_worker(threads: int | None, workers: int) -> int:
    """The cap of each worker's numerical pools: the option, or the cores divided among the workers."""
    return threads or max(1, core_count() // workers)
