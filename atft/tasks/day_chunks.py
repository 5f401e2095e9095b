"""Takes a block through the network in chunks of whole days that fit in the device's memory.

When memory runs out, what the failed attempt has left behind (part of a gradient, moved moments, drawn random
numbers) is put back, and the block is tried again in chunks of half as many days. The chunks are scored without
keeping a graph's tensors; the loss and its gradient at the scores are those of the whole block, so a term may
look across days; in the backward pass each chunk is run once more, from the random state of its first run, and
receives its part of that gradient (``torch.utils.checkpoint`` does both). So the gradient, the effective batch
and the number of optimiser steps are those of a device with more memory. The size that worked is kept, for this
process: a run that goes on elsewhere begins with whole blocks. On several devices a retry is possible while the
scores are made, and no longer when the devices have begun to add up what they found: the run then ends.

Cost while everything fits: a copy of the gradient so far in every block of a step but the first. Cost of chunks:
one more forward pass. Dropout draws other numbers for chunks than for a whole block, never others in a chunk's
second run than in its first.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn
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
    """Optimiser steps made before."""
    stocks: int
    from_days: int
    """Days that were in memory at once when it ran out."""
    to_days: int
    """Days that are tried at once from then on."""


class DayChunks:
    """Remember how many days at once fit, for one kind of pass, and each time that it took fewer.

    Args:
        split: train or evaluation: a pass with a gradient needs several times the memory of one without.
        retries: the record, which grows with each time that memory ran out.
    """

    def __init__(self, split: str, retries: list[Retry]) -> None:
        self.split, self.retries = split, retries
        self.days: int | None = None
        """Most days at once; None while every block has fitted whole."""

    def run(
        self,
        batch: DayBatch,
        attempt: Callable[[int], T],
        undo: Callable[[], None] | None = None,
        epoch: int = 1,
        step: int = 0,
    ) -> T:
        """Make the first attempt that fits, with fewer days at once each time.

        Args:
            batch: the block.
            attempt: does the work with at most so many of the block's days in memory at once.
            undo: takes back what a failed attempt has done by halves.
            epoch: the present one, counted from 1, for the record.
            step: optimiser steps made before, for the record.

        Raises:
            OutOfMemory: one day at a time does not fit either.
        """
        whole, stocks = batch.universe.shape
        while True:
            days = min(self.days or whole, whole)
            try:
                return attempt(days)
            except torch.OutOfMemoryError as error:
                reason = ". ".join(str(error).split(". ")[:2])
            # Outside of the handler, which keeps the failed attempt's tensors alive through its traceback.
            if days == 1:
                raise OutOfMemory(
                    f"one day of {stocks} stocks and {batch.lookback} days of history does not fit in memory "
                    f"({self.split}, {reason}); lower data.loader.batch_size below the stocks of a day, which "
                    f"deals a day in parts, or model.network.hidden_size, or set trainer.precision: bf16-mixed"
                )
            if undo is not None:
                undo()
            torch.cuda.empty_cache()
            self.days = (days + 1) // 2
            self.retries.append(Retry(self.split, epoch, step, stocks, days, self.days))


def forecast_in_chunks(network: Callable[[DayBatch], Forecast], batch: DayBatch, days: int) -> Forecast:
    """Score a block with at most ``days`` of its days in memory at once; the scores are the whole block's.

    Where gradients are recorded, a chunk keeps nothing but its inputs and its random state, and is run again
    when the backward pass reaches it.

    Args:
        network: scores a block; its days do not touch each other.
        batch: the block.
        days: most days of a chunk; the block's number of days or more runs it whole.
    """
    whole = batch.universe.shape[0]
    if days >= whole:
        return network(batch)
    parts = [batch.part(start, min(start + days, whole)) for start in range(0, whole, days)]
    if torch.is_grad_enabled():
        done = [checkpoint(network, part, use_reentrant=False) for part in parts]
    else:
        done = [network(part) for part in parts]
    quantiles = [f.quantiles for f in done if f.quantiles is not None]
    return Forecast(torch.cat([f.score for f in done]), torch.cat(quantiles) if quantiles else None)


@contextmanager
def shared_part(devices: int) -> Iterator[None]:
    """Do what all devices do together for a block, its sums over them: there is one try at it.

    On a single device memory that runs out here is tried again like any other. On several the others have part of
    a sum by then, and a second one would meet their next block's.

    Args:
        devices: how many there are.

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
    """Copy what training on a block changes; the function that comes back puts it in place again.

    Gradients (of a step's earlier blocks: none for its first), buffers such as running moments, and the random
    states of the processor and the device.

    Args:
        module: what trains.
        device: where.
    """
    gradients = [(p, _copy(p.grad)) for p in module.parameters()]
    buffers = [(b, b.clone()) for b in module.buffers()]
    drawn = torch.get_rng_state()
    drawn_there = torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    def undo() -> None:
        for parameter, gradient in gradients:
            parameter.grad = _copy(gradient)
        for buffer, value in buffers:
            buffer.copy_(value)
        torch.set_rng_state(drawn)
        if drawn_there is not None:
            torch.cuda.set_rng_state(drawn_there, device)

    return undo


def _copy(gradient: Tensor | None) -> Tensor | None:
    return None if gradient is None else gradient.clone()
