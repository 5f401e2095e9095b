"""Write checkpoints that are whole or absent, and read them with every byte checked.

A checkpoint is written beside its path with a digest, flushed to disk and renamed. Lightning writes to the
system's temporary folder and moves, which is a copy across filesystems: a kill then leaves half a file under the
final name. The digest follows torch's archive, where torch ignores it, and is compared at each load: torch
compares none of the archive's own checksums.
"""

import hashlib
import io
import pickle
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from atft.callbacks.record.checkpoint_content import check_content
from atft.errors import InputError
from atft.publish import published

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


def read_checkpoint(path: str | Path, map_location: Any = None) -> dict[str, Any]:
    """Read a checkpoint to the CPU or ``map_location``, tensors and plain values only, with every byte compared.

    Raises:
        InputError: the file is missing or damaged, holds code, or not what a checkpoint of atft holds.
    """
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


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoint files, published by rename. Loading never unpickles code (``weights_only``)."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write ``checkpoint`` and its digest to ``path``; until the rename the former file stays."""
        # Through memory: on a full disk torch's own writer says neither that it is full nor which file.
        archive = io.BytesIO()
        torch.save(checkpoint, archive)
        digest = hashlib.sha256(archive.getbuffer()).hexdigest()
        with published(Path(path)) as beside, beside.open("wb") as file:
            file.write(archive.getbuffer())
            file.write(f"\natft sha256 {digest}\n".encode())

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> Any:
        """Read a checkpoint; see `read_checkpoint`."""
        return read_checkpoint(path, map_location)
