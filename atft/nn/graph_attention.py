"""What a stock's neighbours say today: GATv2 over the day's graph, admitted through a gate nearly shut.

A message is a weighted mean of the neighbours' states, nearly their plain mean at the start, so a lagged move
of the neighbourhood arrives as it is. The states hold the last day's row unchanged, where that move stands.
"""

import warnings

from jaxtyping import Float, Int
from torch import Tensor, nn

from atft.batch import EDGE_FEATURES
from atft.nn.gated_residual import Gate
from atft.nn.options import head_count


def _gatv2() -> type[nn.Module]:
    """Import torch-geometric's layer: a second and a half that only a process that builds a network pays."""
    with warnings.catch_warnings():
        # Some of its modules are compiled with torch.jit at import, which torch has begun to give up.
        warnings.filterwarnings("ignore", ".*torch.jit.script", DeprecationWarning)
        from torch_geometric.nn import GATv2Conv
    layer: type[nn.Module] = GATv2Conv
    return layer


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
        self.norms = nn.ModuleList(nn.LayerNorm(hidden_size) for _ in range(layers))
        self.gates = nn.ModuleList(Gate(hidden_size, hidden_size) for _ in range(layers))

    def forward(
        self,
        node: Float[Tensor, "nodes hidden"],
        edge_index: Int[Tensor, "2 edges"],
        edge_attr: Float[Tensor, "edges attributes"],
    ) -> Float[Tensor, "nodes hidden"]:
        """Let messages run along the edges, source to destination; there may be no edge at all."""
        for message, norm, gate in zip(self.messages, self.norms, self.gates, strict=True):
            node = node + gate(norm(message(node, edge_index, edge_attr.to(node.dtype))))
        return node
