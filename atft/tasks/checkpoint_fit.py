"""Whether a checkpoint and a task fit: its features, its sizes, its parts, its optimiser.

A checkpoint is more than its tensors: the order of the features, and which parts were on in the phase in which
it was selected, decide what its weights mean. Where they are given they are followed; where they contradict what
is asked, the run is refused in one line.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from atft.errors import InputError


def feature_order(trained_on: Sequence[str], given: Sequence[str]) -> list[int]:
    """Find the places of the network's features among the panel's; empty where the order is the same.

    Raises:
        InputError: the names differ.
    """
    if sorted(trained_on) != sorted(given):
        missing = [n for n in trained_on if n not in given]
        surplus = [n for n in given if n not in trained_on]
        raise InputError(
            f"checkpoint: trained on {len(trained_on)} features, the panel gives {len(given)}; "
            f"missing {missing[:5]}, not known {surplus[:5]}; name the same in data.panel.schema.features"
        )
    return [given.index(n) for n in trained_on] if list(trained_on) != list(given) else []


def refuse_other_shapes(weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Refuse weights of a network of other sizes; a checkpoint without weights has nothing to refuse.

    Raises:
        InputError: a tensor is missing, not known, or has another shape.
    """
    if not weights:
        return
    other = [n for n in own if n not in weights or weights[n].shape != own[n].shape]
    other += [n for n in weights if n not in own]
    if other:
        raise InputError(
            f"checkpoint: its network has other sizes ({len(other)} tensors differ, the first is "
            f"{other[0]}); set model.network.hidden_size, gat_layers and horizons to its own"
        )


def selected_parts(held: Mapping[str, Any], asked: Mapping[str, bool]) -> dict[str, bool]:
    """The switches that score a checkpoint: those of the phase in which it was selected.

    Args:
        held: what the checkpoint says of itself; without its parts, the config's count.
        asked: the config's switch of each part. One that differs from the config that the checkpoint was
            trained with is the user's own choice, and stays.
    """
    then = held.get("parts_asked", {})
    return {n: held["parts"][n] if then.get(n) == on else on for n, on in asked.items()}


def refuse_other_optimizer(stepped: str, states: Sequence[Mapping[str, Any]], own: Optimizer) -> None:
    """Refuse to go on with another optimiser than the one that trained the checkpoint.

    Args:
        stepped: name of the class that trained it.
        states: its optimiser states.
        own: the optimiser that the config asks for.

    Raises:
        InputError: another class, or other groups of parameters.
    """
    if type(own).__name__ != stepped:
        raise InputError(
            f"checkpoint: {stepped} trained it, the config asks for {type(own).__name__}; "
            f"go on with the same model.optimizer, or start afresh"
        )
    trained = [group.get("name", "all") for state in states[:1] for group in state["param_groups"]]
    asked = [group.get("name", "all") for group in own.param_groups]
    if trained and trained != asked:
        raise InputError(
            f"checkpoint: its optimiser trains {', '.join(trained)}, the config's {', '.join(asked)}; "
            f"go on with the same parts and curriculum, or start afresh"
        )
