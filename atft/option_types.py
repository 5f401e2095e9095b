"""The values of options that Python code gives, checked against their annotations before they are used.

The command line's parser does the same for configs. A type that is wrong would otherwise raise somewhere deep
inside, or be read as something else: the text ``"x_*"`` as three patterns. What may stand for another type, such as
a date or a number of numpy, becomes what a config has in its place, so that both have one digest.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import date
from inspect import get_annotations
from math import inf
from numbers import Integral, Real
from os import PathLike, fspath
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from atft.errors import InputError, clip

WORDS = {
    str: ("a text", "texts"),
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    bool: ("true or false", "truth values"),
}
PLAIN = (str, bool, int, float, list, tuple, dict, NoneType)
"""Types whose values a message shows; of others it names the class."""


def check_option_types(
    key: str, options: Any, texts: tuple[type, ...] = (), but: Collection[str] = ()
) -> None:
    """Check that each field of an options dataclass has the type that it is annotated with.

    What may stand for that type is replaced by what `as_in_config` makes of it.

    Args:
        key: where the options stand in a config, for messages: ``data.loader``.
        options: the dataclass's instance.
        texts: types that may stand for a text, because they are written as one: paths, dates.
        but: fields that have a check of their own.
    """
    for field in fields(options):
        value = getattr(options, field.name)
        if field.name not in but:
            check_type(f"{key}.{field.name}", value, field.type, texts)
        object.__setattr__(options, field.name, as_in_config(value))


def check_least(prefix: str, options: Any, most: float = inf, **least: float) -> None:
    """Check that numbers of an options dataclass are finite and at least what is given by their names; null passes.

    Args:
        prefix: put before a name in the message: ``data.loader.``.
        most: the largest that each of them may be, where one number too large would cost memory without end.
    """
    for name, bound in least.items():
        value = getattr(options, name)
        if value is not None and not (bound <= value <= most and value < inf):
            most_text = f" and at most {most:,}" if most < inf else "" if value < bound else " and finite"
            raise InputError(f"{prefix}{name} must be at least {bound}{most_text}, got {value}")


def check_arguments(kind: type, arguments: Mapping[str, Any]) -> None:
    """Check that arguments of a class, by name, have the types of its constructor."""
    hints = get_annotations(kind.__init__)  # type: ignore[misc]
    for name, value in arguments.items():
        check_type(f"{kind.__name__}.{name}", value, hints[name])


def check_type(key: str, value: Any, hint: Any, texts: tuple[type, ...] = ()) -> None:
    """Check that a value has the type of an annotation; arguments are those of `check_option_types`.

    Of a list the elements count, of a mapping its values, each under its own key.
    """
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    kind = next((kind for kind in kinds if _has_type(value, kind, texts)), None)
    if kind is None:
        shown = clip(repr(value), 60) if isinstance(value, PLAIN) else _with_article(type(value))
        raise InputError(f"{key} must be {' or '.join(_words(kind) for kind in kinds)}, got {shown}")
    if get_origin(kind) is dict:
        for name, inner in value.items():
            check_type(f"{key}.{name}", inner, get_args(kind)[1], texts)


def as_in_config(value: Any) -> Any:
    """A value as a config has it: numbers of Python, dates and paths as texts, lists; any other as it is."""
    match value:
        case bool() | str():
            return value
        case Integral():
            return int(value)
        case Real():
            return float(value)
        case date():
            return value.isoformat()
        case PathLike():
            return fspath(value)
        case Mapping():
            return {as_in_config(name): as_in_config(inner) for name, inner in value.items()}
        case Sequence():
            return [as_in_config(inner) for inner in value]
    return value


def _has_type(value: Any, kind: Any, texts: tuple[type, ...]) -> bool:
    """Whether a value has a type that is no union; of a mapping only that it is one."""
    origin = get_origin(kind)
    if kind is Any:
        return True
    if origin is Literal:
        return isinstance(value, str) and value in get_args(kind)
    if origin is list:
        is_list = isinstance(value, Sequence) and not isinstance(value, str | bytes)
        return is_list and all(_has_type(each, get_args(kind)[0], texts) for each in value)
    if origin is dict:
        return isinstance(value, Mapping)
    if kind in (int, float):  # numpy's too; true is no 1
        return isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
    return isinstance(value, (kind, *texts) if kind is str else kind)


def _words(kind: Any) -> str:
    origin = get_origin(kind)
    if kind is NoneType:
        return "null"
    if origin is Literal:
        return f"one of {', '.join(get_args(kind))}"
    if origin is list:
        return f"a list of {WORDS.get(get_args(kind)[0], ('', 'records'))[1]}"
    if origin is dict:
        return "a mapping"
    return WORDS[kind][0] if kind in WORDS else _with_article(kind)


def _with_article(kind: type) -> str:
    return f"{'an' if kind.__name__[0] in 'AEIOUaeiou' else 'a'} {kind.__name__}"
