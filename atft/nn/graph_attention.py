"""GATv2 attention over a day's graph: what a stock's neighbours say today, a tenth of it at first.

A message is a weighted mean of the neighbours' states, so a lagged move of the neighbourhood arrives as it is;
the states carry the last day's row unchanged, and with it that move. Attention starts from the edges'
correlations: from equal weights the network first has to learn which of a stock's twenty neighbours are related,
through the noise of all; in a simulated market it then found half of the planted component, not four fifths.
"""

import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from atft.batch import EDGE_FEATURES
from atft.full_precision import product_dtype
from atft.nn.dropout import drop
from atft.nn.gated_residual import Gate
from atft.nn.neighbour_table import NeighbourTable, neighbour_table
from atft.nn.sizes import head_count
from atft.nn.table_attention import table_attention

INIT_CORRELATION_LOGIT = 4.0
"""Initial attention logit per unit of edge correlation: +0.3 correlation gives about e^1.2 = 3.3 x the weight."""

MIN_TABLE_WIDTH = 10
"""Fewer neighbours are summed as edges, by torch-geometric, in the same time or less (800 stock-days, a CPU)."""


def _gatv2() -> type[nn.Module]:
    """Import torch-geometric's layer: a second and a half that only a process that builds a network pays."""
    with warnings.catch_warnings():
        # Some of its modules are compiled with torch.jit at import, which torch has begun to give up.
        warnings.filterwarnings("ignore", ".*torch.jit.script", DeprecationWarning)
        from torch_geometric.nn import GATv2Conv
    layer: type[nn.Module] = GATv2Conv
    return layer


def _remove_written_sources(layer: type[nn.Module]) -> None:
    """Delete the sources that torch-geometric writes of a layer's methods, once a process, and leaves behind."""
    for method in ("propagate", "edge_updater"):
        written = sys.modules.get(f"{layer.__module__}_{layer.__name__}_{method}")
        for path in (getattr(written, "__file__", None), getattr(written, "__cached__", None)):
            if path is not None:
                Path(path).unlink(missing_ok=True)


@torch.no_grad()
def _init_attention_from_edges(message: Any) -> None:
    """Let a new layer's attention grow with an edge's features, and little with the two states."""
    # In GATv2 a neighbour's logit is att . leaky_relu(W_l z_j + W_r z_i + W_e e): with W_e in the direction of att
    # it grows with e, of which correlation is the first feature.
    direction = message.att.flatten().sign()
    message.lin_edge.weight[:, 0] = INIT_CORRELATION_LOGIT * direction
    message.lin_edge.weight[:, 1:] = 0.1 * INIT_CORRELATION_LOGIT * direction[:, None]
    message.lin_l.weight *= 0.5
    message.lin_r.weight *= 0.5


class GraphAttention(nn.Module):
    """``layers`` rounds of GATv2 messages, each ``z + Gate(LayerNorm(message))``.

    Attention reads both ends and the edge's features; a stock without neighbours gets the layer's constant
    only. Paper: Brody, Alon and Yahav 2022, "How Attentive are Graph Attention Networks?".
    """

    def __init__(self, hidden_size: int, layers: int, dropout: float) -> None:
        super().__init__()
        heads = head_count(hidden_size)
        convolution = _gatv2()
        self.messages = nn.ModuleList(
            convolution(
                hidden_size,
                hidden_size // heads,
                heads,
                edge_dim=len(EDGE_FEATURES),
                dropout=dropout,
                add_self_loops=False,
            )
            for _ in range(layers)
        )
        _remove_written_sources(convolution)
        for message in self.messages:
            _init_attention_from_edges(message)
        self.norms = nn.ModuleList(nn.LayerNorm(hidden_size) for _ in range(layers))
        self.gates = nn.ModuleList(Gate(hidden_size) for _ in range(layers))

    def forward(
        self,
        node: Float[Tensor, "nodes hidden"],
        edge_index: Int[Tensor, "2 edges"],
        edge_attr: Float[Tensor, "edges attributes"],
        max_neighbours: int = 0,
    ) -> Float[Tensor, "nodes hidden"]:
        """Pass messages along the edges, source to destination; there may be no edge at all.

        Where ``max_neighbours``, the most edges that end in one node, is known and large enough, messages are
        summed as a table, at 30 neighbours two to three times as fast on a CPU and with a third of the bytes
        elsewhere. Where it is 0, not known, as in an exported program, torch-geometric's layer sums them.
        """
        table = None
        if max_neighbours >= MIN_TABLE_WIDTH:
            table = neighbour_table(edge_index, edge_attr, len(node), max_neighbours)
        for message, norm, gate in zip(self.messages, self.norms, self.gates, strict=True):
            if table is None:
                incoming = message(node, edge_index, edge_attr.to(node.dtype))
            else:
                incoming = _sum_messages(message, node, table)
            node = node + gate(norm(incoming))
        return node

    def attention(
        self,
        node: Float[Tensor, "nodes hidden"],
        edge_index: Int[Tensor, "2 edges"],
        edge_attr: Float[Tensor, "edges attributes"],
    ) -> Float[Tensor, "layers edges heads"]:
        """Each layer's attention to the edges: of a head, 1 over the edges that end in a stock."""
        weights = []
        for message, norm, gate in zip(self.messages, self.norms, self.gates, strict=True):
            features = edge_attr.to(node.dtype)
            incoming, (_, weight) = message(node, edge_index, features, return_attention_weights=True)
            node = node + gate(norm(incoming))
            weights.append(weight)
        return torch.stack(weights)


def _sum_messages(
    message: Any, node: Float[Tensor, "nodes hidden"], table: NeighbourTable
) -> Float[Tensor, "nodes hidden"]:
    """What a layer of torch-geometric returns, with its parameters."""
    dtype: torch.dtype = message.att.dtype
    if node.device.type != "cpu":
        # On a CPU the states of edges are in its cache, where bfloat16 is no faster.
        dtype = product_dtype(node.device, dtype)
    node = node.to(dtype)
    source, destination = message.lin_l(node).to(dtype), message.lin_r(node)
    kept = None
    if message.training and message.dropout > 0:
        kept = drop(message.att.new_ones(message.heads, *table.source.shape), message.dropout)
    by_attribute = message.lin_edge.weight.T
    sums = table_attention(source, destination, by_attribute, message.att[0], table, kept)
    bias: Tensor = message.bias
    return sums + bias
