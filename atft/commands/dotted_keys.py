"""One form for the keys of a config: ``data.loader.lookback: 7`` and ``data: {loader: {lookback: 7}}`` are alike.

The parser would replace a section that a file writes in both forms: what was read before in it would be lost.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from atft.errors import InputError


def nested_keys(config: Mapping[str, Any], is_section: Callable[[str], bool]) -> dict[str, Any]:
    """A configuration with each section as one mapping, however its keys were written.

    Inside of other values nothing changes: a name there may have dots of its own, as that of a loss term.

    Args:
        config: nested mappings, or dotted keys, or both.
        is_section: whether a dotted key is a section of keys.

    Raises:
        InputError: a key is given in both forms.
    """
    for key, count in Counter(_leaves(config)).items():
        if count > 1:
            raise _twice(key)
    return _nested(config, is_section, "")


def _nested(config: Mapping[str, Any], is_section: Callable[[str], bool], path: str) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    dotted: dict[str, Any] = {}
    for key, value in config.items():
        name, dot, rest = str(key).partition(".")
        if dot and is_section(f"{path}{name}"):
            key, value, dot = name, {rest: value}, ""
        # Dots into an option come last: its own value would replace them.
        found = dotted if dot else plain
        found[key] = _joined(found[key], value, f"{path}{key}") if key in found else value
    for name, value in plain.items():
        if isinstance(value, Mapping) and is_section(f"{path}{name}"):
            plain[name] = _nested(value, is_section, f"{path}{name}.")
    return plain | dotted


def _joined(one: Any, other: Any, path: str) -> Any:
    """Two mappings of one key as one, with those that both have joined alike."""
    if not (isinstance(one, Mapping) and isinstance(other, Mapping)):
        raise _twice(path)
    both = {key: _joined(one[key], other[key], f"{path}.{key}") for key in one if key in other}
    return {**one, **other, **both}


def _leaves(config: Mapping[str, Any], parent: str = "") -> Iterator[str]:
    """The dotted key of each value that is no mapping; one that is written in two forms comes twice."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{parent}{key}.")
        else:
            yield f"{parent}{key}"


def _twice(key: str) -> InputError:
    return InputError(f"{key} is given twice, with dots and in its section; write it once")
