"""Read a command's arguments once, and check every key and class in them before the parser sees any.

The parser itself overlooks an unknown key whose value is an empty mapping, names no key that is near, and calls any
function that stands where a class is expected. Here each config file, and each ``--key`` of the command line, is
followed through the tree of keys; the parser gets the files as text, and opens none by itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_origin

import yaml
from jsonargparse import ArgumentParser
from jsonargparse._typehints import resolve_class_path_by_name

from atft.commands.arguments import read_words, with_home
from atft.commands.class_paths import EXAMPLES, find_class
from atft.commands.dotted_keys import nested_keys
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
from atft.commands.parser_errors import kinds_of, parser_errors
from atft.commands.shipped_configs import config_path
from atft.errors import InputError, clip
from atft.files.yaml_text import DOTTED, OutOfBounds, dump, load, read_mapping

WITH_OWN_KEYS = ("features", "simulate", "sweep")
"""Commands whose keys are theirs alone, so that they take no shipped config."""

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
        config = deepcopy(walk.follow(arguments))
        with parser_errors(command, walk.tree, walk.chosen):
            return parser.parse_object(config)
    words = checked_words(walk, arguments)
    with parser_errors(command, walk.tree, walk.chosen):
        return parser.parse_args(words)


def checked_words(walk: "KeyWalk", arguments: Sequence[Any]) -> list[str]:
    """The words of a command line once their keys are checked, config files as YAML text and before the others.

    The parser lets the later word win, and a key on the command line wins over every file.
    """
    words: list[str] = []
    for name, value, written in sorted(read_words(arguments), key=lambda word: word.name != "--config"):
        if name == "--config" and value is not None:
            if isinstance(value, Mapping):
                where, config = "the checkpoint's configuration: ", value
            else:  # training commands take a shipped config too
                file = Path(value) if walk.command in WITH_OWN_KEYS else config_path(value)
                where, config = f"{clip(value, MAX_QUOTED)}: ", read_mapping(file)
            words += ["--config", dump(walk.follow(config, where))]
            continue
        if name.startswith("--") and len(name) > 2:
            walk.follow_word(name, value)
        words += written
    return words


class Unknown(NamedTuple):
    """A key that its section does not have."""

    section: str
    key: str
    siblings: Tree

    @property
    def path(self) -> str:
        """Its dotted path."""
        return f"{self.section}.{self.key}" if self.section else self.key


class KeyWalk:
    """Follow configurations of a command through its tree of keys, later ones over earlier ones.

    The methods that walk raise InputError at a value that its key cannot take, but yield unknown keys: which key
    was meant can be said at the end of the configuration only, when the arguments of every class are known.
    """

    def __init__(self, parser: ArgumentParser, command: str = "") -> None:
        self.tree, self.command = tree_of(parser), command
        self._options = {option for action in parser._actions for option in action.option_strings}
        self.chosen: dict[str, Tree | None] = {}
        """Option -> arguments of its class, the last one named; None where only the parser knows them."""
        for key, class_path in default_classes(parser).items():
            self._choose(inside_of(node_at(self.tree, key).hint), class_path, key)

    def follow(self, config: Mapping[str, Any], where: str = "") -> dict[str, Any]:
        """Check a configuration, and return it nested; ``where`` it comes from opens a message."""
        try:
            kept = nested_keys(with_home(config), lambda key: isinstance(node_at(self.tree, key), dict))
            for unknown in list(self._section(self.tree, kept, "")):
                known = paths_in(self.tree, self.chosen)
                meant = nearest_key(unknown.key, unknown.section, unknown.siblings, known)
                raise InputError(f"unknown key {clip(unknown.path, MAX_QUOTED)!r}{meant}")
        except InputError as error:
            raise InputError(f"{where}{error}") from error
        return kept

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
        self.follow(nested)

    def _section(self, tree: Tree, config: Any, path: str) -> Iterator[Unknown]:
        """Follow each key of a section, or of a mapping that has its own tree."""
        if not isinstance(config, Mapping):
            came = "null" if config is None else f"a {type(config).__name__}"
            if isinstance(config, str | int | float):
                came = clip(repr(config), MAX_QUOTED)
            raise InputError(
                f"{path} is a section of keys, got {came}; write its keys under it, or leave it out"
            )
        for key, value in config.items():
            name, dot, rest = str(key).partition(".")
            if dot and name in tree:  # a.b: 1 is a: {b: 1}
                value = {rest: value}
            else:
                name = str(key)
            node, below = _node_of(tree, name), f"{path}.{name}" if path else name
            if node is None:
                yield Unknown(path, name, tree)
            elif isinstance(node, Linked):
                raise InputError(f"{below} is taken from {' and '.join(node.sources)}; leave it out")
            elif isinstance(node, dict):
                yield from self._section(node, value, below)
            else:
                yield from self._option(node.hint, value, below)

    def _option(self, hint: Any, value: Any, path: str) -> Iterator[Unknown]:
        """Follow the value of an option as far as it has keys: into lists, dataclasses and classes."""
        inside = inside_of(hint)
        if value is None and not {Any, type(None)} & set(alternatives(hint)):
            raise InputError(f"{path} takes {kinds_of(hint)}, got null; leave it out for its default")
        if isinstance(value, list):
            for number, element in enumerate(value if inside.item is not None else []):
                yield from self._option(inside.item, element, f"{path}[{number}]")
            return
        if isinstance(value, str):
            self._word(hint, inside, value, path)
        if inside.tree is not None and isinstance(value, str | Mapping):
            yield from self._section(inside.tree, value, path)
        elif not isinstance(value, Mapping):
            return
        elif inside.bases:
            yield from self._class(inside, value, path)
        elif inside.item is not None and not inside.free:  # the only one of a list
            yield from self._option(inside.item, value, path)
        elif not inside.free:
            if path.partition("[")[0] == "model.metrics":
                raise InputError(
                    f"{path} takes a dotted name; a metric's options are its function's defaults"
                )
            raise InputError(f"{path} takes a value, not a section of keys")

    def _word(self, hint: Any, inside: Inside, value: str, path: str) -> None:
        """Check a word, which may name the class of its option."""
        if "\0" in value:
            raise InputError(f"{path} holds a NUL character: {clip(value, MAX_QUOTED)!r}; take it out")
        if not inside.bases:
            return
        # The parser would read a file instead of a class, and its keys without a check.
        if len(value) <= MAX_QUOTED and Path(value).is_file():
            raise InputError(f"{path} names a file, {value!r}; write its keys here")
        # Where any word may stand, one with dots names a class only if the key is known for its classes.
        any_word = any(k in (str, int, float) or get_origin(k) is Literal for k in alternatives(hint))
        if not any_word or value.isidentifier() or (path in EXAMPLES and DOTTED.fullmatch(value)):
            self._choose(inside, value, path, any_word)

    def _class(self, inside: Inside, config: Mapping[str, Any], path: str) -> Iterator[Unknown]:
        """Follow ``class_path`` and ``init_args``, the latter by the signature of the class."""
        if "class_path" in config:
            self._choose(inside, config["class_path"], path)
        known = self.chosen.get(path)
        tree: Tree = {"class_path": Option(str), "init_args": known or {}, "dict_kwargs": Option(dict)}
        if known is None:  # the parser knows its arguments
            tree["init_args"] = Option(dict)
        elif not {"class_path", "init_args"} & set(config):
            tree = known | tree  # over a class chosen before, its arguments may stand alone
        config = {k: v for k, v in config.items() if k != "init_args" or v is not None}
        yield from self._section(tree, config, path)

    def _choose(self, inside: Inside, class_path: Any, path: str, any_word: bool = False) -> None:
        """Remember the arguments of the class that an option names; with ``any_word`` a word may be none."""
        self.chosen[path] = None
        if isinstance(class_path, str) and class_path.isidentifier():  # the name of a known subclass
            try:
                class_path = resolve_class_path_by_name(inside.bases, class_path)
            except ValueError as error:
                raise InputError(f"{path}: {error}") from error
            if any_word and "." not in class_path:
                return
        self.chosen[path] = arguments_of(find_class(path, class_path, inside.bases), inside.positional)


def _node_of(tree: Tree, name: str) -> Any:
    """The node of a key; of ``name+``, which adds to a list, that of the list; None for an unknown key."""
    if name in tree or not name.endswith("+"):
        return tree.get(name)
    node = tree.get(name[:-1])
    return node if isinstance(node, Option) and inside_of(node.hint).item is not None else None


def _value_of(name: str, text: Any) -> Any:
    """Read a word of the command line as YAML; text that is no YAML stands for itself."""
    try:
        return "" if text == "" else load(text or "")
    except OutOfBounds as error:
        raise InputError(f"{name}: {error.problem}") from error
    except yaml.YAMLError:
        return text
