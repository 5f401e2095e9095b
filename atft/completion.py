"""completion: a script that completes the commands and keys of ``atft``; jsonargparse and shtab write it.

All keys are listed when the script is made, so that pressing Tab imports nothing. Cost: some seconds and a megabyte
then; and after an upgrade it is made again.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from jsonargparse import ArgumentParser, Namespace
from jsonargparse._link_arguments import ActionLink

from atft.commands import compare, evaluate, explain, flat, report
from atft.commands.file_arguments import file_parser
from atft.commands.key_help import COMMANDS as KEYED
from atft.commands.probe import probe_parser
from atft.commands.ranking_cli import RankingCLI
from atft.commands.shipped_configs import FOLDERS, shipped_configs
from atft.crossval import options as crossval
from atft.daily import retrain
from atft.daily.options import list_parser
from atft.errors import InputError
from atft.runs.third_parties import silence_third_parties
from atft.search import cli as sweep
from atft.search.show.arguments import OPTIONS, add_study_arguments
from atft.search.workers.start import add_run_arguments

HELP = """\
usage: python -m atft completion bash

Print a bash script that completes the commands and keys of `atft`. Needs: pip install 'atft[completion]'

  atft completion bash > ~/.local/share/bash-completion/completions/atft

Then open a new shell. Generate the script again after an upgrade.
"""
SHELL = "bash"
"""jsonargparse 4.53 writes no script for zsh where a parser has commands."""


class KeysOnly(RankingCLI):
    """The parser of a training command; nothing is parsed or built."""

    def parse_arguments(self, parser: Any, args: Any) -> None:
        """Parse nothing."""
        self.config = Namespace(seed_everything=False)  # type: ignore[no-untyped-call]

    def before_instantiate_classes(self) -> None:
        """Check nothing."""

    def instantiate_classes(self) -> None:
        """Build nothing."""


def run(_: str, arguments: Sequence[str]) -> int:
    """Print the script."""
    if not arguments or {"-h", "--help"} & set(arguments):
        print(HELP, end="")  # noqa: T201
        return 0
    if list(arguments) != [SHELL]:
        raise InputError(f"completion takes {SHELL}, got {' '.join(arguments)!r:.60}")
    if find_spec("shtab") is None:
        raise InputError("completion needs shtab; run: pip install 'atft[completion]'")
    print(completion_script())  # noqa: T201
    return 0


def completion_script() -> str:
    """The script for bash."""
    # Classes that are offered must have been imported.
    import atft.callbacks.late_average
    import atft.optim.adabelief  # noqa: F401

    silence_third_parties()
    root = ArgumentParser(prog="atft", description="Rank a day's stocks with ATFT-GAT-FAN.")
    commands = root.add_subcommands(required=False)
    for name in KEYED:
        keys = KeysOnly(name, ["--help"]).parser
        # Keys that are taken from others are no options.
        keys._actions[:] = [action for action in keys._actions if not isinstance(action, ActionLink)]
        keys.add_argument("--help-all", action="store_true")
        commands.add_subcommand(name, _with_debug(keys))
    for name in flat.COMMANDS:
        commands.add_subcommand(name, _with_debug(flat.flat_parser(name)))
    commands.add_subcommand("update", _with_debug(list_parser("update")))
    for command in (compare.COMMAND, evaluate.COMMAND, report.COMMAND):
        commands.add_subcommand(command.name, _with_debug(file_parser(command)))
    for name, options in {"crossval": crossval.OPTION_NAMES, "retrain": retrain.OPTION_NAMES}.items():
        commands.add_subcommand(name, _with_debug(_parser_of("--config", "--threads", *options)))
    commands.add_subcommand("probe", _with_debug(probe_parser()))
    commands.add_subcommand("explain", _with_debug(_parser_of(*explain.OPTION_NAMES)))
    parser = ArgumentParser()
    add_run_arguments(parser)
    commands.add_subcommand("sweep", _with_debug(parser))
    parts = parser.add_subcommands(required=False)
    for name in sweep.COMMANDS:
        part = ArgumentParser()
        if name in OPTIONS:
            add_study_arguments(part, name)
        else:
            add_run_arguments(part)
        parts.add_subcommand(name, _with_debug(part))
    parser = ArgumentParser()
    parser.add_argument("name", choices=[name for taker in FOLDERS for name in shipped_configs(taker)])
    commands.add_subcommand("configs", parser)
    parser = ArgumentParser()
    parser.add_argument("shell", choices=[SHELL])
    commands.add_subcommand("completion", parser)
    return str(root.get_completion_script(f"shtab-{SHELL}"))


def _parser_of(*options: str) -> ArgumentParser:
    parser = ArgumentParser()
    for option in options:
        parser.add_argument(option)
    return parser


def _with_debug(parser: ArgumentParser) -> ArgumentParser:
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser
