"""Join blocks of one day into one: the days side by side, each with the stocks of its own universe, then filled up.

The union of the stocks of days that are years apart would be twice as many as a day has; filled up to the largest
of the days it is a sixth more, which a network that reads row by row leaves out (`atft.nn.packed_rows`).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from atft.batch import BY_STOCK, DayBatch
from atft.data.block_plan import PlannedBlock


def join_days(block: PlannedBlock, days: Sequence[DayBatch], features: Tensor | None = None) -> DayBatch:
    """Join the days of a block, in its order.

    Args:
        block: what is planned of all of them.
        days: a block of each, with a span of one day.
        features: memory of the joined block in which each day's features already are, first on its row; without,
            they are copied.
    """
    most = max(len(day.stock) for day in days)

    def joined(name: str, memory: Tensor | None = None) -> Tensor:
        parts = [getattr(day, name)[0] for day in days]
        whole = parts[0].new_empty(len(days), most, *parts[0].shape[1:]) if memory is None else memory
        for row, part in zip(whole, parts, strict=True):
            row[len(part) :] = BY_STOCK[name]
            if memory is None:
                row[: len(part)] = part
        return whole

    first = days[0]
    return first._replace(
        features=joined("features", features),
        **{name: joined(name) for name in BY_STOCK if name != "features"},
        # An edge joins stocks of one day, which are numbered from that day's first column on.
        edge_index=torch.cat([day.edge_index + i * most for i, day in enumerate(days)], dim=1),
        edge_attr=torch.cat([day.edge_attr for day in days]),
        stock=torch.full_like(first.stock[:1], -1).expand(most).contiguous(),
        day=torch.cat([day.day for day in days]),
        regime=torch.cat([day.regime for day in days]),
        weight=torch.tensor(block.weight).to(first.weight.device, non_blocking=True),
        closes_step=block.closes_step,
        position=block.position,
        joined=True,
        max_neighbours=first.max_neighbours,
    )
