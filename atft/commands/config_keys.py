"""Check every key of a configuration before the parser reads it: an unknown one is an error at any depth.

The parser itself overlooks an unknown key whose value is an empty mapping, and names no key that is near. Here
each config file, and each ``--key`` of the command line, is followed through the tree of keys.
"""

from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentParser

from atft.commands.key_tree import (
    Inside,
    Linked,
    Option,
    Tree,
    alternatives,
    arguments_of,
    classes_in,
    inside_of,
    paths_in,
    tree_of,
)
from atft.commands.moved_keys import check_moved
from atft.commands.parser_errors import kinds_of
from atft.errors import InputError, clip, listed
from atft.yaml_text import OutOfBounds, load, read_mapping

ALIKE = 0.6
"""Least similarity (difflib's ratio) of two names of one section for one to be offered for the other."""
VERY_ALIKE = 0.8
"""The same for a name of another section, and for a name of this one to be preferred to those of others."""
SHOWN = 60
"""Characters of a user's own text in a message."""


def check_keys(parser: ArgumentParser, given: Sequence[str] | Mapping[str, Any], command: str = "") -> Tree:
    """Check the keys of what is about to be parsed; return those that the parser takes.

    Args:
        parser: what takes the keys.
        given: the words of a command line, or a nested mapping.
        command: its name, where the keys are its alone; see `moved_keys`.

    Raises:
        InputError: a config file cannot be read, a key is unknown (the line names the nearest one), or a section
            is not a mapping.
    """
    tree = tree_of(parser)
    walk = KeyWalk(tree, command)
    if isinstance(given, Mapping):
        walk.follow(given)
        return tree
    options = {option for action in parser._actions for option in action.option_strings}
    for word, after in zip(given, [*given, None][1:], strict=True):
        name, equals, value = word.partition("=")
        text = value if equals else None if after is None or after.startswith("--") else after
        if name in ("-c", "--config") and text is not None:
            walk.follow(read_mapping(Path(text)), f"{clip(text, SHOWN)}: ")
        elif name.startswith("--") and len(name) > 2:
            walk.follow_word(name[2:], text, known=name in options)
    return tree


class KeyWalk:
    """Follow configurations through a tree of keys, later ones over earlier ones.

    Args:
        tree: the keys that are known.
        command: see `check_keys`.
    """

    def __init__(self, tree: Tree, command: str = "") -> None:
        self._tree, self._command = tree, command
        self._classes: dict[str, str] = {}  # option -> class_path, the last one given
        self._config: Any = None
        self._place = ""

    def follow(self, config: Mapping[str, Any], place: str = "") -> None:
        """Check a configuration.

        Args:
            config: nested mappings; a key with dots stands for keys inside keys.
            place: where it comes from, opens the message.

        Raises:
            InputError: the first unknown key, or section that is no mapping.
        """
        self._config, self._place = config, place
        self._section(self._tree, config, "")

    def follow_word(self, name: str, text: str | None, known: bool) -> None:
        """Check a ``--dotted.key`` of the command line and what its value holds.

        Args:
            name: the key, without dashes.
            text: its value as YAML, None for none.
            known: whether the parser lists it; a switch such as ``--print_config`` stands in no config.

        Raises:
            InputError: see `follow`; or the value is empty where that could mean null or a word of no letters.
        """
        value, node = _value_of(name, text), self._node(name)
        if text == "" and isinstance(node, Option) and type(None) in alternatives(node.hint):
            raise InputError(f"--{name} is empty; write a value, or null for none")
        if known and (node is None or text is None):
            return
        self._place = ""
        *parents, last = name.split(".")
        nested = {last: value}
        for parent in reversed(parents):
            nested = {parent: nested}
        self._config = nested
        self._section(self._tree, nested, "")

    def _node(self, name: str) -> Any:
        """What stands at a dotted key: a section, an option, or None."""
        node: Any = self._tree
        for key in name.removesuffix("+").split("."):
            node = node.get(key) if isinstance(node, dict) else None
        return node

    def _section(self, tree: Tree, config: Any, path: str) -> None:
        if not isinstance(config, Mapping):
            raise InputError(
                f"{self._place}{path} is a section of keys, got {_kind(config)}; "
                f"write its keys under it, or leave it out"
            )
        for key, value in config.items():
            first, dot, rest = str(key).partition(".")
            if dot and first in tree:
                first, value = first, {rest: value}
            else:
                first = str(key)
            node = tree.get(first)
            if node is None and first.endswith("+"):
                node = tree.get(first[:-1])
                node = node if isinstance(node, Option) and node.appends else None
            below = f"{path}.{first}" if path else first
            if node is None:
                check_moved(below, self._place, self._command)
                raise InputError(
                    f"{self._place}unknown key {clip(below, SHOWN)!r}{self._advice(tree, path, first)}"
                )
            if isinstance(node, Linked):
                raise InputError(
                    f"{self._place}{below} is taken from {' and '.join(node.sources)}; leave it out"
                )
            if isinstance(node, dict):
                self._section(node, value, below)
            else:
                self._option(node.hint, value, below)

    def _option(self, hint: Any, value: Any, path: str) -> None:
        inside = inside_of(hint)
        if value is None and not {Any, type(None)} & set(alternatives(hint)):
            raise InputError(
                f"{self._place}{path} takes {kinds_of(hint)}, got null; leave it out for its default"
            )
        if isinstance(value, str) and "\0" in value:
            raise InputError(
                f"{self._place}{path} holds a NUL character: {clip(value, SHOWN)!r}; take it out"
            )
        if isinstance(value, list):
            for number, element in enumerate(value if inside.item is not None else []):
                self._option(inside.item, element, f"{path}[{number}]")
            return
        if isinstance(value, str) and inside.base is not None:
            # The parser would read a file in the place of a class, and its keys without a check.
            if len(value) <= SHOWN and Path(value).is_file():
                raise InputError(f"{self._place}{path} names a file, {value!r}; write its keys here")
            self._classes[path] = value
        if inside.tree is not None and isinstance(value, str | Mapping):
            self._section(inside.tree, value, path)
        elif not isinstance(value, Mapping):
            return
        elif inside.base is not None:
            self._class(inside, value, path)
        elif inside.item is not None and not inside.free:
            self._option(inside.item, value, path)
        elif not inside.free:
            raise InputError(f"{self._place}{path} takes a value, not a section of keys")

    def _class(self, inside: Inside, config: Mapping[str, Any], path: str) -> None:
        class_path = config.get("class_path")
        if isinstance(class_path, str):
            self._classes[path] = class_path
        known = arguments_of(self._classes.get(path, ""), inside)
        tree: Tree = {"class_path": Option(str), "init_args": known or {}, "dict_kwargs": Option(dict)}
        if known is None:  # a class of the user's own: the parser knows its arguments
            tree["init_args"] = Option(dict)
        elif class_path is None:
            tree = known | tree  # over a class chosen before, its arguments may stand alone
        self._section(tree, {k: v for k, v in config.items() if k != "init_args" or v is not None}, path)

    def _advice(self, tree: Tree, path: str, key: str) -> str:
        """The nearest key: of this section, or one of that name elsewhere, or one like it elsewhere."""
        inside = f"{path}." if path else ""
        siblings = [k for k, node in tree.items() if not isinstance(node, Linked)]
        beside = _best(key, siblings, ALIKE)
        if beside and similarity(key, beside) >= VERY_ALIKE:
            return _meant([inside + beside])
        others: dict[str, list[str]] = {}  # last part -> paths
        for other in paths_in(self._tree, self._classes | dict(classes_in(self._config))):
            others.setdefault(other.rpartition(".")[2], []).append(other)
        elsewhere = _best(key.rpartition(".")[2], others, VERY_ALIKE)
        if elsewhere:
            return _meant(others[elsewhere])
        return _meant([inside + beside]) if beside else f"; known: {listed(siblings)}"


def _value_of(name: str, text: str | None) -> Any:
    """The value of a word of the command line.

    Raises:
        InputError: it is YAML out of bounds.
    """
    try:
        return "" if text == "" else load(text or "")
    except OutOfBounds as error:
        raise InputError(f"--{name}: {error.problem}") from error
    except yaml.YAMLError:
        return text


def _best(name: str, known: Iterable[str], least: float) -> str | None:
    """The known name most like another one, None where none is alike enough."""
    scored = sorted((-similarity(name, other), other) for other in known)
    return scored[0][1] if scored and -scored[0][0] >= least else None


def similarity(one: str, other: str) -> float:
    """How alike two names are, 0 to 1: difflib's ratio; more for one word of the other, or the same letters."""
    if len(one) == len(other) > 1 and sorted(one) == sorted(other):
        return 0.95
    ratio = SequenceMatcher(None, one, other).ratio()
    return max(ratio, VERY_ALIKE) if one in other.split("_") else ratio


def _meant(paths: list[str]) -> str:
    return f"; did you mean {' or '.join(repr(p) for p in paths[:2])}?"


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    return clip(repr(value), SHOWN) if isinstance(value, (str, int, float)) else f"a {type(value).__name__}"
