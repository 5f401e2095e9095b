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
from jsonargparse._typehints import resolve_class_path_by_name

from atft.commands.arguments import read_words
from atft.commands.class_paths import EXAMPLES, find_class
from atft.commands.key_tree import (
    Inside,
    Linked,
    Option,
    Tree,
    alternatives,
    arguments_of,
    default_classes,
    inside_of,
    nearest_key,
    node_at,
    paths_in,
    tree_of,
)
from atft.commands.moved_keys import WITH_OWN_KEYS, check_moved, is_settled
from atft.commands.parser_errors import kinds_of, parser_errors
from atft.commands.shipped_configs import config_path
from atft.errors import InputError, clip
from atft.yaml_text import DOTTED, OutOfBounds, load, read_mapping

MAX_QUOTED = 60
"""Characters of a user's own text in a message."""


def parse(parser: ArgumentParser, arguments: Sequence[Any] | Mapping[str, Any], command: str) -> Any:
    """Parse a command's arguments: the words of a command line, or a nested mapping of keys.

    Among words a mapping after ``--config`` is the configuration of a checkpoint.

    Raises:
        InputError: a config file cannot be read, a key is unknown (the line names the nearest one), a section is
            not a mapping, a class is none of its key's kind, or the parser does not accept a value.
    """
    walk = KeyWalk(parser, command)
    if isinstance(arguments, Mapping):
        plain = deepcopy(dict(arguments))
        walk.follow(plain)
        with parser_errors(command, walk.tree):
            return parser.parse_object(plain)
    words = checked_words(walk, arguments)
    with parser_errors(command, walk.tree):
        return parser.parse_args(words)


def checked_words(walk: "KeyWalk", arguments: Sequence[Any]) -> list[str]:
    """The words of a command line once their keys are checked, config files as YAML text."""
    words: list[str] = []
    for name, value, written in read_words(arguments):
        if name == "--config" and value is not None:
            if isinstance(value, Mapping):
                where, config = "the checkpoint's configuration: ", deepcopy(dict(value))
            else:  # training commands take a shipped config too
                file = Path(value) if walk.command in WITH_OWN_KEYS else config_path(value)
                where, config = f"{clip(value, MAX_QUOTED)}: ", read_mapping(file)
            walk.follow(config, where)
            words += ["--config", yaml.safe_dump(config, sort_keys=False)]
            continue
        if name.startswith("--") and len(name) > 2:
            walk.follow_word(name, value)
        words += written
    return words


class KeyWalk:
    """Follow configurations of a command through its tree of keys, later ones over earlier ones."""

    def __init__(self, parser: ArgumentParser, command: str = "") -> None:
        self.tree, self.command = tree_of(parser), command
        self._options = {option for action in parser._actions for option in action.option_strings}
        self._chosen: dict[str, Tree | None] = {}  # option -> arguments of its class, the last one named
        self._unknown: list[tuple[str, str, Tree]] = []  # key, its section, keys of the section
        self._drops = False
        for key, class_path in default_classes(parser).items():
            self._choose(inside_of(node_at(self.tree, key).hint), class_path, key)

    def follow(self, config: dict[str, Any], where: str = "", drop: bool = True) -> None:
        """Check a configuration; ``where`` it comes from opens a message.

        Its removed keys that change nothing are dropped, if asked to.
        """
        self._drops = drop
        try:
            self._section(self.tree, config, "")
            if self._unknown:  # named now, when the arguments of all classes are known
                key, section, siblings = self._unknown[0]
                path = f"{section}.{key}" if section else key
                meant = nearest_key(key, section, siblings, paths_in(self.tree, self._chosen))
                raise InputError(f"unknown key {clip(path, MAX_QUOTED)!r}{meant}")
        except InputError as error:
            raise InputError(f"{where}{error}") from error

    def follow_word(self, name: str, text: Any) -> None:
        """Check a ``--name`` of the command line and its value, as written.

        What the parser lists is known, though it may be no key of a config, as ``--print_config`` is none. An empty
        value is an error where it could mean null or an empty word.
        """
        node = node_at(self.tree, name[2:])
        if text == "" and isinstance(node, Option) and type(None) in alternatives(node.hint):
            raise InputError(f"{name} is empty; write a value, or null for none")
        nested = _value_of(name, text)
        if name in self._options and (node is None or text is None):
            return
        for key in reversed(name[2:].split(".")):
            nested = {key: nested}
        self.follow(nested, drop=False)

    def _section(self, tree: Tree, config: Any, path: str) -> None:
        if not isinstance(config, dict):
            came = "null" if config is None else f"a {type(config).__name__}"
            if isinstance(config, str | int | float):
                came = clip(repr(config), MAX_QUOTED)
            raise InputError(
                f"{path} is a section of keys, got {came}; write its keys under it, or leave it out"
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
                node = node if isinstance(node, Option) and inside_of(node.hint).item is not None else None
            below = f"{path}.{first}" if path else first
            if node is None and self._drops and is_settled(below, value, self.command):
                del config[key]
                continue
            if node is None:
                check_moved(below, command=self.command)
                self._unknown.append((first, path, tree))
            elif isinstance(node, Linked):
                raise InputError(f"{below} is taken from {' and '.join(node.sources)}; leave it out")
            elif isinstance(node, dict):
                self._section(node, value, below)
            else:
                self._option(node.hint, value, below)
            if dotted and not value:  # all of it was dropped
                del config[key]

    def _option(self, hint: Any, value: Any, path: str) -> None:
        inside = inside_of(hint)
        if value is None and not {Any, type(None)} & set(alternatives(hint)):
            raise InputError(f"{path} takes {kinds_of(hint)}, got null; leave it out for its default")
        if isinstance(value, str) and "\0" in value:
            raise InputError(f"{path} holds a NUL character: {clip(value, MAX_QUOTED)!r}; take it out")
        if isinstance(value, list):
            for number, element in enumerate(value if inside.item is not None else []):
                self._option(inside.item, element, f"{path}[{number}]")
            return
        if isinstance(value, str) and inside.bases:
            # The parser would read a file instead of a class, and its keys without a check.
            if len(value) <= MAX_QUOTED and Path(value).is_file():
                raise InputError(f"{path} names a file, {value!r}; write its keys here")
            # Where any word may stand, one with dots names a class only if the key is known for its classes.
            names_a_class = path in EXAMPLES or str not in alternatives(hint)
            if value.isidentifier() or (names_a_class and DOTTED.fullmatch(value)):
                self._choose(inside, value, path)
        if inside.tree is not None and isinstance(value, str | Mapping):
            self._section(inside.tree, value, path)
        elif not isinstance(value, Mapping):
            return
        elif inside.bases:
            self._class(inside, value, path)
        elif inside.item is not None and not inside.free:
            self._option(inside.item, value, path)
        elif not inside.free:
            if path.partition("[")[0] == "model.metrics":
                raise InputError(
                    f"{path} takes a dotted name; a metric's options are its function's defaults"
                )
            raise InputError(f"{path} takes a value, not a section of keys")

    def _class(self, inside: Inside, config: Mapping[str, Any], path: str) -> None:
        if "class_path" in config:
            self._choose(inside, config["class_path"], path)
        known = self._chosen.get(path)
        tree: Tree = {"class_path": Option(str), "init_args": known or {}, "dict_kwargs": Option(dict)}
        if known is None:  # the parser knows its arguments
            tree["init_args"] = Option(dict)
        elif not {"class_path", "init_args"} & set(config):
            tree = known | tree  # over a class chosen before, its arguments may stand alone
        self._section(tree, {k: v for k, v in config.items() if k != "init_args" or v is not None}, path)

    def _choose(self, inside: Inside, class_path: Any, path: str) -> None:
        self._chosen[path] = None
        if isinstance(class_path, str) and class_path.isidentifier():  # the name of a known subclass
            try:
                class_path = resolve_class_path_by_name(inside.bases, class_path)
            except ValueError as error:
                raise InputError(f"{path}: {error}") from error
            if "." not in class_path:
                return
        self._chosen[path] = arguments_of(find_class(path, class_path, inside.bases), inside.positional)


def _value_of(name: str, text: Any) -> Any:
    """Read a word of the command line as YAML; text that is no YAML stands for itself."""
    try:
        return "" if text == "" else load(text or "")
    except OutOfBounds as error:
        raise InputError(f"{name}: {error.problem}") from error
    except yaml.YAMLError:
        return text
