"""What an evaluation takes from a checkpoint's configuration: the network and the data's schema, as plain data.

A checkpoint may come from anywhere. Its configuration therefore never names what is instantiated, imported or
written to: an explicit list of keys is taken, everything else is left out (trainer, optimiser, callbacks, loggers,
plugins, paths to write to), and a class would have to be on a list of its own. Cost: the caller says again what the
run decided about the machine, for instance ``trainer.precision`` and ``data.cache.dir``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from atft.callbacks.record.atomic_checkpoint import read_checkpoint
from atft.commands.moved_keys import MOVED, REMOVED, check_moved
from atft.errors import InputError
from atft.yaml_text import mapping_of

TAKEN = (
    "model.network",
    "model.objective.target",
    "data.panel.path",
    "data.panel.schema",
    "data.panel.simulate",
    "data.split",
    "data.graph",
    "data.cache.dtype",
    "data.cache.rank",
    "data.cache.zscore",
    "data.cache.min_date",
    "data.cache.infinite_as_missing",
    "data.cache.calendar",
    "data.loader.lookback",
)
"""Keys that a checkpoint decides, with all that is inside of them."""

BLOCKS = (
    *("model.network", "data.panel.schema", "data.panel.simulate", "data.split", "data.graph"),
    "data.cache.calendar",
)
"""Those of them that are mappings; a word there would be read as the name of a file or a class."""

DECISIVE = ("model.network.", "data.panel.", "data.split.", "data.graph.", "data.cache.")
"""Sections whose keys decide what a network is and reads: a former key of them is never overlooked."""

CLASSES: frozenset[str] = frozenset()
"""Each ``class_path`` that a checkpoint may name, checked before any import; no key of `TAKEN` needs one."""


def checkpoint_config(path: Path) -> dict[str, Any]:
    """The part of a checkpoint's configuration that an evaluation takes, nested as in a config file.

    Args:
        path: the checkpoint.

    Raises:
        InputError: no checkpoint of atft, no YAML in it, or a key that holds another kind of value.
    """
    text = read_checkpoint(path)["atft"].get("config")
    if not text:
        raise InputError(f"{path}: not a checkpoint of atft, it carries no configuration; give --config FILE")
    place = f"{path}: its configuration"
    given = mapping_of(text, place)
    _check_moved_keys(given, place)
    taken: dict[str, Any] = {}
    for key in TAKEN:
        *parents, last = key.split(".")
        source: Any = given
        target = taken
        for parent in parents:
            source, target = source.get(parent) or {}, target.setdefault(parent, {})
            if not isinstance(source, Mapping):
                raise _other(place, parent, source, "a mapping")
        if last in source:
            target[last] = source[last]
            if key in BLOCKS and not isinstance(source[last], Mapping | None):
                raise _other(place, key, source[last], "a mapping")
    _check_classes(place, taken)
    return taken


def _check_moved_keys(config: dict[str, Any], place: str) -> None:
    """Take removed keys out that have the value of today; raise at any other key that has moved or is removed."""
    for key in (*MOVED, *REMOVED):
        if key.startswith(DECISIVE):
            *parents, last = key.split(".")
            section: Any = config
            for parent in parents:
                section = section.get(parent) if isinstance(section, Mapping) else None
            if isinstance(section, dict) and last in section:
                if key not in REMOVED or section[last] != REMOVED[key]:
                    check_moved(key, f"{place}: ")
                del section[last]


def _check_classes(place: str, value: Any, key: str = "") -> None:
    """Raise at the first ``class_path`` that is not on the list."""
    if isinstance(value, list):
        for item in value:
            _check_classes(place, item, key)
    if isinstance(value, Mapping):
        for name, inside in value.items():
            if name == "class_path" and inside not in CLASSES:
                raise _other(place, f"{key}.class_path", inside, "a class of the allow-list")
            _check_classes(place, inside, f"{key}.{name}".lstrip("."))


def _other(place: str, key: str, came: Any, needed: str) -> InputError:
    return InputError(f"{place} has {came!r:.60} at {key}, it must be {needed}; give --config FILE")
