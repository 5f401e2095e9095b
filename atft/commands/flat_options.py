"""The arguments of a command that turns files into a file: some paths, and the flat keys of one dataclass."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from atft.commands.config_keys import read_arguments
from atft.commands.parser_errors import parser_errors

Options = TypeVar("Options")


def parse_flat(
    command: str, description: str, paths: Mapping[str, str], kind: type[Options], arguments: list[str]
) -> tuple[list[Path], Options]:
    """Read a command's paths and options, or raise in one line.

    Args:
        command: its name, for messages and help.
        description: what it does, for help.
        paths: required path -> its help.
        kind: dataclass of the options.
        arguments: what follows the command.

    Returns:
        The paths in their order, and the options.

    Raises:
        InputError: a key or value that is not accepted.
    """
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(
        prog=f"python -m atft {command}", description=description, exit_on_error=False, allow_abbrev=False
    )
    parser.add_argument("-c", "--config", action="config", help="YAML file of these keys.")
    for name, help_text in paths.items():
        parser.add_argument(f"--{name}", type=str, required=True, help=help_text)
    parser.add_argument("--threads", type=int | None, default=None, help="Cap of each numerical pool.")
    parser.add_class_arguments(kind, None)
    tree, words = read_arguments(parser, arguments, command)
    with parser_errors(command, tree):
        given = parser.parse_args(words).as_dict()
    found = [Path(given.pop(name)) for name in paths]
    for key in ("threads", "config"):
        given.pop(key, None)
    return found, kind(**given)
