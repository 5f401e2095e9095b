"""GATv2 attention over a table of neighbours, with the gradient written by hand: 12 operators on the edges' states.

Brody, Alon and Yahav 2022, "How Attentive are Graph Attention Networks?", equation 7. Over a list of edges, as
torch-geometric computes it, it takes 30, some of them in float32 under autocast: a quarter of a step's bytes at 30
neighbours and 256 numbers. In a table the state of an edge is one gather and one product, a head's weights and sums
are products with all of a node's neighbours, and only the gradient of the sources is summed by an index.

Cost at ``n`` stock-days, ``K`` neighbours and ``D = heads x channels``: five operators forward, seven backward, on
tensors of ``n K D`` numbers. A CPU makes them in stripes that stay in its cache, again in the backward pass: 11 us
a stock-day of 30 neighbours and 64 numbers, forward and backward on one thread, for torch-geometric's 28. Elsewhere
they are made at once, in autocast's format, and two of them are kept.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from atft.cross_section import MASKED_LOGIT
from atft.full_precision import full_precision
from atft.nn.neighbour_table import NeighbourTable

SLOPE = 0.2
"""Of the leaky ReLU below 0."""
STRIPE_NUMBERS = 1 << 19
"""Numbers of the edges' states that a CPU makes at a time, 2 MB in float32."""


def table_attention(
    source: Float[Tensor, "nodes hidden"],
    destination: Float[Tensor, "nodes hidden"],
    by_attribute: Float[Tensor, "attributes hidden"],
    attention: Float[Tensor, "heads channels"],
    table: NeighbourTable,
    kept: Float[Tensor, "heads nodes width"] | None = None,
) -> Float[Tensor, "nodes hidden"]:
    r"""Sum each node's neighbours by attention: ``softmax(a . leaky_relu(z)) s_j``, ``z = s_j + d_i + W e``.

    Args:
        source: what a node is to those that read it, ``s``; products have its format.
        destination: what a node is where it reads, ``d``.
        by_attribute: ``W``, from an edge's attributes ``e``.
        attention: ``a`` of each head.
        table: the neighbours of each node.
        kept: factor of each weight after the softmax, as a dropout draws it; all 1 without.

    Returns:
        The sums; 0 for a node without neighbours.
    """
    dtype, heads = source.dtype, len(attention)
    # 1 at the channels of each head, 0 at those of others: sums over a head's channels become matrix products.
    head_channels = torch.eye(heads, dtype=dtype, device=source.device).repeat_interleave(
        attention.shape[1], dim=1
    )
    by_head = attention.flatten().to(dtype) * head_channels
    tensors = source, destination.to(dtype), by_attribute.to(dtype), by_head, head_channels, kept, *table
    with full_precision(source.device):
        sums: Tensor = _TableAttention.apply(*tensors)  # type: ignore[no-untyped-call]
    return sums


class _States(NamedTuple):
    """What a stripe's edges are made of, made again in the backward pass where there are several stripes."""

    ends: Float[Tensor, "nodes width terms"]
    """The attributes of each cell and a 1, for ``d_i + W e`` as one product with the terms."""
    terms: Float[Tensor, "nodes terms hidden"]
    """``W`` and ``d_i`` of each node."""
    values: Float[Tensor, "nodes width hidden"]
    """``s_j`` of each cell."""
    bent: Float[Tensor, "nodes width hidden"]
    """``leaky_relu(z)``."""


class _TableAttention(torch.autograd.Function):
    """The sums and their gradients, a stripe of nodes at a time."""

    @staticmethod
    def forward(
        ctx: Any,
        source: Tensor,
        destination: Tensor,
        by_attribute: Tensor,
        by_head: Tensor,
        head_channels: Tensor,
        kept: Tensor | None,
        index: Tensor,
        linked: Tensor,
        attributes: Tensor,
    ) -> Tensor:
        (nodes, width), (heads, hidden) = index.shape, by_head.shape
        wide = torch.promote_types(source.dtype, torch.float32)
        softmax = torch.empty(heads, nodes, width, dtype=wide, device=source.device)
        out, stripes = torch.empty_like(destination), _stripes(source, index)
        saved: tuple[Tensor, ...] = ()
        for rows in stripes:
            states = _edge_states(source, destination[rows], by_attribute, index[rows], attributes[rows])
            logit = (by_head @ states.bent.flatten(0, 1).T).view(heads, -1, width)
            # Where there is no neighbour at all, equal weights of nothing rather than NaN.
            absent = 1 - linked[rows]
            softmax[:, rows] = (logit + MASKED_LOGIT * absent).to(wide).softmax(-1) * linked[rows]
            weight = softmax[:, rows] if kept is None else softmax[:, rows] * kept[:, rows]
            # Each head's weights times all channels, of which its own are taken: one pass, where a product of each
            # number and a sum would be three.
            sums = torch.bmm(weight.to(source.dtype).transpose(0, 1), states.values)
            of_head = sums.view(-1, heads, heads, hidden // heads).diagonal(dim1=1, dim2=2)
            out[rows] = of_head.mT.flatten(1)
            saved = states if len(stripes) == 1 else ()
        tensors = source, destination, by_attribute, by_head, head_channels, kept, index, attributes, softmax
        ctx.save_for_backward(*tensors, *saved)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (
            source,
            destination,
            by_attribute,
            by_head,
            head_channels,
            kept,
            index,
            attributes,
            softmax,
            *saved,
        ) = ctx.saved_tensors
        of_source, of_destination = torch.zeros_like(source), torch.empty_like(destination)
        of_attributes = torch.empty_like(attributes) if ctx.needs_input_grad[8] else None
        of_by_attribute, of_by_head = torch.zeros_like(by_attribute), torch.zeros_like(by_head)
        # Where a step is closed inside of autocast, the backward pass would be under it too.
        with full_precision(source.device):
            for rows in _stripes(source, index):
                ends, terms, values, bent = saved or _edge_states(
                    source, destination[rows], by_attribute, index[rows], attributes[rows]
                )
                # The gradient of each head's sum, 0 at the channels of others.
                of_sums = gradient[rows, None] * head_channels
                of_weight = torch.bmm(of_sums, values.mT).transpose(0, 1).to(softmax.dtype)
                share = softmax[:, rows]
                weight = share if kept is None else share * kept[:, rows]
                moved = weight * of_weight
                of_logit = (moved - share * moved.sum(-1, keepdim=True)).flatten(1).to(source.dtype)
                of_by_head.addmm_(of_logit, bent.flatten(0, 1))
                # From here on one tensor: the gradient of the bent states, of z, then of the neighbours' states.
                of_z = (of_logit.T @ by_head).view_as(bent)
                torch.ops.aten.leaky_relu_backward.grad_input(of_z, bent, SLOPE, True, grad_input=of_z)
                of_terms = torch.bmm(ends.mT, of_z)
                of_destination[rows] = of_terms[:, -1]
                of_by_attribute += of_terms[:, :-1].sum(0)
                if of_attributes is not None:
                    of_attributes[rows] = torch.bmm(of_z, terms.mT)[..., :-1]
                of_values = of_z.baddbmm_(weight.to(source.dtype).permute(1, 2, 0), of_sums)
                _add_by_source(of_source, index[rows].flatten(), of_values.flatten(0, 1))
        return of_source, of_destination, of_by_attribute, of_by_head, None, None, None, None, of_attributes


def _stripes(source: Tensor, index: Tensor) -> list[slice]:
    """Nodes that are taken at a time: all of them, but for a CPU."""
    nodes, width = index.shape
    step = max(16, STRIPE_NUMBERS // (width * source.shape[1])) if source.device.type == "cpu" else nodes
    return [slice(start, min(start + step, nodes)) for start in range(0, nodes, max(1, step))]


def _edge_states(
    source: Tensor, destination: Tensor, by_attribute: Tensor, index: Tensor, attributes: Tensor
) -> _States:
    ends = torch.nn.functional.pad(attributes.to(source.dtype), (0, 1), value=1.0)
    terms = torch.cat((by_attribute.expand(len(destination), -1, -1), destination[:, None]), dim=1)
    values = source.index_select(0, index.flatten()).view(*index.shape, -1)
    bent = torch.nn.functional.leaky_relu_(torch.baddbmm(values, ends, terms), SLOPE)
    return _States(ends, terms, values, bent)


def _add_by_source(sums: Tensor, index: Tensor, rows: Tensor) -> None:
    if sums.device.type == "cpu":
        sums.index_add_(0, index, rows)
    else:
        # Sorts, and adds in float32; a GPU's index_add_ would round each addition to bfloat16, in any order.
        sums += torch.ops.aten.embedding_dense_backward(rows, index, len(sums), -1, False)
