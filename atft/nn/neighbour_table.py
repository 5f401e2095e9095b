"""A block's edges as a table: the neighbours of each stock-day, which are at most a known number.

Attention over a table is a softmax along a row and a weighted sum of it. Over a list of edges both are sums into
rows that an index names, and each edge copies the state of its end.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad


class NeighbourTable(NamedTuple):
    """The neighbours of each node, in the order in which their edges came."""

    source: Int[Tensor, "nodes width"]
    """The neighbour in each cell; the node itself where there is none, so that no index is out of range."""
    linked: Float[Tensor, "nodes width"]
    """1 for a neighbour, 0 for none."""
    attributes: Float[Tensor, "nodes width attributes"]
    """Of the edges; 0 where there is no neighbour."""


def neighbour_table(
    edge_index: Int[Tensor, "2 edges"],
    edge_attr: Float[Tensor, "edges attributes"],
    nodes: int,
    width: int,
) -> NeighbourTable:
    """Arrange edges as a table, without a wait for the device.

    Args:
        edge_index: source, then destination; in any order.
        edge_attr: of the edges.
        nodes: stock-days of the block.
        width: most edges that end in one of them, at least 1. Of more, as padded stocks may have, the first count.
    """
    source, destination = edge_index
    edges = len(source)
    ordered, order = destination.sort(stable=True)
    node = torch.arange(nodes, device=source.device)
    column = torch.arange(edges, device=source.device) - torch.searchsorted(ordered, node)[ordered]
    cell = torch.where(column < width, ordered * width + column, nodes * width)
    # The number of the edge in each cell, one past the last for none; and a cell more for what is left out.
    edge = source.new_full((nodes * width + 1,), edges)
    edge[cell] = order
    edge = edge[:-1].view(nodes, width)
    linked = edge < edges
    # With one more, which is read where there is no edge.
    sources, attributes = pad(source, (0, 1)), pad(edge_attr, (0, 0, 0, 1))
    return NeighbourTable(
        torch.where(linked, sources[edge], node[:, None]), linked.to(torch.float32), attributes[edge]
    )
