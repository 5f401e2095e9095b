"""What an evaluation takes from a checkpoint's configuration: the network and the data's schema, as plain data.

A checkpoint may come from anywhere. Its configuration therefore never names what is instantiated, imported or
written to: a list of keys is taken, without any class but a network of `atft.nn` or one that the user names too.
Everything else is left out (trainer, optimiser, callbacks, loggers, plugins, paths to write to). Cost: what the run
decided about the machine has to be given again, for instance ``trainer.precision`` and ``data.cache.dir``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from atft.errors import InputError
from atft.files.checkpoint_file import read_checkpoint
from atft.files.yaml_text import DOTTED, mapping_of
from atft.tasks.checkpoint_match import check_heads_trained
from atft.tasks.checkpoint_task import find_own_network

SECTIONS = (
    "model.network",
    "data.panel.schema",
    "data.panel.simulate",
    "data.split",
    "data.graph",
    "data.cache.calendar",
)
"""Mappings that a checkpoint decides; a word there would be read as the name of a file or a class."""

TAKEN = (
    *SECTIONS,
    "seed_everything",
    "model.members",
    "model.horizons",
    "model.objective.target",
    "data.panel.path",
    "data.cache.dtype",
    "data.cache.rank",
    "data.cache.zscore",
    "data.cache.min_date",
    "data.cache.infinite_as_missing",
    "data.loader.lookback",
)
"""All keys that a checkpoint decides, with what is inside of them."""


def checkpoint_config(path: Path, network: str | None = None) -> dict[str, Any]:
    """The part of a checkpoint's configuration that an evaluation takes, nested as in a config file.

    Args:
        path: the checkpoint.
        network: class of a network that may be imported, since the user has named it.

    Raises:
        InputError: no checkpoint of atft, no YAML in it, or a key with another kind of value.
    """
    entries = read_checkpoint(path)["atft"]
    check_heads_trained(entries, str(path))
    text = entries.get("config")
    if not text:
        raise InputError(f"{path}: not a checkpoint of atft, it carries no configuration; give --config FILE")
    where = f"{path}: its configuration"
    config = mapping_of(text, where)
    chosen: dict[str, Any] = {}
    for key in TAKEN:
        *parents, last = key.split(".")
        source: Any = config
        target = chosen
        for parent in parents:
            source, target = source.get(parent) or {}, target.setdefault(parent, {})
            if not isinstance(source, Mapping):
                raise _wrong(where, parent, source, "a mapping")
        if last in source:
            target[last] = source[last]
            if key in SECTIONS and not isinstance(source[last], Mapping | None):
                raise _wrong(where, key, source[last], "a mapping")
    _check_classes(where, chosen, network)
    return chosen


def _check_no_class(where: str, value: Any, key: str = "") -> None:
    if isinstance(value, list):
        for item in value:
            _check_no_class(where, item, key)
    if isinstance(value, Mapping):
        for name, inside in value.items():
            if name == "class_path":
                raise _wrong(where, f"{key}.class_path", inside, "left out: a checkpoint names no class")
            _check_no_class(where, inside, f"{key}.{name}".lstrip("."))


def _check_classes(where: str, chosen: dict[str, Any], named: str | None) -> None:
    """Check that no class is named but a network of atft's own, or the one that the user has ``named``."""
    network = chosen["model"].get("network") or {}
    class_path = network.pop("class_path", None)
    _check_no_class(where, chosen)
    if class_path is None:
        return
    network["class_path"] = class_path
    if class_path == named:
        return
    # A word that is no path of a class is the parser's: a short name, a file, a mapping.
    other = named is not None and DOTTED.fullmatch(named) and not named.endswith((".yaml", ".yml", ".json"))
    same_name = str(class_path).rpartition(".")[2] == str(named).rpartition(".")[2]
    if find_own_network(class_path) is not None and (not other or same_name):
        return
    if other:
        raise InputError(
            f"{where} names the network {class_path!s:.60}, and --model.network names {named!s:.60}; name the "
            f"checkpoint's"
        )
    raise InputError(
        f"{where} names the network {class_path!r:.60}, which a checkpoint may not import; if you trust it, add "
        f"--model.network {class_path!s:.60}"
    )


def _wrong(where: str, key: str, came: Any, needed: str) -> InputError:
    return InputError(f"{where} has {came!r:.60} at {key}, it must be {needed}; give --config FILE")
