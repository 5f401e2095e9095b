"""Read a command's arguments once, and check every key and class in them before the parser sees any.

The parser itself overlooks an unknown key whose value is an empty mapping, names no key that is near, and calls any
function that stands where a class is expected. Here each config file, and each ``--key`` of the command line, is
followed through the tree of keys; the parser gets the files as text, and opens none by itself.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentParser

from atft.commands.class_paths import check_classes
from atft.commands.key_tree import (
    Inside,
    Linked,
    Option,
    Tree,
    alternatives,
    arguments_of,
    classes_in,
    inside_of,
    nearest_key,
    paths_in,
    tree_of,
)
from atft.commands.moved_keys import check_moved, is_settled
from atft.commands.parser_errors import kinds_of
from atft.commands.shipped_configs import config_path
from atft.errors import InputError, clip
from atft.yaml_text import OutOfBounds, load, read_mapping

MAX_QUOTED = 60
"""Characters of a user's own text in a message."""


def read_arguments(
    parser: ArgumentParser, arguments: Sequence[Any] | Mapping[str, Any], command: str = ""
) -> tuple[Tree, Any]:
    """Read the config files of a command's arguments, and check all keys and classes.

    Args:
        parser: what takes the keys.
        arguments: the words of a command line, or a nested mapping of keys. After ``--config`` a mapping may
            stand for a file.
        command: its name, where the keys are its alone; see `moved_keys`.

    Returns:
        The keys that the parser takes, and the arguments for it, config files as YAML text.

    Raises:
        InputError: a config file cannot be read, a key is unknown (the line names the nearest one), a section is
            not a mapping, or a class is none of its key's kind.
    """
    tree = tree_of(parser)
    walk = KeyWalk(tree, command)
    if isinstance(arguments, Mapping):
        arguments = deepcopy(dict(arguments))
        check_classes(arguments)
        walk.follow(arguments)
        return tree, arguments
    options = {option for action in parser._actions for option in action.option_strings}
    words: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if name.startswith("-c") and name != "-c":  # -cFILE is -c FILE
            name, equals, value = "-c", "=", word[2:]
        follows = None if not rest or str(rest[0]).startswith("--") else rest[0]
        text = value if equals else follows
        if name in ("-c", "--config") and text is not None:
            if not equals:
                rest.pop(0)
            config = deepcopy(dict(text)) if isinstance(text, Mapping) else read_mapping(_file(text, command))
            check_classes(config)
            walk.follow(config, "" if isinstance(text, Mapping) else f"{clip(text, MAX_QUOTED)}: ")
            words += ["--config", yaml.safe_dump(config, sort_keys=False)]
            continue
        if name.startswith("--") and len(name) > 2:
            key, known = name[2:], name in options
            parsed = _value_of(name, text)
            check_classes(parsed, key.rstrip("+").removesuffix(".class_path"))
            walk.follow_word(key, text, parsed, known)
        words.append(word)
    return tree, words


class KeyWalk:
    """Follow configurations of a command through its tree of keys, later ones over earlier ones."""

    def __init__(self, tree: Tree, command: str = "") -> None:
        self._tree, self._command = tree, command
        self._classes: dict[str, str] = {}  # option -> class_path, the last one given
        self._config: Any = None
        self._where, self._drops = "", False

    def follow(self, config: dict[str, Any], where: str = "", drop: bool = True) -> None:
        """Check a configuration; ``where`` it comes from opens the message.

        Its removed keys that change nothing are dropped, if asked to.

        Raises:
            InputError: the first unknown key, or section that is no mapping.
        """
        self._config, self._where, self._drops = config, where, drop
        self._section(self._tree, config, "")

    def follow_word(self, name: str, text: Any, value: Any, known: bool) -> None:
        """Check a ``--name`` of the command line and its value, as written and as YAML reads it.

        What the parser lists is ``known``, though it may be no key of a config, as ``--print_config`` is none.

        Raises:
            InputError: see `follow`; or the value is empty where that could mean null or an empty word.
        """
        node = self._node(name)
        if text == "" and isinstance(node, Option) and type(None) in alternatives(node.hint):
            raise InputError(f"--{name} is empty; write a value, or null for none")
        if known and (node is None or text is None):
            return
        nested = value
        for key in reversed(name.split(".")):
            nested = {key: nested}
        self.follow(nested, drop=False)

    def _node(self, name: str) -> Any:
        """What the tree has at a dotted key: a section, an option, or None."""
        node: Any = self._tree
        for key in name.removesuffix("+").split("."):
            node = node.get(key) if isinstance(node, dict) else None
        return node

    def _section(self, tree: Tree, config: Any, path: str) -> None:
        if not isinstance(config, dict):
            raise InputError(
                f"{self._where}{path} is a section of keys, got {_kind(config)}; "
                f"write its keys under it, or leave it out"
            )
        for key, value in list(config.items()):
            first, dot, rest = str(key).partition(".")
            dotted = bool(dot) and first in tree
            if dotted:
                value = {rest: value}
            else:
                first = str(key)
            node = tree.get(first)
            if node is None and first.endswith("+"):
                node = tree.get(first[:-1])
                node = node if isinstance(node, Option) and node.appends else None
            below = f"{path}.{first}" if path else first
            if node is None and self._drops and is_settled(below, value, self._command):
                del config[key]
                continue
            if node is None:
                check_moved(below, self._where, self._command)
                classes = self._classes | dict(classes_in(self._config))
                meant = nearest_key(first, path, tree, paths_in(self._tree, classes))
                raise InputError(f"{self._where}unknown key {clip(below, MAX_QUOTED)!r}{meant}")
            if isinstance(node, Linked):
                raise InputError(
                    f"{self._where}{below} is taken from {' and '.join(node.sources)}; leave it out"
                )
            if isinstance(node, dict):
                self._section(node, value, below)
            else:
                self._option(node.hint, value, below)
            if dotted and not value:  # all of it was dropped
                del config[key]

    def _option(self, hint: Any, value: Any, path: str) -> None:
        inside = inside_of(hint)
        if value is None and not {Any, type(None)} & set(alternatives(hint)):
            raise InputError(
                f"{self._where}{path} takes {kinds_of(hint)}, got null; leave it out for its default"
            )
        if isinstance(value, str) and "\0" in value:
            raise InputError(
                f"{self._where}{path} holds a NUL character: {clip(value, MAX_QUOTED)!r}; take it out"
            )
        if isinstance(value, list):
            for number, element in enumerate(value if inside.item is not None else []):
                self._option(inside.item, element, f"{path}[{number}]")
            return
        if isinstance(value, str) and inside.base is not None:
            # The parser would read a file instead of a class, and its keys without a check.
            if len(value) <= MAX_QUOTED and Path(value).is_file():
                raise InputError(f"{self._where}{path} names a file, {value!r}; write its keys here")
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
            raise InputError(f"{self._where}{path} takes a value, not a section of keys")

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


def _value_of(name: str, text: Any) -> Any:
    """Read a word of the command line as YAML; text that is no YAML stands for itself."""
    try:
        return "" if text == "" else load(text or "")
    except OutOfBounds as error:
        raise InputError(f"{name}: {error.problem}") from error
    except yaml.YAMLError:
        return text


def _file(text: str, command: str) -> Path:
    """What ``--config`` names; training commands, whose keys are not theirs alone, take a shipped config too."""
    return Path(text) if command else config_path(text)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    return (
        clip(repr(value), MAX_QUOTED) if isinstance(value, (str, int, float)) else f"a {type(value).__name__}"
    )
