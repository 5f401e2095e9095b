"""What commands share in reading their arguments: words, counts, and the options of a dataclass.

Only the standard library is imported here: the dispatcher reads words before it knows the command.
"""

import errno
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from atft.errors import InputError, clip
from atft.files.output_path import check_no_evidence, check_not_read

MAX_COUNT = 1000
WRITTEN = ("--out", "--json", "--alphalens")
"""Options that name a file which a command writes."""
DATA_FOLDERS = ("--prices", "--panel", "--earlier", "--data.panel.path")
"""Options of data that may be a folder, all of whose files are read."""


class Word(NamedTuple):
    """An option of a command line with its value, or a word that is no option."""

    name: str
    """``--key``, ``--config`` for ``-c`` too; or the word itself."""
    value: Any
    """What follows the option, behind ``=`` or as the next word; None where nothing does."""
    written: list[Any]
    """The words as they came."""


def read_words(words: Sequence[Any]) -> Iterator[Word]:
    """Read a command line: ``--key VALUE``, ``--key=VALUE``, ``-cFILE`` and words that are no options."""
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if name.startswith("-c"):
            name = "--config"
            if len(word) > 2 and word[2] != "=":
                equals, value = "=", word[2:]
        if not word.startswith("-"):
            yield Word(word, None, [word])
        elif equals:
            yield Word(name, value, [word])
        elif rest and not str(rest[0]).startswith("--"):
            yield Word(name, rest[0], [word, rest.pop(0)])
        else:
            yield Word(name, None, [word])


def take_options(
    words: Sequence[str], *names: str, flag: str | None = None
) -> tuple[list[tuple[str, str]], list[str]]:
    """Take a command's own options out of a command line, whose others are keys of a config.

    Args:
        words: of the command line.
        names: of the options; one that ends in a dot means all that begin with it.
        flag: one more option, which may stand alone for ``true``.

    Returns:
        The options by name without dashes, each with its text, and the words that are left, in their order.

    Raises:
        InputError: one of the options has no value.
    """
    taken, rest = [], []
    prefixes = tuple(name for name in names if name.endswith("."))
    for name, value, written in read_words(words):
        if name not in (*names, flag) and not name.startswith(prefixes):
            rest += written
        elif value is None and name != flag:
            raise InputError(f"{name} needs a value")
        else:
            taken.append((name[2:], "true" if value is None else value))
    return taken, rest


def check_outputs(words: Sequence[str]) -> None:
    """Check that no file which a command line names to be written is one that it names to be read, or a run's.

    Raises:
        InputError: a file would be replaced that the command reads, or that is evidence of a run, or its name is
            no text.
    """
    outputs, inputs = [], []
    for name, value, _ in read_words(words):
        if name in WRITTEN:
            outputs.append((name, value))
            continue
        # A word may be a file, or NAME=FILE.
        named = [value] if name.startswith("-") else [name, name.partition("=")[2]]
        paths = [path for path in named if path and _may_be_path(path)]
        inputs += [path for path in paths if name in DATA_FOLDERS or not Path(path).is_dir()]
    for option, path in outputs:
        if path is not None:
            try:
                path.encode()
            except UnicodeEncodeError as error:  # bytes of the command line that are no text
                raise InputError(f"{option} {path}: the name is not UTF-8 text; give another") from error
            check_not_read(Path(path), inputs, option)
            check_no_evidence(Path(path), option)


def _may_be_path(text: str) -> bool:
    """Whether a value is short enough for a path; a list of names may not be."""
    try:
        Path(text).stat()
    except OSError as error:
        return error.errno != errno.ENAMETOOLONG
    return True


def with_home(value: Any) -> Any:
    """A word, or values of a config, with the home folder for a leading ``~/``, as a shell has it.

    Some libraries do that too and others do not: half of a run would be in a folder called ``~``.
    """
    if isinstance(value, str) and value.startswith("--") and "=~/" in value:
        name, _, text = value.partition("=")
        return f"{name}={with_home(text)}"
    if isinstance(value, str):
        return str(Path(value).expanduser()) if value.startswith("~/") else value
    if isinstance(value, Mapping):
        return {key: with_home(inside) for key, inside in value.items()}
    return [with_home(item) for item in value] if isinstance(value, list) else value


def check_read(words: Sequence[Any], overlooked: Sequence[str], by: str) -> None:
    """Check that a command line has none of the ``overlooked`` keys, nor one below them; a config may, for others.

    ``by`` is the command, for the message.
    """
    for name, _, _ in read_words(words):
        if any(name == key or name.startswith(f"{key}.") for key in overlooked):
            raise InputError(f"{name} is not read by {by}; leave it out")


def check_one_path(words: Sequence[str]) -> None:
    """Check that ``--prices`` is given once with one word: of a glob without quotes the shell makes many."""
    if sum(word.partition("=")[0] == "--prices" for word in words) > 1:
        raise InputError(
            "--prices is given twice; put the files into one folder, or give a glob that has both"
        )
    for word, path, after in zip(words, words[1:], words[2:], strict=False):
        if word == "--prices" and not path.startswith("-") and not after.startswith("-"):
            raise InputError(
                f"--prices takes one file, folder or glob, got {clip(path, 60)} and {clip(after, 60)}; "
                f"a glob needs quotes: --prices 'daily/*.csv'"
            )


def read_count(name: str, text: str) -> int:
    """Read a whole number from 1 to 1,000; raises InputError, which calls the option by its ``name``."""
    if not (text.isdecimal() and len(text) <= 4 and 1 <= int(text) <= MAX_COUNT):
        raise InputError(f"{name} takes a whole number from 1 to {MAX_COUNT}, got {clip(text, 40)!r}")
    return int(text)


def dataclass_of(kind: Any, values: Mapping[str, Any]) -> Any:
    """An instance of a dataclass, whose fields are among the parsed values of a command."""
    return kind(**{field.name: values[field.name] for field in fields(kind)})
