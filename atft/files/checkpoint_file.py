"""Write checkpoints that are whole or absent, and read them with every byte and every entry checked.

A checkpoint is written beside its path with a digest, flushed to disk and renamed. Lightning writes to the
system's temporary folder and moves, which is a copy across filesystems: a kill then leaves half a file under the
final name. The digest follows torch's archive, where torch ignores it: torch compares none of the archive's own
checksums. Lightning, torch and the task take the entries for granted, and a network whose weights are not finite
scores without an error.
"""

import hashlib
import io
import pickle
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from atft.errors import InputError
from atft.files.publish import published

BEST = "best_model.ckpt"
"""The selected epoch's weights in the directory of a run."""
NETWORK = "network."
"""How the names of the network's weights begin in a checkpoint."""
TRAILER = re.compile(rb"\natft sha256 ([0-9a-f]{64})\n\Z")
TRAILER_BYTES = 78
ZIP_END_BYTES = 22
"""Of the record that closes a zip archive, where nothing follows it."""

MALFORMED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What torch and zipfile raise at an undamaged archive that is no checkpoint."""

MAX_COUNT = 1 << 53
"""Largest count of steps or epochs that makes sense."""
MAX_DEPTH, MAX_VALUES = 50, 1_000_000
"""Levels and values of the nested content; a run's has some ten levels and thousands of values."""
FINITE = ("state_dict", "current_model_state", "optimizer_states")
"""Entries whose tensors must be finite."""
ADVICE = "name another checkpoint, or train again"

Check = Callable[[Any], bool]


def is_a(*kinds: type) -> Check:
    """A check of the type of a value; a bool counts as a bool only."""
    return lambda value: isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))


def is_list_of(*kinds: type) -> Check:
    """A check of lists of values of a type."""
    return lambda value: isinstance(value, list) and all(map(is_a(*kinds), value))


def is_mapping_of(*kinds: type) -> Check:
    """A check of mappings from words to values of a type."""
    is_each = is_list_of(*kinds)
    return lambda value: (
        isinstance(value, Mapping) and all(map(is_a(str), value)) and is_each([*value.values()])
    )


def is_count(value: Any) -> bool:
    """Whether a value is a whole number from 0 to `MAX_COUNT`."""
    return is_a(int)(value) and 0 <= value < MAX_COUNT


def _is_version(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[2-9]\.\d{1,3}(\.[\w.+]{1,30})?", value) is not None


def _are_weights(value: Any) -> bool:
    return is_mapping_of(Tensor)(value) and bool(value)


def _are_features(value: Any) -> bool:
    return is_list_of(str)(value) and 0 < len(value) == len(set(value))


ENTRIES: dict[str, tuple[Check, str, bool]] = {
    "epoch": (is_count, "a count", True),
    "global_step": (is_count, "a count", True),
    "pytorch-lightning_version": (_is_version, "a version of Lightning from 2.0 on", True),
    "state_dict": (_are_weights, "weights by name", True),
    "loops": (is_mapping_of(Mapping), "a mapping of mappings", True),
    "callbacks": (is_mapping_of(Mapping), "a mapping of mappings", False),
    "optimizer_states": (is_list_of(Mapping), "a list of mappings", False),
    "lr_schedulers": (is_list_of(Mapping), "a list of mappings", False),
    "current_model_state": (_are_weights, "weights by name", False),
    "averaging_state": (is_a(Mapping), "a mapping", False),
    "atft": (is_a(Mapping), "a mapping", True),
}
"""Entries of a checkpoint: their check, what it requires in words, whether every checkpoint has them."""

OWN_ENTRIES: dict[str, tuple[Check, str]] = {
    "features": (_are_features, "a list of different names"),
    "config": (is_a(str), "text"),
    "optimizer": (is_a(str), "a name"),
    "parts": (is_mapping_of(bool), "a mapping of true and false"),
    "regimes": (is_list_of(str), "a list of names"),
    "balanced": (is_mapping_of(int, float), "a mapping of numbers"),
    "measured": (is_mapping_of(int, float), "a mapping of numbers"),
    "interval_widths": (is_mapping_of(list), "a mapping of lists"),
    "ranges": (is_mapping_of(Mapping), "a mapping of mappings"),
    "days": (is_mapping_of(str), "a mapping of words"),
    "fold": (is_mapping_of(str), "a mapping of words"),
    "pretrained": (is_mapping_of(str), "a mapping of words"),
}
"""What `RankingTask` adds, under ``atft``."""


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
    for key, (check, needed) in OWN_ENTRIES.items():
        if key in entries and not check(entries[key]):
            raise InputError(f"{file}: atft.{key} is not {needed}; {ADVICE}")
    for name, tensor in tensors_of(content, file):
        if not _is_plain(tensor):
            raise InputError(f"{file}: {name} is no plain tensor; {ADVICE}")
        if name.startswith(FINITE) and not bool(torch.isfinite(tensor).all()):
            raise InputError(
                f"{file}: {name.removeprefix('state_dict.')} holds values that are not finite; "
                f"its training had failed by then, name an earlier checkpoint"
            )
    return content


def tensors_of(content: Any, file: str) -> Iterator[tuple[str, Tensor]]:
    """All tensors in nested mappings and lists, each with its dotted path; the ``file`` is for the message.

    Raises:
        InputError: the content is deeper or larger than any checkpoint; so is what contains itself.
    """
    levels, seen = [iter([("", content)])], 0
    while levels:
        path, value = next(levels[-1], (None, None))
        if path is None:
            levels.pop()
            continue
        seen += 1
        if len(levels) > MAX_DEPTH or seen > MAX_VALUES:
            raise InputError(
                f"{file}: {path[:40]} has more levels or values than a checkpoint of atft; {ADVICE}"
            )
        if isinstance(value, Tensor):
            yield path, value
        elif isinstance(value, Mapping):
            levels.append(_within(path, value.items()))
        elif isinstance(value, list | tuple):
            levels.append(_within(path, enumerate(value)))


def _within(path: str, entries: Iterable[tuple[Any, Any]]) -> Iterator[tuple[str, Any]]:
    return ((f"{path}.{key}".lstrip("."), value) for key, value in entries)


def _is_plain(tensor: Tensor) -> bool:
    """Whether a tensor's values are all stored: not sparse, not quantised, not a small storage seen many times."""
    if tensor.is_nested or tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
        return False
    if (
        tensor.is_floating_point() and tensor.element_size() == 1
    ):  # torch asks none of them whether it is finite
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def read_checkpoint(path: str | Path, map_location: Any = None) -> dict[str, Any]:
    """Read a checkpoint to the CPU or ``map_location``, tensors and plain values only, with every byte compared.

    Raises:
        InputError: the file is missing or damaged, holds code, or not what a checkpoint of atft holds.
    """
    if Path(path).is_dir():
        raise InputError(f"checkpoint {path}: a folder; name the file in it, a run's is {BEST}")
    if not Path(path).is_file():
        raise InputError(f"checkpoint {path}: no such file")
    archive = _undamaged(Path(path).read_bytes(), path)
    try:
        content = torch.load(archive, weights_only=True, map_location=map_location or "cpu")
    except MALFORMED as error:
        raise _not_readable(path, f"{type(error).__name__}") from error
    return check_content(content, str(path))


def _undamaged(content: bytes, path: str | Path) -> io.BytesIO:
    """The archive in a file's bytes, once its digest matches; without one (earlier versions), its checksums."""
    trailer = TRAILER.search(content, max(0, len(content) - TRAILER_BYTES))
    archive = content[: trailer.start()] if trailer else content
    if not archive.startswith(b"PK") or archive[-ZIP_END_BYTES : 4 - ZIP_END_BYTES] != b"PK\x05\x06":
        raise _not_readable(path, "cut short, or no checkpoint")
    if trailer and hashlib.sha256(archive).hexdigest().encode() != trailer[1]:
        raise _not_readable(path, "damaged: its digest does not match")
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as members:
            # Torch writes no compressed member, and a small one could unpack to any amount of memory.
            packed = any(member.compress_type != zipfile.ZIP_STORED for member in members.infolist())
            damaged = members.testzip() if not (trailer or packed) else None
    except (*MALFORMED, OSError) as error:
        raise _not_readable(path, f"damaged: {type(error).__name__}") from error
    if packed or damaged is not None:
        raise _not_readable(path, "damaged: a checksum does not match" if damaged else "it is compressed")
    return io.BytesIO(archive)


def _not_readable(path: str | Path, why: str) -> InputError:
    return InputError(f"{path}: not a readable checkpoint ({why}); name another one, or train again")


def network_weights(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """The network's weights by its own names, of what `read_checkpoint` gave; others are a loss's or a metric's."""
    weights = content["state_dict"].items()
    return {name.removeprefix(NETWORK): weight for name, weight in weights if name.startswith(NETWORK)}


def write_checkpoint(content: dict[str, Any], path: str | Path) -> None:
    """Write a checkpoint and its digest to ``path``; until the rename the former file stays."""
    # Through memory: on a full disk torch's own writer says neither that it is full nor which file.
    archive = io.BytesIO()
    torch.save(content, archive)
    digest = hashlib.sha256(archive.getbuffer()).hexdigest()
    with published(Path(path)) as beside, beside.open("wb") as file:
        file.write(archive.getbuffer())
        file.write(f"\natft sha256 {digest}\n".encode())
