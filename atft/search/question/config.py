"""From a point of the space to the configuration of one training run.

The base config comes first, the sweep's fixed values over it, the point over both; a block before what lies in
it. Epochs and the selected checkpoint's metric are the sweep's own. Where a point chooses another class, those
arguments of the base's that the new class does not take are left behind, as on the command line.
"""

import inspect
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from atft.errors import InputError, nearest
from atft.search.question.dimension import Categorical
from atft.search.question.options import SweepOptions
from atft.search.question.space import Point
from atft.yaml_text import read_mapping


def trial_config(sweep: SweepOptions, point: Point) -> dict[str, Any]:
    """Compose the nested configuration that ``atft.commands.train.build("fit", ...)`` takes.

    Args:
        sweep: its base config, fixed values, metric and epochs.
        point: key -> value as Optuna stores it; keys that it leaves out keep the base's values.

    Raises:
        InputError: the base config cannot be read, or a key leads through something that is no mapping.
    """
    config = read_mapping(Path(sweep.base))
    settings = {**sweep.fixed, **{key: sweep.space[key].setting(value) for key, value in point.items()}}
    for key in sorted(settings, key=lambda k: k.count(".")):
        _set(config, key, deepcopy(settings[key]))
    for key, value in {
        "name": sweep.study,
        "trainer.default_root_dir": sweep.root,
        "trainer.max_epochs": sweep.limits.epochs,
        "checkpoint.monitor": sweep.metric,
        "checkpoint.mode": "max" if sweep.direction == "maximize" else "min",
    }.items():
        _set(config, key, value)
    return config


def check_keys(sweep: SweepOptions) -> None:
    """Refuse a sweep whose keys its base config does not have, or whose base config changes as it trains.

    A key exists where the base config, with every default filled in, has it: as a value, as a block, or as an
    argument of a class that the base or one of the sweep's choices names.

    Raises:
        InputError: the first such key, with the nearest known one.
    """
    phases = [k for k, v in flatten(read_mapping(Path(sweep.base))).items() if "phases" in k.split(".") and v]
    if phases:
        raise InputError(
            f"{sweep.base}: {phases[0]} must be empty in the base config of a sweep; epochs of different phases "
            "cannot be compared, so no trial could be pruned"
        )
    known = _known_keys(sweep)
    for place, keys in (("space", sweep.space), ("fixed", sweep.fixed)):
        for key in keys:
            if key not in known:
                raise InputError(f"{place}: {sweep.base} has no key {key!r}{_nearest_key(key, known)}")


def resolved(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with every default filled in, by dotted key.

    Raises:
        InputError: the configuration is not accepted.
    """
    import yaml

    from atft.commands.train import build

    return flatten(yaml.safe_load(build("fit", config).config_text))


def flatten(config: Mapping[str, Any], inside: str = "") -> dict[str, Any]:
    """Nested mappings by dotted key; an empty mapping is a value."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            found |= flatten(value, f"{inside}{key}.")
        else:
            found[f"{inside}{key}"] = value
    return found


def _known_keys(sweep: SweepOptions) -> set[str]:
    """Keys and blocks of the base config, and those that a choice of class brings along."""
    from dataclasses import replace

    plain = replace(sweep, fixed={}, enqueue=[])
    points: list[Point] = [{}]
    for key, held in sweep.space.items():
        if isinstance(held, Categorical) and (isinstance(held.choices, dict) or key.endswith("class_path")):
            points += [{key: choice} for choice in held.choices]
    known: set[str] = set()
    for point in points:
        for key in resolved(trial_config(plain, point)):
            parts = key.split(".")
            known |= {".".join(parts[: i + 1]) for i in range(len(parts))}
    return known


def _nearest_key(key: str, known: set[str]) -> str:
    """The nearest known key; without one, those beside it, since all keys would fill a screen."""
    hint = nearest(key, known)
    if "known:" not in hint:
        return hint
    parent = key.rpartition(".")[0]
    return nearest(key, {k for k in known if k.rpartition(".")[0] == parent})


def _set(config: dict[str, Any], key: str, value: Any) -> None:
    inside: Any = config
    *parents, last = key.split(".")
    for place, parent in enumerate(parents):
        inside = inside.setdefault(parent, {})
        if not isinstance(inside, dict):
            above = ".".join(parents[: place + 1])
            raise InputError(f"{key}: {above} is {inside!r} in the base config; set a block there first")
    if last == "class_path" and inside.get(last) not in (None, value) and "init_args" in inside:
        inside["init_args"] = _accepted(key, str(value), inside["init_args"])
    inside[last] = value


def _accepted(key: str, class_path: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the arguments that a class takes."""
    from atft.commands.class_paths import find_class

    taken = inspect.signature(find_class(key.removesuffix(".class_path"), class_path)).parameters
    return {name: value for name, value in arguments.items() if name in taken}
