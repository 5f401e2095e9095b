"""What `RankingTask` was built from, read from the configuration of its checkpoint without running what it names.

A checkpoint may come from anywhere. Only the networks of `atft.nn` and the terms of `atft.losses.terms` are looked
up; any other network has to be given by the caller, who has imported it, and any other term is left out, for scores
need none. Everything else of the configuration is plain data that constructors check, or is left out (optimiser,
schedule, trainer, paths).
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import fields
from functools import partial
from importlib.util import find_spec
from pkgutil import resolve_name
from typing import Any

from atft.errors import InputError, one_line
from atft.files.yaml_text import mapping_of
from atft.losses.options import ObjectiveOptions
from atft.losses.terms import TERMS
from atft.network import NetworkFactory
from atft.tasks.checkpoint_match import check_heads_trained

OWN_NETWORK = re.compile(r"atft\.nn\.[a-z_]+\.[A-Za-z]\w*")


def find_own_network(class_path: Any) -> type | None:
    """The network of `atft.nn` of that name; None where there is none. Nothing else is imported."""
    if not isinstance(class_path, str) or not OWN_NETWORK.fullmatch(class_path):
        return None
    module, _, name = class_path.rpartition(".")
    if find_spec(module) is None:
        return None
    kind = getattr(resolve_name(module), name, None)
    return kind if isinstance(kind, type) and kind.__module__ == module else None


def task_arguments(
    content: Mapping[str, Any],
    file: str,
    network: NetworkFactory | None = None,
    objective: ObjectiveOptions | None = None,
    trains: bool = False,
) -> dict[str, Any]:
    """Arguments of `RankingTask` for a checkpoint.

    Args:
        content: of the checkpoint, checked by `atft.files.checkpoint_file.read_checkpoint`.
        file: its name, for messages.
        network: the class that the checkpoint names, with the arguments of the checkpoint that it does not set; or
            a function that builds one, used in place of the checkpoint's.
        objective: used in place of the checkpoint's.
        trains: whether the task is to train, which needs every term of its objective.

    Raises:
        InputError: it carries no configuration, or one that names a class, or to train a term, that is not atft's
            own.
    """
    entries, where = content["atft"], f"{file}: its configuration"
    check_heads_trained(entries, file)
    if not entries.get("config") or "features" not in entries:
        raise InputError(f"{file}: not a checkpoint of atft, it carries no configuration; name another one")
    model = mapping_of(entries["config"], where).get("model")
    if not isinstance(model, Mapping):
        raise InputError(f"{where} has no section model; name another checkpoint")
    return {
        "network": _network(model.get("network"), where)
        if network is None
        else _given(network, model, where),
        "objective": objective or _objective(model.get("objective") or {}, where, trains),
        "members": _members(model.get("members", 1), where),
        "horizons": _horizons(model.get("horizons"), where),
        "features": entries["features"],
        "regimes": entries.get("regimes", []),
    }


def _given(network: NetworkFactory, model: Mapping[Any, Any], where: str) -> NetworkFactory:
    """The caller's network, built as the checkpoint's was; InputError where it is of another class than that."""
    named = partial(network) if isinstance(network, type) else network
    config = model.get("network")
    if not isinstance(named, partial) or named.args or not isinstance(config, Mapping):
        return network
    class_path, kind = config.get("class_path"), named.func
    if not isinstance(class_path, str) or not isinstance(kind, type):
        return network
    # Its module may have moved, and a config may name a class by a shorter path: the last word decides.
    name = class_path.rpartition(".")[2]
    if name != kind.__name__:
        raise InputError(
            f"{where} names the network {class_path:.60}, got {kind.__name__:.40}; give network={name:.40}"
        )
    arguments = config.get("init_args")
    if not isinstance(arguments, Mapping):
        return network
    return partial(kind, **{**{str(n): value for n, value in arguments.items()}, **named.keywords})


def _network(config: Any, where: str) -> NetworkFactory:
    class_path = config.get("class_path") if isinstance(config, Mapping) else None
    kind = find_own_network(class_path)
    if kind is None:
        named = (
            f"names the network {class_path!r:.60}, which a checkpoint may not import" if class_path else ""
        )
        raise InputError(f"{where} {named or 'names no network'}; give network=MyNetwork, its class")
    arguments = config.get("init_args") or {}
    if not isinstance(arguments, Mapping) or not all(isinstance(name, str) for name in arguments):
        raise InputError(f"{where} has {arguments!r:.60} at model.network.init_args; give network=")
    return partial(kind, **arguments)


def _objective(config: Any, where: str, trains: bool) -> ObjectiveOptions:
    if not isinstance(config, Mapping) or not isinstance(config.get("terms") or {}, Mapping):
        raise InputError(f"{where} has {config!r:.60} at model.objective; give objective=")
    others = [name for name in config.get("terms") or {} if name not in TERMS]
    if others and trains:
        raise InputError(
            f"{where} names the term {others[0]!r:.60}, which a checkpoint may not import; give objective=, for "
            f"instance ObjectiveOptions(terms={{...}})"
        )
    if others:
        config = _without_terms(config, others)
    names = {field.name for field in fields(ObjectiveOptions)}
    try:
        return ObjectiveOptions(**{str(n): value for n, value in config.items() if n in names})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{where}: model.objective: {one_line(error)}; give objective=") from error


def _without_terms(config: Mapping[str, Any], names: Collection[Any]) -> dict[str, Any]:
    """An objective of the other terms, with their own weights; of the default ones where none is left to train."""
    terms = {name: setting for name, setting in config["terms"].items() if name not in names}
    left = {name: value for name, value in config.items() if name not in ("terms", "gradient_shares")}
    weights = [
        setting.get("weight") if isinstance(setting, Mapping) else setting for setting in terms.values()
    ]
    return {**left, "terms": terms} if any(weights) else left


def _members(value: Any, where: str) -> int:
    if type(value) is not int:
        raise InputError(f"{where} has {value!r:.60} at model.members, it must be a number")
    return value


def _horizons(value: Any, where: str) -> list[int]:
    if not isinstance(value, list) or not value or not all(type(days) is int for days in value):
        raise InputError(f"{where} has {value!r:.60} at model.horizons, it must be a list of days")
    return value
