"""The keys that a parser takes, as a tree: what may stand under a key, at any depth, and which one was meant.

Sections and options come from the parser's own list, fields of dataclasses and arguments of chosen classes from
their signatures. The tree knows keys only: whether a value is of its type is the parser's business.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from difflib import SequenceMatcher
from functools import cache
from importlib import import_module
from pathlib import Path
from sys import modules
from types import UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from jsonargparse import ArgumentParser
from jsonargparse._link_arguments import ActionLink

from atft.errors import listed

MIN_SIMILARITY = 0.6
"""Least similarity (difflib's ratio) of two names of one section for one to be offered for the other."""
CLOSE_SIMILARITY = 0.8
"""The same for a name of another section, and for a name of this one to be preferred to those of others."""


@dataclass(frozen=True)
class Option:
    """A key with a value of some type; where it ``appends``, ``key+`` adds to its list."""

    hint: Any
    appends: bool = False


@dataclass(frozen=True)
class Linked:
    """A key that is never set: its value is taken from other keys."""

    sources: tuple[str, ...]


Tree = dict[str, Any]
"""Key -> another `Tree` (a section), an `Option` or a `Linked` key."""


class Inside(NamedTuple):
    """What may stand inside the value of an option."""

    tree: Tree | None = None
    """Keys of a mapping: the fields of a dataclass."""
    item: Any = None
    """Type of an element of a list."""
    base: Any = None
    """Base class of what ``class_path`` names; the keys are then ``class_path`` and ``init_args``."""
    positional: int = 0
    """Arguments that the program gives such a class by itself."""
    free: bool = False
    """Whether a mapping may have any keys."""


def tree_of(parser: ArgumentParser) -> Tree:
    """Every key that a parser takes, nested as in a config."""
    tree: Tree = {}
    for name in parser.groups or {}:
        if isinstance(name, str):
            _section(tree, name.split("."))
    for action in parser._actions:
        if isinstance(action, ActionLink):
            *parents, last = action.target[0].split(".")
            _section(tree, parents)[last] = Linked(tuple(key for key, _ in action.source))
            continue
        *parents, last = action.dest.split(".")
        if last in ("help", "print_config", "print_shtab", "config") or hasattr(action, "_basetype"):
            continue
        if any(option.startswith("--") for option in action.option_strings):
            hint = getattr(action, "_typehint", None) or action.type or bool
            appends = any(option.endswith("+") for option in action.option_strings)
            _section(tree, parents).setdefault(last, Option(hint, appends))
    return tree


def _section(tree: Tree, path: Iterable[str]) -> Tree:
    for key in path:
        tree = tree.setdefault(key, {})
    return tree


def inside_of(hint: Any) -> Inside:
    """What may stand inside a value of this type."""
    inside = Inside()
    for kind in alternatives(hint):
        origin, arguments = get_origin(kind), get_args(kind)
        if is_dataclass(kind) and isinstance(kind, type):
            inside = inside._replace(tree={**(inside.tree or {}), **fields_of(kind)})
        elif kind is Any or kind is dict or (isinstance(origin, type) and issubclass(origin, Mapping)):
            inside = inside._replace(free=True)
        elif origin is not None and isinstance(origin, type) and issubclass(origin, Callable):  # type: ignore[arg-type]
            if arguments:  # bare Callable names no class
                inside = inside._replace(base=arguments[-1], positional=len(arguments[0]))
        elif isinstance(origin, type) and issubclass(origin, Iterable):
            inside = inside._replace(item=arguments[0] if arguments else Any)
        elif isinstance(kind, type) and kind.__module__ != "builtins" and not issubclass(kind, Path):
            inside = inside._replace(base=kind)
    return inside


def alternatives(hint: Any) -> list[Any]:
    """The members of a union, or the type alone."""
    if get_origin(hint) in (Union, UnionType):
        return [kind for member in get_args(hint) for kind in alternatives(member)]
    return [hint]


def fields_of(kind: type) -> Tree:
    """The keys of a dataclass."""
    hints = get_type_hints(kind)
    return {field.name: Option(hints[field.name]) for field in fields(kind) if field.init}


def arguments_of(class_path: str, inside: Inside) -> Tree | None:
    """The keys of ``init_args`` of a class, or None where the class is not known here.

    Only classes of the libraries at hand are looked at; one of the user's own is left to the parser, which
    imports it after its own checks.

    Args:
        class_path: dotted path, or the bare name of a subclass.
        inside: what the option takes: base class, and arguments given by the program.
    """
    kind = _class(class_path, inside.base)
    return _arguments(kind, inside.positional) if isinstance(kind, type) else None


@cache
def _arguments(kind: type, positional: int) -> Tree | None:
    parser = ArgumentParser(exit_on_error=False)
    try:
        parser.add_class_arguments(kind, None, fail_untyped=False, skip={positional} if positional else None)
    except (ValueError, TypeError):
        return None
    tree = tree_of(parser)
    tree.pop(kind.__name__, None)  # the title under which help lists them
    return tree


def _class(class_path: str, base: Any) -> Any:
    module, _, name = class_path.rpartition(".")
    if not module:
        return next((kind for kind in _subclasses(base) if kind.__name__ == name), None)
    if module not in modules and module.partition(".")[0] not in ("atft", "torch", "lightning"):
        return None
    try:
        return getattr(import_module(module), name, None)
    except ImportError:
        return None


def _subclasses(base: Any) -> Iterator[type]:
    below: list[type] = base.__subclasses__() if isinstance(base, type) else []
    for kind in below:
        yield kind
        yield from _subclasses(kind)


def paths_in(tree: Tree, classes: Mapping[str, str], above: str = "") -> Iterator[str]:
    """Every key of a tree by its dotted path; of a chosen class, its arguments too.

    Args:
        tree: the keys.
        classes: path of an option -> the class chosen for it.
        above: prefix of the paths.
    """
    for key, node in tree.items():
        path = f"{above}{key}"
        if isinstance(node, Linked):
            continue
        yield path
        if isinstance(node, dict):
            yield from paths_in(node, classes, f"{path}.")
            continue
        inside = inside_of(node.hint)
        if inside.tree is not None:
            yield from paths_in(inside.tree, classes, f"{path}.")
        if inside.base is not None and path in classes:
            yield from paths_in(arguments_of(classes[path], inside) or {}, {}, f"{path}.init_args.")


def classes_in(config: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Path and ``class_path`` of each option of a configuration that chooses a class."""
    if not isinstance(config, Mapping):
        return
    for key, value in config.items():
        if key == "class_path" and isinstance(value, str):
            yield path, value
        else:
            yield from classes_in(value, f"{path}.{key}" if path else str(key))


def nearest_key(key: str, section: str, tree: Tree, paths: Iterable[str]) -> str:
    """Say which key was probably meant by an unknown one, or list the known ones.

    The nearest of its section comes first, then one of that name elsewhere, then one like it elsewhere.

    Args:
        key: the unknown key.
        section: dotted path of its section; empty at the top.
        tree: keys of that section.
        paths: all known keys by their dotted paths.
    """
    inside = f"{section}." if section else ""
    siblings = [name for name, node in tree.items() if not isinstance(node, Linked)]
    beside = _most_similar(key, siblings, MIN_SIMILARITY)
    if beside and similarity(key, beside) >= CLOSE_SIMILARITY:
        return _meant([inside + beside])
    others: dict[str, list[str]] = {}  # last part -> paths
    for path in paths:
        others.setdefault(path.rpartition(".")[2], []).append(path)
    elsewhere = _most_similar(key.rpartition(".")[2], others, CLOSE_SIMILARITY)
    if elsewhere:
        return _meant(others[elsewhere])
    return _meant([inside + beside]) if beside else f"; known: {listed(siblings)}"


def _most_similar(name: str, known: Iterable[str], least: float) -> str | None:
    scored = sorted((-similarity(name, other), other) for other in known)
    return scored[0][1] if scored and -scored[0][0] >= least else None


def similarity(one: str, other: str) -> float:
    """How alike two names are, 0 to 1: difflib's ratio; more for one word of the other, or the same letters."""
    if len(one) == len(other) > 1 and sorted(one) == sorted(other):
        return 0.95
    ratio = SequenceMatcher(None, one, other).ratio()
    return max(ratio, CLOSE_SIMILARITY) if one in other.split("_") else ratio


def _meant(paths: list[str]) -> str:
    return f"; did you mean {' or '.join(repr(p) for p in paths[:2])}?"
