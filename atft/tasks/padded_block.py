"""Bring blocks to a few sizes: a CUDA graph, and a compiled network, run one shape only.

Padded stocks were never observed, are in no universe and have no label, so that no score, loss or gradient of the
others reads them; padded edges join padded stocks to themselves. At most an eighth is added: eight sizes lie
between a power of two and the next. Dropout draws other numbers for another shape.
"""

from typing import Any

import torch

from atft.batch import BY_STOCK, DayBatch

WITHOUT_STOCKS = ("day", "regime", "weight")
"""Tensors that padding does not change."""


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
    sizes: dict[str, Any] = {"stock": like.stock.new_empty(stocks)}
    for name in BY_STOCK:
        tensor = getattr(like, name)
        sizes[name] = tensor.new_empty(len(tensor), stocks, *tensor.shape[2:])
    sizes |= {name: torch.empty_like(getattr(like, name)) for name in WITHOUT_STOCKS}
    sizes["edge_index"] = like.edge_index.new_empty(2, edges)
    sizes["edge_attr"] = like.edge_attr.new_zeros(edges, like.edge_attr.shape[1])
    return like._replace(**sizes)


def fill_block(padded: DayBatch, batch: DayBatch) -> None:
    """Copy a block into one of its padded sizes, in place."""
    stocks, added_stocks = len(batch.stock), len(padded.stock) - len(batch.stock)
    padded.stock[:stocks] = batch.stock
    padded.stock[stocks:] = -1
    for name, value in BY_STOCK.items():
        target = getattr(padded, name)
        target[:, :stocks] = getattr(batch, name)
        target[:, stocks:] = value
    for name in WITHOUT_STOCKS:
        getattr(padded, name).copy_(getattr(batch, name))
    edges = batch.edge_index.shape[1]
    added_edges = padded.edge_index.shape[1] - edges
    if not padded.edge_index.shape[1]:
        return
    # Nodes are numbered day by day: each day now has more stocks.
    day = batch.edge_index.div(stocks, rounding_mode="floor")
    padded.edge_index[:, :edges] = batch.edge_index + day * added_stocks
    padded.edge_attr[:edges] = batch.edge_attr
    # Spread over the padded stocks: sums into a single one would wait for each other.
    padded.edge_index[:, edges:] = stocks + torch.arange(added_edges, device=day.device) % added_stocks
    padded.edge_attr[edges:] = 0


def pad_block(batch: DayBatch) -> DayBatch:
    """A copy of a block with padded stocks after its own, and padded edges after its own."""
    padded = empty_block(batch)
    fill_block(padded, batch)
    return padded
