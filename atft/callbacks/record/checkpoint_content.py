"""Check what a checkpoint holds: its entries, the kind of each, and weights that are finite.

Lightning, torch and the task take its structure for granted, and a network whose weights are not finite scores
without an error.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from atft.errors import InputError

MAX_COUNT = 1 << 53
"""Largest count of steps or epochs that makes sense."""
FINITE = ("state_dict", "current_model_state", "optimizer_states")
"""Entries whose tensors must be finite."""
ADVICE = "name another checkpoint, or train again"

Check = Callable[[Any], bool]


def is_a(*kinds: type) -> Check:
    """A check of the type of a value; a bool counts as a bool only."""
    return lambda value: isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))


def is_mapping_of(check: Check) -> Check:
    """A check of mappings from words to values that pass ``check``."""
    return lambda value: (
        isinstance(value, Mapping) and all(isinstance(k, str) and check(v) for k, v in value.items())
    )


def list_of(check: Check) -> Check:
    """A check of lists of values that pass ``check``."""
    return lambda value: isinstance(value, list) and all(check(v) for v in value)


def is_count(value: Any) -> bool:
    """Whether a value is a whole number from 0 to `MAX_COUNT`."""
    return is_a(int)(value) and 0 <= value < MAX_COUNT


def _is_version(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[2-9]\.\d{1,3}(\.[\w.+]{1,30})?", value) is not None


def _are_weights(value: Any) -> bool:
    return is_mapping_of(is_a(Tensor))(value) and bool(value)


def _are_features(value: Any) -> bool:
    return list_of(is_a(str))(value) and 0 < len(value) == len(set(value))


ENTRIES: dict[str, tuple[Check, str, bool]] = {
    "epoch": (is_count, "a count", True),
    "global_step": (is_count, "a count", True),
    "pytorch-lightning_version": (_is_version, "a version of Lightning from 2.0 on", True),
    "state_dict": (_are_weights, "weights by name", True),
    "loops": (is_mapping_of(is_a(Mapping)), "a mapping of mappings", True),
    "callbacks": (is_mapping_of(is_a(Mapping)), "a mapping of mappings", False),
    "optimizer_states": (list_of(is_a(Mapping)), "a list of mappings", False),
    "lr_schedulers": (list_of(is_a(Mapping)), "a list of mappings", False),
    "current_model_state": (_are_weights, "weights by name", False),
    "averaging_state": (is_a(Mapping), "a mapping", False),
    "atft": (is_a(Mapping), "a mapping", True),
}
"""Entries of a checkpoint: their check, what it requires in words, whether every checkpoint has them."""

OWN_ENTRIES: dict[str, tuple[Check, str]] = {
    "features": (_are_features, "a list of different names"),
    "config": (is_a(str), "text"),
    "optimizer": (is_a(str), "a name"),
    "parts": (is_mapping_of(is_a(bool)), "a mapping of true and false"),
    "parts_asked": (is_mapping_of(is_a(bool)), "a mapping of true and false"),
    "balanced": (is_mapping_of(is_a(int, float)), "a mapping of numbers"),
    "measured": (is_mapping_of(is_a(int, float)), "a mapping of numbers"),
}
"""What `RankingTask` adds, under ``atft``."""
FORMER_NAMES = {"blocks": "parts", "blocks_asked": "parts_asked"}
"""Of entries under ``atft`` in checkpoints of earlier versions."""


def check_content(content: Any, file: str) -> dict[str, Any]:
    """Check what torch read from a checkpoint and return it; messages name the ``file``.

    Raises:
        InputError: an entry is missing or of another kind, or a weight is not finite; the line names it.
    """
    if not isinstance(content, dict):
        raise InputError(f"{file}: not a checkpoint of atft, it holds {type(content).__name__}; {ADVICE}")
    for key, (check, needed, required) in ENTRIES.items():
        if key not in content and required:
            raise InputError(f"{file}: not a checkpoint of atft, it has no {key}; {ADVICE}")
        if key in content and not check(content[key]):
            raise InputError(f"{file}: {key} is not {needed}; {ADVICE}")
    entries = content["atft"]
    for former, name in FORMER_NAMES.items():
        if former in entries:
            entries[name] = entries.pop(former)
    for key, (check, needed) in OWN_ENTRIES.items():
        if key in entries and not check(entries[key]):
            raise InputError(f"{file}: atft.{key} is not {needed}; {ADVICE}")
    if set(entries.get("parts", {})) != set(entries.get("parts_asked", {})):
        raise InputError(f"{file}: atft.parts and atft.parts_asked name different parts; {ADVICE}")
    for name, tensor in tensors_of(content):
        if not _is_plain(tensor):
            raise InputError(f"{file}: {name} is no plain tensor; {ADVICE}")
        if name.startswith(FINITE) and not bool(torch.isfinite(tensor).all()):
            raise InputError(
                f"{file}: {name.removeprefix('state_dict.')} holds values that are not finite; "
                f"its training had failed by then, name an earlier checkpoint"
            )
    return content


def tensors_of(value: Any, path: str = "") -> Iterator[tuple[str, Tensor]]:
    """All tensors in nested mappings and lists, each with its dotted path."""
    if isinstance(value, Tensor):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inside in value.items():
            yield from tensors_of(inside, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list | tuple):
        for number, inside in enumerate(value):
            yield from tensors_of(inside, f"{path}.{number}")


def _is_plain(tensor: Tensor) -> bool:
    """Whether a tensor's values are all stored: not sparse, not quantised, not a small storage seen many times."""
    if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()
