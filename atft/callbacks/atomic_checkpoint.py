"""Checkpoints that are whole or absent: written beside their place, flushed to disk, renamed.

Lightning writes to the system's temporary folder and moves, which is a copy where that is another filesystem:
a kill in the middle leaves half a file under the final name.
"""

import errno
import os
import pickle
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from atft.errors import InputError
from atft.publish import published


def read_checkpoint(path: str | Path, map_location: Any = "cpu", mmap: bool = False) -> Any:
    """Read a checkpoint, tensors and plain values only.

    Args:
        path: the file.
        map_location: device of the tensors.
        mmap: leave the tensors on disk until they are touched: milliseconds, for what stands beside them.

    Raises:
        InputError: the file is missing, damaged, or holds code.
    """
    if not Path(path).is_file():
        raise InputError(f"checkpoint {path}: no such file")
    try:
        return torch.load(path, weights_only=True, map_location=map_location, mmap=mmap)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        raise InputError(
            f"{path}: not a readable checkpoint ({type(error).__name__}); name another one, or train again"
        ) from error


def trained_features(path: str | Path) -> list[str]:
    """Names of the features that a checkpoint's network reads, in its order; empty where it does not say.

    Raises:
        InputError: the checkpoint cannot be read.
    """
    held = read_checkpoint(path, mmap=True)
    return list(held.get("atft", {}).get("features", [])) if isinstance(held, dict) else []


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoint files, published by rename. Loading never unpickles code (``weights_only``)."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write ``checkpoint`` to ``path``; until the last moment the former file stays."""
        with published(Path(path)) as beside:
            try:
                torch.save(checkpoint, beside)
            except RuntimeError as error:
                # torch's writer does not say that the disk is full.
                if "PytorchStreamWriter" not in str(error) and "inline_container" not in str(error):
                    raise
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> Any:
        """Read a checkpoint, tensors and plain values only."""
        return read_checkpoint(path, map_location)
