"""Running mean and mean square of the returns of the scores' book: the baseline of a day's Sharpe term.

A block's moments are those of all ranks' blocks together, so that two devices move them as one device with the
union of their days would. Cost: one all-reduce of three numbers a horizon and block; none on a single device.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, distributed, nn


class BlockMoments(NamedTuple):
    """Book returns of one block of days, by horizon."""

    mean: Float[Tensor, " horizons"]
    """A fraction; 0 without a day that had a book."""
    square: Float[Tensor, " horizons"]
    """Mean of the squares."""
    days: Float[Tensor, " horizons"]
    """Days that had a book."""


def block_moments(earned: Float[Tensor, "days horizons"], over_ranks: bool = False) -> BlockMoments:
    """Average a block's book returns and their squares over the days that had a book.

    A return of exactly 0, or one that is not finite, is a day without a book. With ``over_ranks`` the blocks of all
    ranks count; each of them must then call at the same block.
    """
    known = earned.isfinite() & (earned != 0)
    returns = torch.where(known, earned, 0)
    sums = torch.stack((returns.sum(0), (returns**2).sum(0), known.sum(0).to(earned.dtype)))
    if over_ranks and distributed.is_available() and distributed.is_initialized():
        # Sums, not means: ranks may have different numbers of days.
        distributed.all_reduce(sums)
    days = sums[2]
    return BlockMoments(sums[0] / days.clamp_min(1), sums[1] / days.clamp_min(1), days)


class RunningMoments(nn.Module):
    """Remember the mean and mean square of the book's return over the days trained on so far; in the checkpoint.

    The mean starts from 0 and the mean square from the first block's, so that luck in the first days is not taken
    for skill. A day's part halves in ``half_life_days`` trading days, counted over all ranks.
    """

    mean: Tensor
    square: Tensor
    days: Tensor

    def __init__(self, horizons: int, half_life_days: float) -> None:
        super().__init__()
        self.half_life_days = half_life_days
        for name in ("mean", "square", "days"):
            self.register_buffer(name, torch.zeros(horizons))

    def before(self, block: BlockMoments) -> dict[str, Float[Tensor, "1 horizons"]]:
        """Give ``return_mean`` and ``return_square`` as a block's terms read them: those of the days before it.

        Before the first day they are 0 and the block's own mean square.
        """
        # A copy: the buffer moves before the backward reads what the forward used.
        mean = self.mean.to(block.mean.dtype, copy=True)
        return {"return_mean": mean[None], "return_square": self._square_before(block)[None]}

    @torch.no_grad()
    def observe(self, block: BlockMoments) -> None:
        """Move by a block's book returns, all of its days at once."""
        # All days of the block at once; a day without a book does not age the past.
        keep = 0.5 ** (block.days / self.half_life_days)
        square = torch.lerp(block.square, self._square_before(block), keep)
        self.mean.copy_(torch.lerp(block.mean, self.mean.to(block.mean.dtype), keep))
        self.square.copy_(square)
        self.days.add_(block.days)

    def _square_before(self, block: BlockMoments) -> Tensor:
        return torch.where(self.days > 0, self.square.to(block.square.dtype), block.square)
