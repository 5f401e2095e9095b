"""Commands that read files and train nothing: files as words, then the options of one dataclass. No torch.

The parser that follows configs through classes imports torch and Lightning, which costs seconds; these commands
start in half of one.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from atft.commands.arguments import dataclass_of, read_words
from atft.errors import InputError, nearest
from atft.files.output_path import check_table_out


class FileCommand(NamedTuple):
    """What a command that reads files takes."""

    name: str
    files: str
    """What a file is called in the help: ``FILE``, or ``RUN_OR_FILE``."""
    description: str
    options: type
    """A dataclass; the sentences of its ``Args:`` are the help."""
    option: str | None = None
    """An option after which files may stand too: ``--predictions``."""
    out: str = "File to write."
    """Help of ``--out``."""


def file_parser(command: FileCommand) -> Any:
    """The parser of a command: its files, ``--out``, ``--threads`` and its options."""
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(
        prog=f"python -m atft {command.name}",
        description=command.description,
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument("files", nargs="*", type=str, metavar=command.files, help="One or several.")
    if command.option is not None:
        parser.add_argument(
            command.option,
            nargs="*",
            type=str,
            metavar=command.files,
            help="The same files, named by an option.",
        )
    parser.add_argument("--out", type=str | None, default=None, help=command.out)
    parser.add_argument(
        "--threads", type=int | None, default=None, help="Most threads of each numerical library."
    )
    parser.add_class_arguments(command.options, None)
    return parser


def parse_file_arguments(
    command: FileCommand, arguments: Sequence[str], formats: Sequence[str]
) -> tuple[list[str], Any, Path | None]:
    """Read a command's files, its options and the file to write, None without.

    Args:
        formats: suffixes that ``--out`` may have; none: it is a folder.

    Raises InputError where there is no file, an option is unknown or does not take its value, or ``--out`` names no
    format.
    """
    from atft.commands.key_tree import tree_of
    from atft.commands.parser_errors import parser_errors

    parser = file_parser(command)
    known = {name for action in parser._actions for name in action.option_strings}
    # Files may stand before, between and after the options, each of which takes one value.
    files, words = [], []
    for name, value, written in read_words(arguments):
        if "" in (name, value):  # of a shell's variable that is not set
            raise InputError(f"{name or 'the name of a file'} is empty; write a value, or leave it out")
        if name == command.option:
            files += [] if value is None else [value]
        elif name.startswith("--") and name not in known:
            raise InputError(
                f"{command.name} has no option {name!r}{nearest(name, known - {'-h', '--help'})}"
            )
        elif name.startswith("-"):
            words += written
        else:
            files += written
    with parser_errors(command.name, tree_of(parser)):
        values = parser.parse_args([*files, *words]).as_dict()
    if not values["files"]:
        raise InputError(f"{command.name} needs a {command.files}; python -m atft {command.name} --help")
    options = dataclass_of(command.options, values)
    out = None if values["out"] is None else Path(values["out"])
    if out is not None and formats:
        check_table_out(out, formats, ())
    return values["files"], options, out
