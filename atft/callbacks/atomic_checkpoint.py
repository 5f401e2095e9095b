"""Checkpoints that are whole or absent: written beside their place, flushed to disk, renamed.

Lightning writes to the system's temporary folder and moves, which is a copy where that is another filesystem:
a kill in the middle leaves half a file under the final name.
"""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from atft.publish import published


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoint files, published by rename. Loading never unpickles code (``weights_only``)."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write ``checkpoint`` to ``path``; until the last moment the former file stays."""
        with published(Path(path)) as beside:
            torch.save(checkpoint, beside)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> Any:
        """Read a checkpoint, tensors and plain values only."""
        return super().load_checkpoint(path, map_location=map_location, weights_only=True)
