"""The keys that a parser takes, as a tree: what may stand under a key, at any depth, and which one was meant.

Sections and options come from the parser's own list, fields of dataclasses and arguments of chosen classes from
their signatures. The tree knows keys only: whether a value is of its type is the parser's business.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from difflib import SequenceMatcher
from functools import cache
from types import UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin

from jsonargparse import ArgumentParser, Namespace, set_dumper
from jsonargparse._link_arguments import ActionLink
from jsonargparse._loaders_dumpers import get_yaml_default_loader
from jsonargparse._typehints import ActionTypeHint

from atft.errors import listed
from atft.files.yaml_text import BoundedLoader, dump

# Words and texts that the parser reads or writes by itself mean what they mean in a config.
_loader: Any = get_yaml_default_loader()  # type: ignore[no-untyped-call]
_loader.yaml_implicit_resolvers = BoundedLoader.yaml_implicit_resolvers
set_dumper("yaml", dump)

CLOSE_SIMILARITY = 0.8
"""Least similarity (difflib's ratio) of two names for one to be offered for the other."""
OWN_SECTION_BONUS = 0.2
"""Added to it for a name of the same section."""


@dataclass(frozen=True)
class Option:
    """A key with a value of some type."""

    hint: Any


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
    bases: tuple[Any, ...] = ()
    """Base classes of what ``class_path`` names; the keys are then ``class_path`` and ``init_args``."""
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
            _section(tree, parents).setdefault(last, Option(hint))
    # A class whose arguments stand alone is a group of the parser too, and no section.
    alone = [name for name, group in (parser.groups or {}).items() if group.dest is None]
    for name in alone:
        if tree.get(name) == {}:
            del tree[name]
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
        if kind is Any:
            inside = inside._replace(free=True)
        elif not isinstance(origin or kind, type):  # a Literal
            continue
        elif isinstance(kind, type) and (is_dataclass(kind) or hasattr(kind, "_fields")):  # or a named tuple
            inside = inside._replace(tree={**(inside.tree or {}), **(arguments_of(kind) or {})})
        elif issubclass(origin or kind, Mapping):
            inside = inside._replace(free=True)
        elif (origin or kind) is Callable:
            if arguments:  # bare Callable names no class
                positional = len(arguments[0]) if isinstance(arguments[0], list) else 0
                inside = inside._replace(bases=tuple(alternatives(arguments[-1])), positional=positional)
        elif origin is not None and issubclass(origin, Iterable):
            inside = inside._replace(item=arguments[0])
        elif ActionTypeHint.is_subclass_typehint(kind):  # type: ignore[no-untyped-call]
            inside = inside._replace(bases=(*inside.bases, kind))
    return inside


def alternatives(hint: Any) -> list[Any]:
    """The members of a union, or the type alone."""
    if get_origin(hint) in (Union, UnionType):
        return [kind for member in get_args(hint) for kind in alternatives(member)]
    return [hint]


@cache
def arguments_of(kind: type, positional: int = 0) -> Tree | None:
    """The keys of a class, its arguments without those that the program gives; None where only the parser knows."""
    parser = ArgumentParser(exit_on_error=False)
    try:
        parser.add_class_arguments(kind, None, fail_untyped=False, skip={positional} if positional else None)
    except (ValueError, TypeError):
        return None
    tree = tree_of(parser)
    tree.pop(kind.__name__, None)  # the title under which help lists them
    return tree


def node_at(tree: Tree, path: str) -> Any:
    """A section, `Option` or `Linked` key at a dotted path, also inside of an option's value; None for no key."""
    node: Any = tree
    for key in path.removesuffix("+").split("."):
        if isinstance(node, Option):
            inside = inside_of(node.hint)
            node = inside.tree if inside.item is None else inside_of(inside.item).tree
        node = node.get(key) if isinstance(node, dict) else None
    return node


def paths_in(tree: Tree, chosen: Mapping[str, Tree | None], above: str = "") -> Iterator[str]:
    """Every key of a tree by its dotted path, with the arguments of a ``chosen`` class: option -> its arguments."""
    for key, node in tree.items():
        path = f"{above}{key}"
        if isinstance(node, Linked):
            continue
        yield path
        if isinstance(node, dict):
            yield from paths_in(node, chosen, f"{path}.")
        else:
            yield from paths_in(inside_of(node.hint).tree or {}, chosen, f"{path}.")
            yield from paths_in(chosen.get(path) or {}, {}, f"{path}.init_args.")


def default_classes(parser: ArgumentParser) -> dict[str, str]:
    """Option -> class that it takes where a config names none."""
    defaults = {action.dest: action.default for action in parser._actions}
    chosen = {key: value for key, value in defaults.items() if isinstance(value, Mapping | Namespace)}
    return {key: value["class_path"] for key, value in chosen.items() if "class_path" in value}


def nearest_key(key: str, section: str, tree: Tree, paths: Iterable[str]) -> str:
    """Say which of the known ``paths`` was probably meant by an unknown key, or list the keys of its section."""
    last = key.rpartition(".")[2]
    scores = {path: similarity(last, path.rpartition(".")[2]) for path in paths}
    siblings = [name for name, node in tree.items() if not isinstance(node, Linked)]
    for name in siblings:
        scores[f"{section}.{name}".lstrip(".")] = similarity(key, name) + OWN_SECTION_BONUS
    best = max(scores.values(), default=0.0)
    if best < CLOSE_SIMILARITY:
        return f"; known: {listed(siblings)}"
    meant = [repr(path) for path, score in scores.items() if score == best]
    return f"; did you mean {' or '.join(meant[:2])}?"


def similarity(one: str, other: str) -> float:
    """How alike two names are, 0 to 1: difflib's ratio; more for one word of the other, or the same letters."""
    if len(one) == len(other) > 1 and sorted(one) == sorted(other):
        return 0.95
    ratio = SequenceMatcher(None, one, other).ratio()
    return max(ratio, CLOSE_SIMILARITY) if one in other.split("_") else ratio
