"""From a point of the space to the configuration of one training run.

The base config comes first, the sweep's fixed values over it, the point over both; a block before what is inside
it. Epochs and the selected checkpoint's metric are the sweep's own. Where a point chooses another class, arguments
of the base that the new class does not take are left out, as on the command line.
"""

import inspect
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from atft.commands.dotted_keys import nested_keys
from atft.commands.shipped_configs import shipped_configs
from atft.errors import InputError, listed
from atft.files.yaml_text import flat_keys, is_inside, read_mapping
from atft.search.question.options import SweepOptions
from atft.search.question.space import Point, setting

TERMS_KEY = "model.objective.terms"
NAMED_BY_THE_USER = (TERMS_KEY, "model.objective.gradient_shares", "model.objective.regime_weights")
"""Mappings whose keys are names of terms or columns, which may have dots."""
MIN_BATCH_STOCK_DAYS = 4


def trial_config(sweep: SweepOptions, point: Point) -> dict[str, Any]:
    """Compose the nested configuration that ``atft.commands.train.build("fit", ...)`` takes.

    Args:
        point: key -> value as Optuna stores it; keys that it leaves out keep the base's values.

    Raises:
        InputError: the base config cannot be read or changes as it trains, or a key leads through a plain value.
    """
    base = Path(sweep.base)
    if not base.is_file():
        raise InputError(
            f"base: no file {base}; name one, relative to the sweep's file, or a shipped config "
            f"({listed(shipped_configs('fit'))})"
        )
    # Settings are set in sections: a base that writes them with dots would have each twice.
    config = nested_keys(read_mapping(base), lambda key: not is_inside(key, NAMED_BY_THE_USER))
    settings = {**sweep.fixed, **{key: setting(sweep.space[key], value) for key, value in point.items()}}
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
    curriculum = config.get("curriculum")
    if isinstance(curriculum, Mapping) and curriculum.get("phases"):
        raise InputError(
            f"{sweep.base}: curriculum.phases must be empty in the base config of a sweep; epochs of different "
            "phases cannot be compared, so no trial could be pruned"
        )
    return config


def run_config(sweep: SweepOptions, point: Point) -> dict[str, Any]:
    """Compose the configuration of a trial's training runs.

    Early stopping watches the sweep's metric as selection does; ``trainer.min_epochs`` would delay an end and is
    left out; validation draws no figures unless the sweep's ``fixed`` asks for them.
    """
    config = trial_config(sweep, point)
    watched = {key: config["checkpoint"][key] for key in ("monitor", "mode")}
    config["early_stopping"] = {**(config.get("early_stopping") or {}), **watched}
    config.get("trainer", {}).pop("min_epochs", None)
    if "validation_figures.every" not in flat_keys(sweep.fixed):
        config["validation_figures"] = {**(config.get("validation_figures") or {}), "every": 0}
    return config


def halve_batch(config: dict[str, Any]) -> dict[str, Any]:
    """Halve the batch of a configuration, and return an entry for the receipt's ``retries``."""
    from atft.data.loader import LoaderOptions

    loader = config.setdefault("data", {}).setdefault("loader", {})
    before = int(loader.get("batch_size", LoaderOptions().batch_size))
    loader["batch_size"] = max(MIN_BATCH_STOCK_DAYS, before // 2)
    return {"why": "out of memory", "batch_size": before, "retried_with": loader["batch_size"]}


def _set(config: dict[str, Any], key: str, value: Any) -> None:
    section: Any = config
    *parents, last = _parts(config, key)
    for depth, parent in enumerate(parents, start=1):
        section = section.setdefault(parent, {})
        if not isinstance(section, dict):
            above = ".".join(parents[:depth])
            raise InputError(f"{key}: {above} is {section!r} in the base config; set a block there first")
    if last == "class_path" and section.get(last) not in (None, value) and "init_args" in section:
        from atft.commands.class_paths import find_class

        accepted = inspect.signature(find_class(".".join(parents), str(value))).parameters
        section["init_args"] = {k: v for k, v in section["init_args"].items() if k in accepted}
    section[last] = value


def _parts(config: Mapping[str, Any], key: str) -> list[str]:
    """The keys that a dotted one leads through; the name of a term of the user's own is one key with its dots."""
    name = key.removeprefix(f"{TERMS_KEY}.")
    if name == key:
        return key.split(".")
    from atft.losses.terms import TERMS

    terms: Any = config
    for section in TERMS_KEY.split("."):
        terms = terms.get(section) if isinstance(terms, Mapping) else None
    written = [term for term in terms or () if is_inside(name, (term,))]
    first = name.partition(".")[0]
    term = first if first in TERMS else max(written, key=len, default=name)
    options = name[len(term) + 1 :]
    return [*TERMS_KEY.split("."), term, *(options.split(".") if options else ())]
