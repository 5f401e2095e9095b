"""Build a dataclass from what a YAML file holds: each value of its field's type, or refused with its dotted key."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from atft.commands.moved_keys import check_moved
from atft.errors import InputError, nearest
from atft.yaml_text import read_value

Options = TypeVar("Options")
WORDS: dict[Any, str] = {
    str: "a word",
    int: "a whole number",
    float: "a number",
    type(None): "null",
    list: "a list",
}
"""Types as a message names them; any other is a mapping."""


def typed(kind: type[Options], given: Mapping[str, Any], inside: str = "") -> Options:
    """Build a dataclass from plain values; nested mappings become the dataclasses that its fields name.

    A whole number stands for a float, and text that reads as a number, a list or null for what it says; true is
    no number.

    Args:
        kind: the dataclass.
        given: plain values by field.
        inside: prefix of the keys in messages.

    Raises:
        InputError: a key that no field has, a value of another type, or a field without a default left out.
    """
    hints = get_type_hints(kind)
    values = {}
    for key, value in given.items():
        if key not in hints:
            check_moved(inside + str(key), command="sweep")
            raise InputError(f"unknown key {inside + str(key)!r:.60}{nearest(str(key), hints)}")
        values[key] = _value(hints[key], value, inside + key)
    for known in fields(kind):  # type: ignore[arg-type]
        if known.default is MISSING and known.default_factory is MISSING and known.name not in given:
            raise InputError(f"the key {inside + known.name!r:.60} is missing")
    return kind(**values)


def _value(kind: Any, value: Any, key: str) -> Any:
    if is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, Mapping):
            raise InputError(
                f"{key} must be a mapping of {', '.join(get_type_hints(kind))}, got {value!r:.60}"
            )
        return typed(kind, value, f"{key}.")
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise InputError(f"{key}: no {value!r:.60}{nearest(str(value), get_args(kind))}")
        return value
    allowed = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    if isinstance(value, str) and str not in allowed:
        value = read_value(value)
    plain = tuple(get_origin(a) or a for a in allowed)
    if float in plain and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) not in plain:
        wanted = " or ".join(WORDS.get(a, "a mapping") for a in plain)
        raise InputError(f"{key} must be {wanted}, got {value!r:.60}")
    return value
