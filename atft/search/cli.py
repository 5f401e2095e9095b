"""The commands behind ``python -m atft sweep``, which is ``python hpo/sweep.py`` in a clone.

Only the standard library is imported before the command is known, so that help costs milliseconds. Commands
that look at a study need Optuna and no torch; those that run one start processes which do.
"""

from collections.abc import Sequence
from importlib import import_module

from atft.commands.arguments import read_count, take_options
from atft.errors import InputError, nearest
from atft.process.threads import cap_threads

HELP_OPTIONS = {"-h", "--help"}

COMMANDS = {
    "run": ("atft.search.workers.start", "run trials until the budget is spent (the default)"),
    "status": ("atft.search.show.status", "show trials by outcome, what runs, time left; --watch 30 repeats"),
    "best": ("atft.search.show.best", "print the best trial's config, for fit; --out FILE writes it"),
    "report": ("atft.search.show.report", "write one HTML page: history, importance, slices, table"),
    "dashboard": ("atft.search.show.dashboard", "start optuna-dashboard on this machine"),
    "rebuild": ("atft.search.show.rebuild", "make a lost database again from the trials' directories"),
}

HELP = """\
usage: python -m atft sweep [COMMAND] --config FILE [options]

Search hyperparameters with Optuna: each trial is a run of fit. A YAML file defines the sweep: docs/sweep.md. Its
study's name is its folder, lightning_logs/STUDY. Run the same command again to continue the study.

    python -m atft sweep --config quick                 a first sweep on a simulated market, some minutes
    python -m atft sweep --config mine.yaml --dry-run   check a long sweep before you start it
    python -m atft sweep --config mine.yaml             run it, or continue it
    python -m atft configs quick > mine.yaml            copy a shipped sweep, to change it

commands:
{commands}

Options of a run:
  --n-trials N     trials to finish in all, completed or pruned; run again with a larger N to add trials
  --workers N      processes on this machine, each with one trial at a time
  --threads N      most threads of each numerical library per worker; default: the cores divided among the workers
  --storage URL    postgresql://USER@HOST/DATABASE or grpc://HOST:PORT, for the same command on many machines
  --set KEY=VALUE  any other key of the sweep's file: --set limits.epochs=5 --set pruner.name=none
  --dry-run        every check and one trial of two epochs; leaves no study behind
  --debug          show the traceback of an error

Kill it at any time, start it again, start it on several machines: exactly N trials finish. Trials that lost their
process continue from their last checkpoint. Ctrl-C once stops after the running epoch, twice stops at once.

Exit status: 0 the budget is spent; 1 no trial is complete, or the sweep was aborted because its trials fail;
2 invalid input; 130 interrupted. Each command explains its own: python -m atft sweep status --help
"""


def run(_: str, arguments: Sequence[str]) -> int:
    """Run one command of the sweep, from what follows ``python -m atft sweep``; its exit status."""
    words = list(arguments)
    wants_help = not words or words[0] == "help" or words[0] in HELP_OPTIONS
    command = "run" if not words or words[0].startswith("-") else words.pop(0)
    if wants_help or (command == "run" and HELP_OPTIONS & set(words)):
        commands = "\n".join(f"  {name:<11}{summary}" for name, (_, summary) in COMMANDS.items())
        print(HELP.format(commands=commands))  # noqa: T201
        return 0
    if command not in COMMANDS:
        raise InputError(f"no command {command!r}{nearest(command, COMMANDS)}")
    if command != "run":  # its workers share the cores
        threads, words = take_options(words, "--threads")
        for _, count in threads:
            cap_threads(read_count("--threads", count))
    return int(import_module(COMMANDS[command][0]).run(words))
