"""Turn what the argument parser says into one short line: the key, what it takes, what came."""

import re
from argparse import ArgumentError
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from enum import Enum
from inspect import isclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from atft.commands.key_tree import Inside, Option, Tree, alternatives, inside_of, node_at
from atft.errors import InputError, clip, listed, printable

MAX_LINE = 170
"""Characters of a line, without what opens it on the terminal."""

KEY = re.compile(r'Parser key "([^"]+)"')
VALUE = re.compile(r"(?:Got|Given) value: (.*?)(?= Expected an? | Given value | Subclass types |$)")

IN_CLASS = re.compile(r"Expected an? (.+?)\. Got value: (.*?)\. Got value: Namespace")
WHOLE_IN_CLASS = re.compile(r"Given value: (.*?)\. Got value: Namespace")
ABSENT_IN_CLASS = re.compile(r"arguments are required: (\w+(?:, \w+)*).*?class_path='([\w.]+)'")
IN_LISTED_CLASS = re.compile(
    r"given class_path '([\w.]+)': Parser key \"(\w+)\": Expected an? (<class '\w+'>)\. "
    r"Got value: (.*?) (?:Not a valid subclass|Expected an?|Given value) "
)
"""Of a class in a list, whose key the parser does not number."""

KINDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "a word",
    bool: "true or false",
    type(None): "null",
    Path: "a path",
    timedelta: "a duration",
}
"""Types as a message names them."""
AS_PRINTED = {f"<class '{kind.__name__}'>": word for kind, word in KINDS.items()}
"""The same, of types as the parser prints them."""
PLURALS: dict[Any, str] = {int: "whole numbers", float: "numbers", str: "words"}
"""The same, of what is in a list."""


@contextmanager
def parser_errors(
    command: str, tree: Tree | None = None, chosen: Mapping[str, Tree | None] | None = None
) -> Iterator[None]:
    """Raise what the parser does not accept as a one-line `InputError`.

    The tree knows what a key takes, and ``chosen`` what the arguments of an option's class do.
    """
    try:
        yield
    except (ArgumentError, ValueError, TypeError) as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, InputError):  # the parser wraps errors of ours
            cause = cause.__cause__ or cause.__context__
        if cause is not None:
            raise InputError(str(cause)) from error
        if not isinstance(error, ArgumentError):
            reason = error.__cause__
            # A class of a list (a logger, a callback) answered with an error of its package's own kind.
            if reason is None or type(reason).__module__.partition(".")[0] in ("builtins", "atft"):
                raise
            text = clip(printable(" ".join(str(reason).split())), MAX_LINE)
            raise InputError(f"{type(reason).__name__}: {text}") from error
        raise InputError(f"{command}: {shorten(str(error), tree or {}, chosen or {})}") from error


def shorten(message: str, tree: Tree, chosen: Mapping[str, Tree | None] | None = None) -> str:
    """The parser's message without its nesting, in words where the key is known to take plain values."""
    # A check of ours that ran inside the parser: its message comes last.
    text = " ".join(re.sub(r"\n\s*-\s", " ", message.rsplit(") failed: ", 1)[-1]).split())
    named = list(KEY.finditer(text))  # a key, and those inside of its value
    path = ".".join(match[1] for match in named)
    option = node_at(tree, path)
    of_class = _of_class(text, named, tree, chosen or {})
    if of_class is not None:
        return clip(of_class, MAX_LINE)
    in_list = None if isinstance(option, Option) else IN_LISTED_CLASS.search(text)
    if in_list is not None:
        kind, name, expected, came = in_list.groups()
        takes = AS_PRINTED.get(expected, expected)
        return clip(f"{named[0][1]}: init_args.{name} of {kind} takes {takes}, got {came!r}", MAX_LINE)
    if not isinstance(option, Option) or inside_of(option.hint).bases:  # a class says more than its kind
        return clip(text, MAX_LINE)
    value = VALUE.search(text, named[-1].end())
    came = f", got {clip(repr(value[1]), 50)}" if value else ""
    return f"{path} takes {kinds_of(option.hint)}{came}"


def _of_class(
    text: str, named: list[re.Match[str]], tree: Tree, chosen: Mapping[str, Tree | None]
) -> str | None:
    """What is wrong with the arguments of a class, which the tree does not have; None where nothing says so."""
    absent = ABSENT_IN_CLASS.search(text)
    if absent is not None and named:
        option = node_at(tree, named[0][1])
        inside = inside_of(option.hint) if isinstance(option, Option) else Inside()
        if (inside_of(inside.item) if inside.item is not None else inside).tree is not None:  # keys, no class
            return f"{named[0][1]}: {absent[1]} is missing; write it"
        return f"{named[0][1]}: {absent[2]} needs {absent[1]}; write it under its init_args, or name another class"
    if len(named) != 2:
        return None
    key, after = f"{named[0][1]}.init_args.{named[1][1]}", named[1].end()
    option = (chosen.get(named[0][1]) or {}).get(named[1][1])
    argument, whole = IN_CLASS.search(text, after), WHOLE_IN_CLASS.search(text, after)
    value = whole[1] if whole is not None else argument and argument[2]
    if isinstance(option, Option) and value is not None:
        return f"{key} takes {kinds_of(_plain(option.hint))}, got {clip(repr(value), 50)}"
    if argument is None:
        return None
    expected = argument[1].removeprefix("typing.")
    if expected.startswith("Literal["):
        expected = "one of " + listed(re.findall(r"'([^']*)'", expected))
    return f"{key} takes {AS_PRINTED.get(expected, expected)}, got {clip(repr(argument[2]), 50)}"


def _plain(hint: Any) -> Any:
    """A type without the classes that it offers beside plain values: of a number or a tensor the number."""
    plain = [kind for kind in alternatives(hint) if kind in KINDS or get_origin(kind) is not None]
    return Union[tuple(plain)] if plain else hint  # noqa: UP007


def kinds_of(hint: Any) -> str:
    """What a type takes, in words: ``a whole number or null``."""
    words, choices = [], []
    for kind in alternatives(hint):
        origin = get_origin(kind)
        if origin is Literal:
            choices += [str(value) for value in get_args(kind)]
        elif isclass(kind) and issubclass(kind, Enum):
            choices += kind.__members__
        elif origin is type:
            words.append("a class")
        elif isclass(origin):
            words.append((_mapping_of if issubclass(origin, Mapping) else _list_of)(get_args(kind)))
        else:
            words.append(KINDS.get(kind, "a section of keys"))
    if choices:
        words.insert(0, f"one of {listed(dict.fromkeys(choices))}")
    return " or ".join(dict.fromkeys(words))


def _list_of(of: tuple[Any, ...]) -> str:
    """What a list or a tuple of these types takes, in words: ``a list of 2 numbers``."""
    plural = PLURALS.get(of[0]) or PLURALS.get(alternatives(of[0])[0])
    count = f"{len(of)} " if len(of) > 1 and of[-1] is not Ellipsis else ""
    return f"a list of {count}{plural}" if plural else "a list"


def _mapping_of(of: tuple[Any, ...]) -> str:
    """What a mapping of these types takes, in words: ``a mapping to numbers``."""
    plural = PLURALS.get(alternatives(of[-1])[0])
    return f"a mapping to {plural}" if plural else "a mapping"
