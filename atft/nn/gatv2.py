"""One layer of GATv2 with edge features: the numbers of torch-geometric's, without its import.

torch-geometric imports torch's compiler, pandas and its datasets: 2.4 s of processor time in every process that
builds a network, more than torch itself. Draws, parameters' names and bits are those of its ``GATv2Conv``, so that
checkpoints and seeds stay what they were; a test compares them.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import skip_init

NEGATIVE_SLOPE = 0.2
EPSILON = 1e-16
"""Added to a sum of attention, which is 0 for a stock without edges."""


class GATv2(nn.Module):
    r"""Sum the neighbours' states, each weighted by attention over the edges that end in a node.

    The logit of an edge is :math:`a \cdot \mathrm{leaky\_relu}(W_l z_j + W_r z_i + W_e e)` a head. A node without
    edges gets the bias alone. Paper: Brody, Alon and Yahav 2022, "How Attentive are Graph Attention Networks?".

    Args:
        width: of the states.
        head_width: of each head's message; heads are concatenated.
        heads: of the attention.
        edge_width: numbers of an edge.
        dropout: share of the attention weights that are dropped in training.
    """

    def __init__(self, width: int, head_width: int, heads: int, edge_width: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.head_width, self.dropout = heads, head_width, dropout
        self.att = nn.Parameter(torch.empty(1, heads, head_width))
        self.bias = nn.Parameter(torch.zeros(heads * head_width))
        out = heads * head_width
        self.lin_l, self.lin_r = _linear(width, out), _linear(width, out)
        self.lin_edge = _linear(edge_width, out, bias=False)
        # torch-geometric draws each layer when it is made, and all again at the end.
        for layer in (self.lin_l, self.lin_r, self.lin_edge, self.lin_l, self.lin_r, self.lin_edge):
            _draw(layer.weight)
            if layer.bias is not None:
                nn.init.uniform_(layer.bias, -1 / math.sqrt(width), 1 / math.sqrt(width))
        _draw(self.att)

    def forward(
        self,
        node: Float[Tensor, "nodes width"],
        edge_index: Int[Tensor, "2 edges"],
        edge_attr: Float[Tensor, "edges attributes"],
    ) -> tuple[Float[Tensor, "nodes heads_width"], Float[Tensor, "edges heads"]]:
        """Pass messages along the edges, source to destination; also return the attention."""
        shape = (-1, self.heads, self.head_width)
        source, destination = edge_index
        left, right = self.lin_l(node).view(shape), self.lin_r(node).view(shape)
        ends = right.index_select(0, destination) + left.index_select(0, source)
        ends = ends + self.lin_edge(edge_attr).view(shape)
        logit = (functional.leaky_relu(ends, NEGATIVE_SLOPE) * self.att).sum(dim=-1)
        weight = functional.dropout(edge_softmax(logit, destination, node), self.dropout, self.training)
        # Selected again: the gradient of the states is then the sum of two, in the order of torch-geometric.
        message = left.index_select(0, source) * weight.unsqueeze(-1)
        return _sum_at(message, destination, node).flatten(1) + self.bias, weight


def edge_softmax(
    logit: Float[Tensor, "edges heads"],
    destination: Int[Tensor, " edges"],
    node: Float[Tensor, "nodes width"],
) -> Float[Tensor, "edges heads"]:
    """Softmax over the edges that end in one node, by head; of ``node`` only the number of nodes counts."""
    index = destination[:, None].expand_as(logit)
    # Not len(), which an exported program would keep as the number of the day that it was traced with.
    largest = logit.new_zeros(node.shape[0], logit.shape[1])
    largest = largest.scatter_reduce_(0, index, logit.detach(), reduce="amax", include_self=False)
    power = (logit - largest.index_select(0, destination)).exp()
    total = _sum_at(power, destination, node) + EPSILON
    return power / total.index_select(0, destination)


def _sum_at(values: Tensor, destination: Tensor, node: Tensor) -> Tensor:
    """Sum of the values of the edges that end in each node, ``[nodes, ...]``."""
    index = destination.view(-1, *[1] * (values.dim() - 1)).expand_as(values)
    return values.new_zeros(node.shape[0], *values.shape[1:]).scatter_add_(0, index, values)


def _linear(width: int, out: int, bias: bool = True) -> nn.Linear:
    """A layer whose weights are not drawn yet."""
    layer: nn.Linear = skip_init(nn.Linear, width, out, bias=bias)  # type: ignore[no-untyped-call]
    return layer


def _draw(weight: Tensor) -> None:
    """Glorot's uniform distribution over the last two axes."""
    bound = math.sqrt(6 / (weight.shape[-2] + weight.shape[-1]))
    nn.init.uniform_(weight, -bound, bound)
