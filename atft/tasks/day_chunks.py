"""Run a block through the network in chunks of whole days where the device has too little memory for all of it.

When memory runs out, what the failed attempt changed (part of a gradient, moments, random states) is restored, and
the block is tried again with half as many days at once. The chunks are scored without keeping a graph's tensors;
the loss and its gradient at the scores are those of the whole block, so a term may look across days; in the
backward pass each chunk is run once more, from the random state of its first run (``torch.utils.checkpoint`` does
both). So gradient, effective batch and optimiser steps are those of a device with more memory. The size that
worked is kept for this process. Across several devices only the forward pass can be retried: the loss and its
gradient are collective sums.

Cost on a CUDA device while everything fits: a copy of the buffers, and of the gradient so far, for every block;
none on other devices, whose allocators do not raise ``torch.OutOfMemoryError``. Cost of chunks: one more forward
pass. Dropout draws other numbers for chunks than for a whole block, but the same in a chunk's second run as in its
first.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import lightning.pytorch as pl
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from atft.batch import DayBatch, Forecast
from atft.errors import OutOfMemory

T = TypeVar("T")


class Retry(NamedTuple):
    """One time that memory ran out."""

    split: str
    """train or evaluation."""
    epoch: int
    """Counted from 1."""
    step: int
    """Optimiser steps taken before."""
    stocks: int
    from_days: int
    """Days that were in memory at once when it ran out."""
    to_days: int
    """Days that are tried at once from then on."""


class DayChunks:
    """The number of days at once that fits, for one kind of pass; halved each time that memory runs out.

    Args:
        split: train or evaluation: a pass with a gradient needs several times the memory of one without.
        retries: the list that each retry is added to.
        device_type: type of the devices whose memory can run out; on others there is no retry and no copy.
    """

    def __init__(self, split: str, retries: list[Retry], device_type: str) -> None:
        self.split, self.retries, self.device_type = split, retries, device_type
        self.days: int | None = None
        """Most days at once; None while every block has fitted whole."""

    def run(self, attempt: Callable[[DayBatch], T], batch: DayBatch, task: pl.LightningModule) -> T:
        """Run ``attempt`` on a block, again with fewer days at once each time that memory runs out.

        Args:
            attempt: works on the block with at most :attr:`days` of its days at once.
            batch: the block.
            task: what trains or evaluates; a failed attempt's changes to it are undone.

        Raises:
            OutOfMemory: one day at a time does not fit either.
        """
        if task.device.type != self.device_type:
            return attempt(batch)
        undo = undo_to_here(task, task.device) if torch.is_grad_enabled() else None
        while True:
            try:
                return attempt(batch)
            except torch.OutOfMemoryError as error:
                reason = ". ".join(str(error).split(". ")[:2])
            # Outside of the handler, which keeps the failed attempt's tensors alive through its traceback.
            self._halve(batch, task, reason)
            if undo is not None:
                undo()
            torch.cuda.empty_cache()

    def _halve(self, batch: DayBatch, task: pl.LightningModule, reason: str) -> None:
        whole, stocks = batch.universe.shape
        days = min(self.days or whole, whole)
        if days == 1:
            # Only the sampler of training divides days.
            part = "data.loader.batch_size below the stocks of a day, which divides a day into parts, or "
            raise OutOfMemory(
                f"one day of {stocks} stocks and {batch.lookback} days of history does not fit in memory "
                f"({self.split}, {reason}); lower {part if self.split == 'train' else ''}"
                f"the network's size, or set trainer.precision: bf16-mixed"
            )
        self.days = (days + 1) // 2
        self.retries.append(
            Retry(self.split, task.current_epoch + 1, task.global_step, stocks, days, self.days)
        )


def forecast_in_chunks(
    network: Callable[[DayBatch], Forecast], batch: DayBatch, days: int | None
) -> Forecast:
    """Score a block with at most ``days`` of its days in memory at once; the scores are the whole block's.

    Where gradients are recorded, a chunk keeps only its inputs and its random state, and is run again when the
    backward pass reaches it.

    Args:
        network: scores a block; its days are independent of each other.
        batch: the block.
        days: most days of a chunk; None for the whole block.
    """
    whole = batch.universe.shape[0]
    if days is None or days >= whole:
        return network(batch)
    parts = [batch.part(start, min(start + days, whole)) for start in range(0, whole, days)]
    if torch.is_grad_enabled():
        done = [checkpoint(network, part, use_reentrant=False) for part in parts]
    else:
        done = [network(part) for part in parts]
    score, *rest = zip(*done, strict=True)
    # All chunks have a field, or none.
    quantiles, members = (None if field[0] is None else torch.cat(field) for field in rest)
    return Forecast(torch.cat(score), quantiles, members)


@contextmanager
def no_retry_under_ddp(devices: int) -> Iterator[None]:
    """Turn running out of memory in a collective sum into a fatal error: other devices have already added their
    parts.

    Args:
        devices: how many there are. On a single one the error passes unchanged, and the block is tried again.

    Raises:
        OutOfMemory: memory ran out, and there are several devices.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        if devices == 1:
            raise
        raise OutOfMemory(
            f"memory ran out in the loss or its backward pass on one of {devices} devices, which have shared part "
            f"of the block's sums, so that it cannot be tried again; lower data.loader.block_days or batch_size"
        ) from error


def undo_to_here(module: nn.Module, device: torch.device) -> Callable[[], None]:
    """Copy what training on a block changes; the returned function restores it.

    Gradients (of a step's earlier blocks: none for its first), buffers such as running moments, and random states.
    """
    gradients = [(p, None if p.grad is None else p.grad.clone()) for p in module.parameters()]
    buffers = [(b, b.clone()) for b in module.buffers()]
    cpu_state = torch.get_rng_state()
    cuda_state = torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    def undo() -> None:
        for parameter, gradient in gradients:
            parameter.grad = None if gradient is None else gradient.clone()
        for buffer, value in buffers:
            buffer.copy_(value)
        torch.set_rng_state(cpu_state)
        if cuda_state is not None:
            torch.cuda.set_rng_state(cuda_state, device)

    return undo
