"""What a checkpoint holds: which entries, each of which kind, weights that are finite.

Lightning, torch and the task take its structure for granted, and a network whose weights are not finite scores
without a word. So a file of another structure ends here, in a line that names the entry.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from atft.errors import InputError

MOST = 1 << 53
"""Largest count that makes sense, of steps or epochs."""
WEIGHTS = ("state_dict", "current_model_state", "optimizer_states")
"""Entries whose tensors decide how the run goes on, and must be finite."""


def check_content(content: Any, place: str) -> dict[str, Any]:
    """Check what was read from a checkpoint and return it.

    Args:
        content: as torch read it, code excluded.
        place: the file, for messages.

    Raises:
        InputError: an entry is missing or of another kind, or a weight is not finite; the line names it.
    """
    if not isinstance(content, dict):
        raise InputError(f"{place}: not a checkpoint of atft, it holds {type(content).__name__}; {ADVICE}")
    for key, (is_right, needed, required) in ENTRIES.items():
        if key not in content and required:
            raise InputError(f"{place}: not a checkpoint of atft, it has no {key}; {ADVICE}")
        if key in content and not is_right(content[key]):
            raise InputError(f"{place}: {key} is not {needed}; {ADVICE}")
    own = content.get("atft", {})
    for former, name in FORMER_NAMES.items():
        if former in own:
            own[name] = own.pop(former)
    for key, (is_right, needed) in OWN_ENTRIES.items():
        if key in own and not is_right(own[key]):
            raise InputError(f"{place}: atft.{key} is not {needed}; {ADVICE}")
    if set(own.get("parts", {})) != set(own.get("parts_asked", {})):
        raise InputError(f"{place}: atft.parts and atft.parts_asked name different parts; {ADVICE}")
    for name, tensor in tensors_of(content):
        if not _is_plain(tensor):
            raise InputError(f"{place}: {name} is no plain tensor; {ADVICE}")
        if name.startswith(WEIGHTS) and not bool(torch.isfinite(tensor).all()):
            raise InputError(
                f"{place}: {name.removeprefix('state_dict.')} holds values that are not finite; "
                f"its training had failed by then, name an earlier checkpoint"
            )
    return content


ADVICE = "name another checkpoint, or train again"


def tensors_of(value: Any, place: str = "") -> Iterator[tuple[str, Tensor]]:
    """All tensors inside of nested mappings and lists, each with its dotted place."""
    if isinstance(value, Tensor):
        yield place, value
    elif isinstance(value, Mapping):
        for key, inside in value.items():
            yield from tensors_of(inside, f"{place}.{key}".lstrip("."))
    elif isinstance(value, list | tuple):
        for number, inside in enumerate(value):
            yield from tensors_of(inside, f"{place}.{number}")


def _is_plain(tensor: Tensor) -> bool:
    """Whether a tensor's values are all there: not sparse, not quantised, not a small storage seen many times."""
    if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST


def _is_version(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[2-9]\.\d{1,3}(\.[\w.+]{1,30})?", value) is not None


def _is_mapping(of: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """A check of mappings from words to values of a kind."""
    return lambda value: (
        isinstance(value, Mapping) and all(isinstance(k, str) and of(v) for k, v in value.items())
    )


def _is_list(of: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(of(v) for v in value)


def _is_word(value: Any) -> bool:
    return isinstance(value, str)


def _is_any_mapping(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _are_weights(value: Any) -> bool:
    return _is_mapping(lambda v: isinstance(v, Tensor))(value) and bool(value)


def _are_features(value: Any) -> bool:
    return _is_list(_is_word)(value) and 0 < len(value) == len(set(value))


ENTRIES: dict[str, tuple[Callable[[Any], bool], str, bool]] = {
    "epoch": (_is_count, "a count", True),
    "global_step": (_is_count, "a count", True),
    "pytorch-lightning_version": (_is_version, "a version of Lightning from 2.0 on", True),
    "state_dict": (_are_weights, "weights by name", True),
    "loops": (_is_mapping(_is_any_mapping), "a mapping of mappings", True),
    "callbacks": (_is_mapping(_is_any_mapping), "a mapping of mappings", False),
    "optimizer_states": (_is_list(_is_any_mapping), "a list of mappings", False),
    "lr_schedulers": (_is_list(_is_any_mapping), "a list of mappings", False),
    "current_model_state": (_are_weights, "weights by name", False),
    "averaging_state": (_is_any_mapping, "a mapping", False),
    "atft": (_is_any_mapping, "a mapping", True),
}
"""Entries of a checkpoint: their check, what it asks in words, whether every checkpoint has them."""

OWN_ENTRIES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "features": (_are_features, "a list of different names"),
    "config": (_is_word, "text"),
    "optimizer": (_is_word, "a name"),
    "parts": (_is_mapping(lambda v: isinstance(v, bool)), "a mapping of true and false"),
    "parts_asked": (_is_mapping(lambda v: isinstance(v, bool)), "a mapping of true and false"),
    "balanced": (_is_mapping(_is_number), "a mapping of numbers"),
    "measured": (_is_mapping(_is_number), "a mapping of numbers"),
}
"""What `RankingTask` adds, under ``atft``."""

FORMER_NAMES = {"blocks": "parts", "blocks_asked": "parts_asked"}
"""Entries under ``atft`` that earlier versions wrote under another name."""
