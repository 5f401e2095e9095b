"""Bring blocks to a few sizes: a CUDA graph, and a compiled network, run one shape only.

Padded stocks were never observed, are in no universe and have no label, so that no score, loss or gradient of the
others reads them; padded edges join padded stocks to themselves. At most an eighth is added: eight sizes lie
between a power of two and the next. Dropout draws other numbers for another shape.
"""

from typing import Any

import torch

from atft.batch import DayBatch

BY_STOCK = {
    "features": (1, torch.nan),
    "observed": (1, False),
    "universe": (1, False),
    "target": (1, torch.nan),
    "valid": (1, False),
    "sector": (1, -1),
    "exposure": (1, torch.nan),
    "stock": (0, -1),
}
"""Tensors with an axis of stocks: which axis, and what a padded stock has."""
WHOLE = ("day", "regime", "weight")


def padded_size(count: int) -> int:
    """The least of the sizes that is larger than ``count``: padded edges need a padded stock."""
    step = max(8, 1 << max(count.bit_length() - 4, 0))
    return (count // step + 1) * step


def padded_sizes(batch: DayBatch) -> tuple[int, int]:
    """Stocks and edges of a block once padded; a block without edges stays without."""
    edges = batch.edge_index.shape[1]
    return padded_size(len(batch.stock)), padded_size(edges) if edges else 0


def empty_block(like: DayBatch) -> DayBatch:
    """A block of the padded sizes of another one, for :func:`fill_block`; what it has is arbitrary."""
    stocks, edges = padded_sizes(like)
    sizes: dict[str, Any] = {}
    for name, (axis, _) in BY_STOCK.items():
        tensor = getattr(like, name)
        sizes[name] = tensor.new_empty((*tensor.shape[:axis], stocks, *tensor.shape[axis + 1 :]))
    sizes |= {name: torch.empty_like(getattr(like, name)) for name in WHOLE}
    sizes["edge_index"] = like.edge_index.new_empty(2, edges)
    sizes["edge_attr"] = like.edge_attr.new_zeros(edges, like.edge_attr.shape[1])
    return like._replace(**sizes)


def fill_block(padded: DayBatch, batch: DayBatch) -> None:
    """Copy a block into one of its padded sizes, in place."""
    stocks, room = len(batch.stock), len(padded.stock)
    for name, (axis, value) in BY_STOCK.items():
        target = getattr(padded, name)
        target.narrow(axis, 0, stocks).copy_(getattr(batch, name))
        target.narrow(axis, stocks, room - stocks).fill_(value)
    for name in WHOLE:
        getattr(padded, name).copy_(getattr(batch, name))
    edges = batch.edge_index.shape[1]
    more = padded.edge_index.shape[1] - edges
    if not padded.edge_index.shape[1]:
        return
    # Nodes are numbered day by day: each day now has more stocks.
    day = batch.edge_index.div(stocks, rounding_mode="floor")
    padded.edge_index[:, :edges] = batch.edge_index + day * (room - stocks)
    padded.edge_attr[:edges] = batch.edge_attr
    # Spread over the padded stocks: sums into a single one would wait for each other.
    padded.edge_index[:, edges:] = stocks + torch.arange(more, device=day.device) % (room - stocks)
    padded.edge_attr[edges:] = 0


def pad_block(batch: DayBatch) -> DayBatch:
    """A copy of a block with padded stocks after its own, and padded edges after its own."""
    padded = empty_block(batch)
    fill_block(padded, batch)
    return padded
