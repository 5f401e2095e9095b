"""Check that a checkpoint matches the network, its features and its horizons."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from atft.errors import InputError
from atft.network import Network

LATER_PARTS = (
    (
        "encoding.edges",
        "does not encode features in bins, this one does",
        "encoding to its own, none where its config has none",
    ),
    (
        "encoder.patches.weight",
        "reads a window day by day, this one in patches",
        "patch_days to its own, 1 where its config has none",
    ),
)
"""Tensors of parts that networks did not always have, what one without them does, and what to set."""


def feature_order(trained_on: Sequence[str], names: Sequence[str]) -> list[int]:
    """Indices of the network's features among the panel's; empty where the order is the same.

    Raises:
        InputError: the names differ.
    """
    if sorted(trained_on) != sorted(names):
        missing = [n for n in trained_on if n not in names]
        unknown = [n for n in names if n not in trained_on]
        raise InputError(
            f"checkpoint: trained on {len(trained_on)} features, the panel gives {len(names)}; "
            f"missing {missing[:5]}, not known {unknown[:5]}; name the same in data.panel.schema.features"
        )
    return [names.index(n) for n in trained_on] if list(trained_on) != list(names) else []


def check_regimes(network: Network, trained_on: Sequence[str], names: Sequence[str]) -> None:
    """Check that a network that reads market-wide columns gets those it was trained on."""
    if "regime" in network.reads.values() and list(trained_on) != list(names):
        raise InputError(
            f"checkpoint: trained on the market-wide columns {list(trained_on)[:5]}, the panel gives "
            f"{list(names)[:5]}; name the same in data.panel.schema.regime"
        )


def check_horizons_agree(of_network: Sequence[int], of_data: Sequence[int]) -> None:
    """Check that the data has a target for each score."""
    if list(of_network) != list(of_data):
        raise InputError(
            f"model.horizons are {list(of_network)}, the data's {list(of_data)}; build the task with "
            f"RankingTask.for_data, or give DayData the same horizons"
        )


def check_heads_trained(entries: Mapping[str, Any], file: str = "checkpoint") -> None:
    """Check by a checkpoint's part ``atft`` that its network scores: those of ``pretrain`` have no heads."""
    if "pretrained" in entries:
        raise InputError(
            f"{file}: pretrained only, its heads were not trained; train with fit --init_from it"
        )


def check_shapes(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Check that weights are those of a network of the same sizes; a checkpoint without weights passes."""
    other = [n for n in expected if n not in weights or weights[n].shape != expected[n].shape]
    other += [n for n in weights if n not in expected]
    for part, without, remedy in LATER_PARTS:
        of_checkpoint, asked = (any(name.endswith(part) for name in of) for of in (weights, expected))
        if weights and asked and not of_checkpoint:
            raise InputError(f"checkpoint: its network {without}; set model.network.init_args.{remedy}")
    if weights and other:
        raise InputError(
            f"checkpoint: its network has other sizes ({len(other)} tensors differ, the first is "
            f"{other[0]}); set model.network, model.members and model.horizons to its own"
        )
