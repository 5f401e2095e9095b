"""Ranks with a gradient: how many of a day's scores a stock beats, each comparison blurred.

A stock is compared with a few hundred values of the day (the anchors), not with every other stock; the blur is a
logistic whose width is relative to the day's standard deviation. Cost: ``stocks x anchors`` per day, one slice of
it in memory at a time, never ``stocks x stocks``.
"""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from atft.cross_section import MASKED_LOGIT, PerStock, StockMask, zscore

CPU_SLICE, DEVICE_SLICE = 2**19, 2**26
"""Numbers of a slice [rows, stocks, anchors]: a CPU's stay in its cache; a GPU wants fewer, larger kernels."""


def soft_ranks(score: PerStock, valid: StockMask, anchors: int, temperature: float) -> PerStock:
    r"""Rank with a gradient: the blurred share of the day's scores that are below each stock's.

    :math:`R_i = \frac{1}{A}\sum_a \sigma\big((z_i - q_a)/\tau\big)`, in (0, 1), with :math:`z` the day's z-scored
    scores and :math:`q_a` their quantiles at :math:`(a - 1/2)/A`; 0 where invalid. The anchors move with the scores
    and carry their gradient, so that a common shift has none, as it has for exact ranks. ``anchors`` is :math:`A`,
    ``temperature`` is :math:`\tau`, in standard deviations of the day's scores.
    """
    standard = zscore(score, valid)
    quantiles = _quantiles(standard, valid, anchors)
    return torch.where(valid, _share_below(standard, quantiles, temperature), 0)


def soft_positions(score: PerStock, valid: StockMask, anchors: int, temperature: float) -> PerStock:
    r"""Position from the top with a gradient: 1 for the best, half of the anchors spent on the day's best scores.

    :math:`P_i = \frac{1}{2} + \sum_j \sigma\big((z_j - z_i)/\tau\big)` over the day's scores, a stock's own
    half included: from about 1 to the number of valid stocks, all alike where the scores are constant, 1 where
    invalid. Arguments as of :func:`soft_ranks`.
    """
    standard = zscore(score, valid)
    # The best scores are met one by one, the others by their quantiles: a gain is decided at the top, so the first
    # positions stay distinct however many stocks there are.
    met = min(max(anchors // 2, 1), standard.shape[-1])
    best = torch.where(valid, standard, MASKED_LOGIT).topk(met, -1)
    others = valid.scatter(-1, best.indices, False)
    ahead = 0.5 + met * (1 - _share_below(standard, best.values, temperature))
    quantiles = _quantiles(standard, others, max(anchors - met, 1))
    ahead = ahead + others.sum(-1, keepdim=True) * (1 - _share_below(standard, quantiles, temperature))
    return torch.where(valid, ahead, 1)


def _share_below(x: PerStock, anchors: Float[Tensor, "*batch anchors"], temperature: float) -> PerStock:
    """Blurred share of the anchors that are below each value."""
    rows = x.reshape(-1, x.shape[-1]).contiguous(), anchors.reshape(-1, anchors.shape[-1]).contiguous()
    share: Tensor = _SoftCount.apply(*rows, temperature)  # type: ignore[no-untyped-call]
    return share.reshape(x.shape)


def _quantiles(x: PerStock, valid: StockMask, count: int) -> Float[Tensor, "*batch anchors"]:
    """Interpolated, differentiable quantiles of the valid values at the middles of ``count`` equal shares."""
    # Sorted by index and gathered, not by value: the gradient flows to the stocks that an anchor lies between.
    order = torch.where(valid, x.detach(), torch.inf).argsort(-1)
    values = torch.where(valid, x, 0).gather(-1, order)
    n_valid = valid.sum(-1, keepdim=True).clamp_min(1)
    middle = (torch.arange(count, device=x.device, dtype=x.dtype) + 0.5) / count
    # Hazen's definition: the i-th of n values stands at (i + 1/2) / n, and the ends are not extrapolated.
    position = torch.minimum((middle * n_valid - 0.5).clamp_min(0), (n_valid - 1).to(x.dtype))
    low = position.long()
    high = torch.minimum(low + 1, n_valid - 1)
    return torch.lerp(values.gather(-1, low), values.gather(-1, high), position - low)


def _blurred(x: Tensor, anchors: Tensor, temperature: float) -> Iterator[tuple[slice, Tensor]]:
    """Blurred comparisons ``[rows, stocks, anchors]`` of slices of rows that stay within the budget, one at a time.

    All slices are in the same memory: a new tensor of this size would cost more than what is computed in it.
    """
    budget = CPU_SLICE if x.device.type == "cpu" else DEVICE_SLICE
    rows = max(1, budget // max(x.shape[1] * anchors.shape[1], 1))
    buffer = x.new_empty(min(rows, x.shape[0]), x.shape[1], anchors.shape[1])
    for i in range(0, x.shape[0], rows):
        part = slice(i, i + rows)
        blur = torch.sub(x[part, :, None], anchors[part, None, :], out=buffer[: x.shape[0] - i])
        yield part, blur.div_(temperature).sigmoid_()


class _SoftCount(torch.autograd.Function):
    """Mean over anchors of a logistic; saves ``[rows, stocks]``, recomputes the rest in the backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, anchors: Tensor, temperature: float) -> Tensor:
        ctx.temperature = temperature
        ctx.save_for_backward(x, anchors)
        out = torch.empty_like(x)
        for part, blur in _blurred(x, anchors, temperature):
            torch.mean(blur, -1, out=out[part])
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        (gradient,) = gradients
        x, anchors = ctx.saved_tensors
        at_x, at_anchors = torch.empty_like(x), torch.empty_like(anchors)
        share = 1 / (ctx.temperature * anchors.shape[1])
        for part, blur in _blurred(x, anchors, ctx.temperature):
            # The slope of a logistic is s (1 - s); x and the anchors enter with opposite signs.
            density = blur.addcmul_(blur, blur, value=-1)
            at_x[part] = density.sum(-1).mul_(gradient[part]).mul_(share)
            # A product of matrices: the same sum by einsum copies the slice first, and takes ten times as long.
            at_anchors[part] = (gradient[part, None, :] @ density).squeeze(1).mul_(-share)
        return at_x, at_anchors, None
