"""Whole steps in a checkpoint: one that is written inside an optimiser step goes on from that step's first block.

Weights and the optimiser's state move only where a step closes, and the gradient that its blocks have added up so
far is in no checkpoint. `RunCheckpoint` writes between steps only; what else writes (an error, a cluster's signal,
a callback of the user's) may come at any block. Cost: a copy of the buffers, a few numbers, each step.
"""

from typing import Any

from torch import Tensor, nn


class OpenStep:
    """Remember where the open optimiser step began, and the buffers that its blocks have moved since."""

    def __init__(self) -> None:
        self.first: int | None = None
        """Place in the epoch's plan; None between two steps."""
        self._buffers: dict[str, Tensor] = {}

    def see(self, block: int, module: nn.Module) -> None:
        """Take note of a block before it is trained on.

        Args:
            block: its place in the epoch's plan.
            module: what trains.
        """
        if self.first is None:
            self.first = block
            self._buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}

    def close(self) -> None:
        """Take note that the step's gradient was applied."""
        self.first, self._buffers = None, {}

    def rewind(self, checkpoint: dict[str, Any]) -> None:
        """Let a checkpoint go on at the open step's first block; between two steps it is left as it is.

        Args:
            checkpoint: of Lightning, complete.
        """
        if self.first is None:
            return
        weights, fit = checkpoint["state_dict"], checkpoint["loops"]["fit_loop"]
        weights |= {name: buffer for name, buffer in self._buffers.items() if name in weights}
        progress = fit["epoch_loop.batch_progress"]
        ahead = progress["current"]["ready"] - self.first
        for counts in (progress["current"], progress["total"]):
            counts |= dict.fromkeys(counts, counts["ready"] - ahead)
        progress["is_last_batch"] = False
        for loader in fit["state_dict"].get("combined_loader", []):
            loader["done"] = self.first
