"""Running mean and mean square of the returns of the scores' book: the baseline of a day's Sharpe term.

They move when an optimiser step closes, by the days of all its blocks on all ranks at once: how the blocks are
divided among devices changes nothing. Cost: one all-reduce of three numbers a horizon and block; none on a single
device.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, distributed, nn

FEW_DAYS = 4
"""Days of earlier steps below which a block's own returns count among them: all of one or two may be nearly 0."""


class BlockMoments(NamedTuple):
    """Book returns of one block of days, by horizon."""

    mean: Float[Tensor, " horizons"]
    """A fraction; 0 without a day that had a book."""
    square: Float[Tensor, " horizons"]
    """Mean of the squares."""
    days: Float[Tensor, " horizons"]
    """Days that had a book."""


def block_moments(earned: Float[Tensor, "days horizons"]) -> BlockMoments:
    """Average a block's book returns and their squares over the days that had a book.

    A return of exactly 0, or one that is not finite, is a day without a book.
    """
    known = earned.isfinite() & (earned != 0)
    returns = torch.where(known, earned, 0)
    return _means(torch.stack((returns.sum(0), (returns**2).sum(0), known.sum(0).to(earned.dtype))))


def _means(sums: Float[Tensor, "3 horizons"]) -> BlockMoments:
    days = sums[2]
    return BlockMoments(sums[0] / days.clamp_min(1), sums[1] / days.clamp_min(1), days)


class RunningMoments(nn.Module):
    """Remember the mean and mean square of the book's return over the days trained on so far; in the checkpoint.

    The mean starts from 0, and the mean square is that of all days alike until they are as many as the half-life
    weighs: luck in the first days is not taken for skill, nor a first day that earned next to nothing for a scale.
    A day's part halves in ``half_life_days`` trading days, counted over all ranks.
    """

    mean: Tensor
    square: Tensor
    days: Tensor
    step: Tensor

    def __init__(self, horizons: int, half_life_days: float) -> None:
        super().__init__()
        self.half_life_days = half_life_days
        for name in ("mean", "square", "days"):
            self.register_buffer(name, torch.zeros(horizons))
        # Sums of the open step, over all ranks: DDP gives each rank the first one's buffers at every block. A
        # checkpoint is of a step's end, where they are 0.
        self.register_buffer("step", torch.zeros(3, horizons), persistent=False)

    def before(self, block: BlockMoments) -> dict[str, Float[Tensor, "1 horizons"]]:
        """Give ``return_mean`` and ``return_square`` as a block's terms read them: those of earlier steps' days.

        Before the first step's end they are 0 and the block's own mean square, which counts in it up to `FEW_DAYS`.
        """
        # A copy: the buffer moves before the backward reads what the forward used.
        mean = self.mean.to(block.mean.dtype, copy=True)
        return {"return_mean": mean[None], "return_square": self._square_with(block)[None]}

    @torch.no_grad()
    def observe(self, block: BlockMoments) -> None:
        """Count the book returns of a block, and of the other ranks' blocks, into the open step.

        Each rank calls it for as many blocks.
        """
        sums = torch.stack((block.mean * block.days, block.square * block.days, block.days))
        if distributed.is_available() and distributed.is_initialized():
            # Sums, not means: ranks may have different numbers of days.
            distributed.all_reduce(sums)
        self.step.add_(sums)

    @torch.no_grad()
    def close_step(self) -> None:
        """Move by the open step's book returns, all of its days at once."""
        whole = _means(self.step)
        # A day without a book does not age the past.
        keep = 0.5 ** (whole.days / self.half_life_days)
        square = torch.lerp(self.square, whole.square, torch.maximum(1 - keep, self._part_of(whole)))
        self.mean.copy_(torch.lerp(whole.mean, self.mean, keep))
        self.square.copy_(square)
        self.days.add_(whole.days)
        self.step.zero_()

    def _square_with(self, block: BlockMoments) -> Tensor:
        """The mean square of earlier days, and of the block's own while those are few."""
        part = torch.where(self.days < FEW_DAYS, self._part_of(block), 0)
        return torch.lerp(self.square.to(block.square.dtype), block.square, part.to(block.square.dtype))

    def _part_of(self, block: BlockMoments) -> Tensor:
        """The block's days as a share of all days so far and its own."""
        return block.days / (self.days + block.days).clamp_min(1)
