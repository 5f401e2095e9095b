"""The rows of a joined block side by side, without those that only fill its days up to one length.

A day of a joined block has a sixth fewer stocks, in the mean, than its largest day: work that a network which reads
row by row need not do. The packed rows are a whole number of `ROWS_MULTIPLE`, some of them twice: bfloat16 products
compile a kernel for each number of rows that they meet, .4 ms each, and forget it after a few hundred others.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from atft.batch import DayBatch

ROWS_MULTIPLE = 256


class PackedRows(NamedTuple):
    """Where the rows of a block come from."""

    row: Int[Tensor, " packed"]
    """Of each packed row its number in ``[days * stocks]``, ascending; the last one again at the end."""
    distinct: int
    """Rows that are not there a second time."""
    days: int
    stocks: int

    @property
    def rows_of_days(self) -> list[int]:
        """How many rows each day has; they are in the order of the days."""
        day = self.row.div(self.stocks, rounding_mode="floor")
        counts: list[int] = day.bincount(minlength=self.days).tolist()
        return counts

    def take(self, x: Shaped[Tensor, "days stocks *rest"]) -> Shaped[Tensor, "1 packed *rest"]:
        """Pack the rows of a tensor of the block, as those of a single day."""
        return x.flatten(0, 1).index_select(0, self.row)[None]

    def put(self, x: Float[Tensor, "1 packed *rest"]) -> Float[Tensor, "days stocks *rest"]:
        """Put packed rows where they come from; the others are 0."""
        whole = x.new_zeros(self.days * self.stocks, *x.shape[2:])
        filled = whole.index_copy(0, self.row[: self.distinct], x[0, : self.distinct])
        return filled.view(self.days, self.stocks, *x.shape[2:])


def pack_rows(batch: DayBatch) -> PackedRows | None:
    """Pack the rows of a joined block on a CPU; None elsewhere: counting them would wait for a GPU."""
    if not batch.joined or batch.universe.device.type != "cpu":
        return None
    row = batch.universe.flatten().nonzero()[:, 0]
    count = len(row)
    again = row[-1:].expand(-count % ROWS_MULTIPLE)
    return PackedRows(torch.cat((row, again)), count, *batch.universe.shape)
