"""Attention of one query a row over that row's states, in as few passes over the states as there can be.

The states are the largest tensor of a step, so passes over them are what attention costs. Forward there are two:
one weighs and one pools. Backward, by hand, there are three: two read the states, and one writes their gradient,
for weights and pooled states at once and in the states' own layout. torch's own backward takes twice as long: it
writes two gradients with rows first and adds them, and the recurrence reads the sum across.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from atft.full_precision import full_precision
from atft.nn.cache_parts import cache_parts

PART_NUMBERS = 1 << 19
"""Numbers of the states that a thread of a CPU reads at a time, 2 MB: they are read once from memory."""


def pool(
    query: Float[Tensor, "rows heads hidden"],
    states: Float[Tensor, "lookback rows hidden"],
    bias: Float[Tensor, "heads lookback"],
) -> tuple[Float[Tensor, "rows heads hidden"], Float[Tensor, "rows heads lookback"]]:
    """Average a row's states by ``softmax(query states' + bias)``; also return these weights, summing to 1.

    The weights are made in the precision of ``bias``, the products in that of ``states``.
    """
    # A graph of plain operations is what an exporter can write and a compiler can fuse.
    if torch.compiler.is_compiling():
        return plain_pool(query, states, bias)
    with full_precision(states.device):
        both: tuple[Tensor, Tensor] = _Pool.apply(query, states, bias)  # type: ignore[no-untyped-call]
    return both


def plain_pool(
    query: Float[Tensor, "rows heads hidden"],
    states: Float[Tensor, "lookback rows hidden"],
    bias: Float[Tensor, "heads lookback"],
) -> tuple[Float[Tensor, "rows heads hidden"], Float[Tensor, "rows heads lookback"]]:
    """Write the formula as it reads: the oracle of :func:`pool`, and what is exported."""
    by_row = states.transpose(0, 1)
    # States first: in the other order this product takes a CPU 1.4 times as long.
    logit = (by_row @ query.transpose(1, 2)).transpose(1, 2)
    weight = (logit + bias).softmax(dim=-1)
    return weight.to(states.dtype) @ by_row, weight


class _Pool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, states: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        pooled, weight = plain_pool(query, states, bias)
        ctx.save_for_backward(query, states, weight)
        return pooled, weight

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        query, states, weight = ctx.saved_tensors
        by_pooled, by_weight = gradients
        of_query, of_states = torch.empty_like(query), torch.empty_like(states)
        of_bias = weight.new_zeros(weight.shape[1:])
        # A part's states stay in a processor's cache for all three products.
        for part in cache_parts(len(query), states[:, 0].numel(), PART_NUMBERS, states.device):
            by_row = states[:, part].transpose(0, 1)
            share, by_answer = weight[part], by_pooled[part]
            by_share = by_weight[part] + (by_row @ by_answer.transpose(1, 2)).transpose(1, 2)
            # Softmax: a weight's logit counts by what it is worth above the average.
            by_logit = share * (by_share - (share * by_share).sum(-1, keepdim=True))
            of_query[part] = by_logit.to(states.dtype) @ by_row
            of_bias += by_logit.sum(0)
            shares = torch.cat((by_logit, share), dim=1).to(states.dtype)
            of_states[:, part] = (
                shares.transpose(1, 2) @ torch.cat((query[part], by_answer), dim=1)
            ).transpose(0, 1)
        return of_query, of_states, of_bias
