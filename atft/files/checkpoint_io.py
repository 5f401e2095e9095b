"""Lightning's plugin for checkpoint files; `checkpoint_file` reads them without the seconds of its import."""

from typing import Any

from lightning.pytorch.plugins.io import TorchCheckpointIO

from atft.files.checkpoint_file import read_checkpoint, write_checkpoint


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoint files, published by rename. Loading never unpickles code (``weights_only``)."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write ``checkpoint`` and its digest; see `write_checkpoint`."""
        write_checkpoint(checkpoint, path)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> Any:
        """Read a checkpoint; see `read_checkpoint`."""
        return read_checkpoint(path, map_location)
