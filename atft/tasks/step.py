"""The optimiser step in progress: what guards read of it, and how a checkpoint written inside it goes back to its
start.

Weights and the optimiser's state move only where a step closes, and no checkpoint holds the gradient that its
blocks have added up so far. `RunCheckpoint` writes between steps only; other writers (an error, a cluster's
signal, a user's callback) may come at any block: training then resumes at the step's first block. Cost: a copy of
the buffers a step.
"""

import math
from typing import Any

import lightning.pytorch as pl
from torch import Tensor
from torchmetrics import Metric

from atft.batch import DayBatch
from atft.data.block_plan import BlockSampler, PlannedBlock
from atft.data.loader import BlockLoader
from atft.errors import InputError
from atft.full_precision import full_precision
from atft.losses.objective import ObjectiveValue
from atft.option_types import check_type


class Step:
    """The block that the task trains on and the step it belongs to; written by the task, read by callbacks.

    All but `is_open` describe the latest block, from before its backward pass until the next block begins.
    """

    number: int
    """Optimiser steps taken before this one."""
    closes: bool
    """The block is the last of its step: gradients are applied after it."""
    day: Tensor
    """int64 [days]; the block's days on the panel's calendar."""
    value: ObjectiveValue
    """Loss and terms of each of the block's days, without a graph."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        """``train/loss`` and ``train/term/<name>`` of the step, summed over its blocks so far on this device."""
        self._earlier: dict[str, Tensor] = {}  # the same without the latest block
        self._first: int | None = None  # position of the open step's first block in the epoch's plan
        self._buffers: dict[str, Tensor] = {}  # as they were before that block

    @property
    def is_open(self) -> bool:
        """Whether gradients have been added that are not applied yet."""
        return self._first is not None

    def begin(self, batch: DayBatch, task: pl.LightningModule) -> None:
        """Start the next block; the first one of a step also notes where the step began."""
        self.number, self.closes, self.day = task.global_step, batch.closes_step, batch.day
        self._earlier = self.sums if self.is_open else {}
        if self._first is None:
            self._first = batch.position
            # Metrics have no buffers, and walking through them costs the more the more days they have.
            parts = {name: part for name, part in task.named_children() if not isinstance(part, Metric)}
            self._buffers = {name: buffer.clone() for name, buffer in task.named_buffers(recurse=False)}
            for part, module in parts.items():
                self._buffers |= {f"{part}.{n}": buffer.clone() for n, buffer in module.named_buffers()}

    def set_value(self, value: ObjectiveValue, batch: DayBatch) -> None:
        """Keep what the objective gave for the block; a second attempt at the block replaces the first."""
        self.value = value._replace(loss=value.loss.detach())
        parts = {"train/loss": self.value.loss}
        parts |= {f"train/term/{name}": term for name, term in value.terms.items()}
        sums = {name: (batch.weight * part).sum() for name, part in parts.items()}
        if self._earlier:
            sums = {name: self._earlier[name] + part for name, part in sums.items()}
        self.sums = sums

    def close(self) -> None:
        """Mark the step as applied."""
        self._first, self._buffers = None, {}

    def rewind(self, checkpoint: dict[str, Any]) -> None:
        """Make Lightning's checkpoint resume at the open step's first block; between two steps nothing changes."""
        if self._first is None:
            return
        # Where weights are averaged, those that step are beside the average, which moves between steps only.
        weights = checkpoint.get("current_model_state", checkpoint["state_dict"])
        fit = checkpoint["loops"]["fit_loop"]
        weights |= {name: buffer for name, buffer in self._buffers.items() if name in weights}
        # Lightning's counts include the blocks of the open step: set them back to its first one.
        _set_back(fit, self._first)
        fit["epoch_loop.batch_progress"]["is_last_batch"] = False


def add_loss_gradient(task: pl.LightningModule, loss: Tensor, batch: DayBatch) -> None:
    """Add the gradient of a block's loss, one number a day, to its step's.

    Outside of autocast: it would round the products of backward passes that are written by hand, where the forward
    pass, of a loss for instance, was in full precision.
    """
    with full_precision(task.device):
        # Weights sum to 1 over the step's blocks of all ranks, and DDP takes the mean of the ranks' gradients.
        task.manual_backward((batch.weight * loss).sum() * task.trainer.world_size)


def planned(trainer: pl.Trainer, batch: DayBatch) -> PlannedBlock:
    """The plan of a training block; of one from another loader, what the block itself says."""
    loader = trainer.train_dataloader
    if isinstance(loader, BlockLoader):
        return loader.plan.plan()[batch.position]
    closes, days = batch.closes_step, len(batch.day)
    return PlannedBlock(0, days, 0, (1.0,) * days, closes, index=batch.position, ends_step=closes)


def count_in_blocks_of(plan: BlockSampler, checkpoint: dict[str, Any]) -> None:
    """Let a checkpoint of any number of ranks resume at the same step in the blocks of this rank's plan."""
    fit = checkpoint["loops"]["fit_loop"]
    for loader in fit["state_dict"].get("combined_loader", []):
        if loader["steps"]:
            _set_back(fit, plan.blocks_of_steps(loader["steps"], loader["epoch"]))


def _set_back(fit: dict[str, Any], done: int) -> None:
    """Let Lightning's state of the loops say that the first ``done`` blocks of the epoch are done."""
    progress = fit["epoch_loop.batch_progress"]
    ahead = progress["current"]["ready"] - done
    for counts in (progress["current"], progress["total"]):
        counts |= dict.fromkeys(counts, counts["ready"] - ahead)
    for loader in fit["state_dict"].get("combined_loader", []):
        loader["done"] = done


def checked_clip(norm: float | None) -> float | None:
    """The largest norm of a step's gradient, or None; raises InputError for one that would limit nothing."""
    check_type("model.gradient_clip", norm, float | None)
    if norm is not None and not 0 < norm < math.inf:
        raise InputError(f"model.gradient_clip must be null or a number above 0, got {norm}")
    return norm
