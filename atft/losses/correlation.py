"""Terms that reward the order of a day's stocks: one minus a correlation.

Rank correlation needs ranks with a gradient. A stock's soft rank is the share of a few hundred quantiles of
the day's scores (the anchors) that it beats, each comparison blurred by a logistic of a width relative to the
day's spread. Cost: ``stocks x anchors`` per day, one slice of it in memory at a time, never ``stocks x
stocks``.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from atft.cross_section import average_ranks, is_constant, pearson, zscore

# Elements of a slice of [rows, stocks, anchors]: fits a CPU's cache; a GPU wants fewer, larger kernels.
CPU_SLICE, DEVICE_SLICE = 2**20, 2**26


def ic_loss(
    score: Float[Tensor, "*batch stocks"],
    target: Float[Tensor, "*batch stocks"],
    valid: Bool[Tensor, "*batch stocks"],
) -> Float[Tensor, "*batch"]:
    r"""One minus the information coefficient: Pearson correlation across a day's stocks.

    0 is a perfect line, 1 no relation, 2 a reversed one. Shifting or stretching ``score`` does not
    change it, so it cannot teach the size of a return: pair it with :func:`~atft.losses.pointwise.huber`.

    Args:
        score: network output, any unit.
        target: forward return or its transform, any unit.
        valid: stocks to count; the others may hold anything, NaN included.

    Returns:
        Loss of each day, in [0, 2]. A day that cannot be ranked (fewer than two valid stocks, or a
        constant score or target) is 1 and carries no gradient.
    """
    correlation = pearson(score, target, valid)
    rankable = ~(is_constant(score, valid) | is_constant(target, valid))
    return 1 - torch.where(rankable, correlation, 0)


def rank_ic_loss(
    score: Float[Tensor, "*batch stocks"],
    target: Float[Tensor, "*batch stocks"],
    valid: Bool[Tensor, "*batch stocks"],
    anchors: int = 200,
    temperature: float = 0.1,
) -> Float[Tensor, "*batch"]:
    r"""One minus a soft rank correlation: Pearson of :func:`soft_ranks` with the target's exact average
    ranks.

    0 is the right order, 1 no relation, 2 the reversed order. Unlike :func:`ic_loss` a few extreme stocks
    cannot decide it. Shifting or stretching ``score`` changes neither value nor direction of the gradient.

    Args:
        score: network output, any unit.
        target: forward return or any increasing transform of it.
        valid: stocks to count; the others may hold anything, NaN included.
        anchors: quantiles of the day's scores that each stock is compared with.
        temperature: width of a comparison in standard deviations of the day's scores. Towards 0 the ranks
            become exact and the gradient vanishes; towards infinity the term becomes :func:`ic_loss`.

    Returns:
        Loss of each day, in [0, 2]; degenerate days as in :func:`ic_loss`.
    """
    return ic_loss(soft_ranks(score, valid, anchors, temperature), average_ranks(target, valid), valid)


def soft_ranks(
    score: Float[Tensor, "*batch stocks"],
    valid: Bool[Tensor, "*batch stocks"],
    anchors: int = 200,
    temperature: float = 0.1,
) -> Float[Tensor, "*batch stocks"]:
    r"""Rank with a gradient: the blurred share of the day's scores that lie below each stock's.

    :math:`R_i = \frac{1}{A}\sum_a \sigma\big((z_i - q_a)/\tau\big)` with :math:`z` the day's z-scored scores
    and :math:`q_a` their quantiles at :math:`(a - 1/2)/A`. The anchors move with the scores and carry their
    gradient, so that a common shift has none, as it has for exact ranks.

    Args:
        score: any unit.
        valid: stocks to rank.
        anchors: number of quantiles ``A``.
        temperature: ``tau``, in standard deviations of the day's scores.

    Returns:
        Ranks in (0, 1); 0 where invalid.
    """
    standard = zscore(score, valid)
    place = _quantiles(standard, valid, anchors)
    shape = standard.shape
    rows = standard.reshape(-1, shape[-1]).contiguous(), place.reshape(-1, anchors).contiguous()
    ranks: Tensor = _SoftCount.apply(*rows, temperature)  # type: ignore[no-untyped-call]
    return torch.where(valid, ranks.reshape(shape), 0)


def _quantiles(
    x: Float[Tensor, "*batch stocks"], valid: Bool[Tensor, "*batch stocks"], count: int
) -> Float[Tensor, "*batch anchors"]:
    """Quantiles of the valid values at the middles of ``count`` equal shares, interpolated,
    differentiable.
    """
    order = torch.where(valid, x.detach(), torch.inf).argsort(-1)
    values = torch.where(valid, x, 0).gather(-1, order)
    many = valid.sum(-1, keepdim=True).clamp_min(1)
    middle = (torch.arange(count, device=x.device, dtype=x.dtype) + 0.5) / count
    place = torch.minimum((middle * many - 0.5).clamp_min(0), (many - 1).to(x.dtype))
    low = place.long()
    high = torch.minimum(low + 1, many - 1)
    return torch.lerp(values.gather(-1, low), values.gather(-1, high), place - low)


def _slices(rows: int, width: int, device: torch.device) -> range:
    """Starts of the slices that keep ``rows x width`` elements within the budget; ``range.step`` rows
    each.
    """
    budget = CPU_SLICE if device.type == "cpu" else DEVICE_SLICE
    return range(0, rows, max(1, budget // max(width, 1)))


class _SoftCount(torch.autograd.Function):
    """Mean over anchors of a logistic; remembers ``[rows, stocks]`` and rebuilds the rest in the backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, anchors: Tensor, temperature: float) -> Tensor:
        ctx.temperature = temperature
        ctx.save_for_backward(x, anchors)
        out = torch.empty_like(x)
        starts = _slices(x.shape[0], x.shape[1] * anchors.shape[1], x.device)
        for i in starts:
            part = slice(i, i + starts.step)
            gap = x[part, :, None] - anchors[part, None, :]
            out[part] = gap.div_(temperature).sigmoid_().mean(-1)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        (gradient,) = gradients
        x, anchors = ctx.saved_tensors
        at_x, at_anchors = torch.empty_like(x), torch.empty_like(anchors)
        share = 1 / (ctx.temperature * anchors.shape[1])
        starts = _slices(x.shape[0], x.shape[1] * anchors.shape[1], x.device)
        for i in starts:
            part = slice(i, i + starts.step)
            blur = (x[part, :, None] - anchors[part, None, :]).div_(ctx.temperature).sigmoid_()
            density = blur.addcmul_(blur, blur, value=-1)
            at_x[part] = density.sum(-1).mul_(gradient[part]).mul_(share)
            at_anchors[part] = torch.einsum("rsa,rs->ra", density, gradient[part]).mul_(-share)
        return at_x, at_anchors, None
