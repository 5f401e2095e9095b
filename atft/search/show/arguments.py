"""The arguments of the commands that look at a study: the sweep's file, another storage, and each command's own."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from atft.commands.shipped_configs import config_path
from atft.errors import InputError
from atft.files.output_path import check_not_read
from atft.search.question.options import SweepOptions, read_sweep

OPTIONS: dict[str, dict[str, dict[str, Any]]] = {
    "status": {
        "--watch": {
            "type": float,
            "metavar": "SECONDS",
            "help": "show it again every so many seconds, until the sweep ends",
        }
    },
    "best": {"--out": {"type": Path, "help": "file to write; default: print the config"}},
    "report": {
        "--out": {"type": Path, "help": "file to write; default: report.html in the study's directory"}
    },
    "dashboard": {
        "--port": {"type": int, "default": 8080, "help": "port on the loopback address; default 8080"}
    },
    "rebuild": {},
}
"""Command -> its own options, each with what `ArgumentParser.add_argument` takes."""


class _Parser(argparse.ArgumentParser):
    """Say a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see {self.prog} --help")


def add_study_arguments(parser: argparse.ArgumentParser, command: str) -> None:
    """Add the arguments of a command that looks at a study."""
    parser.add_argument(
        "--config", required=True, type=Path, help="file of the sweep, or the name of a shipped one"
    )
    parser.add_argument("--storage", help="URL of the study's database, in place of the sweep's")
    for name, settings in OPTIONS[command].items():
        parser.add_argument(name, **settings)


def sweep_arguments(
    command: str, description: str, arguments: Sequence[str]
) -> tuple[argparse.Namespace, SweepOptions]:
    """Parse what follows ``atft sweep COMMAND`` and read the sweep's file; raises InputError for a mistake."""
    parser = _Parser(
        f"python -m atft sweep {command}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_study_arguments(parser, command)
    parsed = parser.parse_args(arguments)
    sweep = read_sweep(parsed.config, {"storage": parsed.storage} if parsed.storage else {})
    if getattr(parsed, "out", None) is not None:
        check_not_read(parsed.out, [config_path(str(parsed.config), "sweep"), sweep.base])
    return parsed, sweep
