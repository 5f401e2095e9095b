"""The mathematics of one day's cross-section, vectorised over days: ranks, correlations, spreads.

Losses, metrics and evaluation are made of these functions. Ranks are average ranks, so that row order never
becomes signal. A cross-section that cannot be ranked is NaN, never 0. Cost: one sort for whatever ranks, memory
a few times ``[*batch, stocks]``, never ``[stocks, stocks]``.
"""

import math

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from atft.shared_results import shared_result

PerStock = Float[Tensor, "*batch stocks"]
"""A number for each stock of each cross-section (one day, or one day and horizon)."""
StockMask = Bool[Tensor, "*batch stocks"]
"""The stocks that count. The others may hold anything, NaN included: they get 0 and no gradient."""
PerDay = Float[Tensor, "*batch"]
"""One number for each cross-section."""
StockIndex = Int[Tensor, "*batch stocks"]
MASKED_LOGIT = -1e30
"""Logit of a stock, day or neighbour that is not there: finite, so that a softmax of nothing else is no NaN."""


@shared_result
def stocks_last(
    x: Shaped[Tensor, "days stocks horizons"],
) -> Shaped[Tensor, "days horizons stocks"]:
    """Bring a day's stocks side by side in memory: sums and sorts over them are then several times faster."""
    return x.detach().movedim(-1, 1).contiguous()


@shared_result
def known_values(x: PerStock, valid: StockMask) -> PerStock:
    """Put 0 where invalid; without a gradient."""
    return torch.where(valid, x.detach(), 0)


def center(x: PerStock, valid: StockMask) -> PerStock:
    """Subtract the mean of the valid stocks; 0 where invalid."""
    filled = torch.where(valid, x, 0)
    count = valid.sum(-1, keepdim=True).clamp_min(1)
    return torch.where(valid, filled - filled.sum(-1, keepdim=True) / count, 0)


@shared_result
def is_constant(x: PerStock, valid: StockMask) -> Bool[Tensor, "*batch"]:
    """Say which cross-sections have no order: fewer than two valid stocks, or all values equal.

    Equal means a range within four units of the format's rounding, which is arithmetic noise. A valid NaN is not
    equal to anything, so it stays visible in whatever is computed next.
    """
    high = torch.where(valid, x.detach(), -math.inf).amax(-1)
    low = torch.where(valid, x.detach(), math.inf).amin(-1)
    size = torch.maximum(high.abs(), low.abs())
    few = valid.sum(-1) < 2
    return few | (high == low) | (high - low <= 4 * torch.finfo(x.dtype).eps * size)


def deviation(x: PerStock, valid: StockMask) -> PerDay:
    """Population standard deviation over the valid stocks, in the unit of ``x``.

    NaN with fewer than two valid stocks; exactly 0, without a gradient, where all values are equal.
    """
    count = valid.sum(-1)
    # Tiny or huge values would leave float32 when squared; the largest one is taken out first.
    centred, size = _unit_size(center(x, valid))
    variance = (centred * centred).sum(-1) / count.clamp_min(1)
    flat = is_constant(x, valid)
    std = torch.where(flat, 0, torch.where(flat, 1, variance).sqrt() * size.squeeze(-1))
    return torch.where(count < 2, math.nan, std)


def zscore(x: PerStock, valid: StockMask) -> PerStock:
    """Centre and divide by the population standard deviation; 0 where invalid or where all are equal."""
    # The deviation first: the order of these calls is the order in which gradients of x are added up, to the bit.
    std = deviation(x, valid).unsqueeze(-1)
    flat = is_constant(x, valid).unsqueeze(-1)
    return torch.where(flat, 0, center(x, valid) / torch.where(flat, 1, std))


@shared_result
def average_ranks(x: PerStock, valid: StockMask) -> PerStock:
    """Rank the valid stocks from 1 (lowest) to n; equal values share the mean of their ranks.

    0 where invalid. A valid NaN keeps a NaN rank. Carries no gradient.
    """
    first, last = _tie_bounds(x.detach(), valid)
    ranks = ((first + last).to(x.dtype)) / 2 + 1
    return torch.where(valid, torch.where(x.detach().isnan(), math.nan, ranks), 0)


@shared_result
def rank_uniform(x: PerStock, valid: StockMask) -> PerStock:
    r"""Replace each value by its average rank as a share of the day, :math:`(rank - 1/2) / n - 1/2`.

    Within (-0.5, 0.5), mean 0; the standard deviation approaches :math:`1/\sqrt{12}` = 0.289 from below as stocks
    are added. 0 where invalid or where all values are equal (they share the middle rank).
    """
    return _rank_share(x, valid) - 0.5


@shared_result
def rank_normal(x: PerStock, valid: StockMask) -> PerStock:
    r"""Replace each value by the normal quantile of its average rank, :math:`\Phi^{-1}((rank - 1/2) / n)`.

    Mean 0; the standard deviation approaches 1 from below as stocks are added. 0 where invalid or where all
    values are equal (they share the middle rank).
    """
    quantile: Tensor = torch.special.ndtri(_rank_share(x, valid))
    return quantile


def winsorise(x: PerStock, valid: StockMask, limit: float = 0.01) -> PerStock:
    """Pull the lowest and the highest ``floor(limit * n)`` stocks to the nearest value that is kept.

    In the unit of ``x``; 0 where invalid.
    """
    if not 0 <= limit < 0.5:
        raise ValueError(f"limit must be a share in [0, 0.5), got {limit}")
    ordered, _ = _sorted(x.detach(), valid)
    count = valid.sum(-1, keepdim=True)
    cut = (limit * count).long()
    low = ordered.gather(-1, cut)
    high = ordered.gather(-1, (count - 1 - cut).clamp_min(0))
    return torch.where(valid, torch.minimum(torch.maximum(torch.where(valid, x, 0), low), high), 0)


def median(x: PerStock, valid: StockMask) -> PerDay:
    """Median of the valid stocks, the mean of the middle two for an even number; NaN where there are none."""
    ordered, _ = _sorted(x.detach(), valid)
    count = valid.sum(-1, keepdim=True)
    low = ordered.gather(-1, ((count - 1) // 2).clamp_min(0))
    high = ordered.gather(-1, count // 2)
    return torch.where(count > 0, low / 2 + high / 2, math.nan).squeeze(-1)


def pearson(x: PerStock, y: PerStock, valid: StockMask) -> PerDay:
    """Correlation across the valid stocks, in [-1, 1]; differentiable in both.

    Shifting or stretching either does not change it. NaN, without a gradient, with fewer than two valid
    stocks or where either is constant.
    """
    # Correlation is the cosine between centred vectors, whatever their size.
    left, _ = _unit_size(center(x, valid))
    right, _ = _unit_size(center(y, valid))
    flat = is_constant(x, valid) | is_constant(y, valid)
    power = (left * left).sum(-1) * (right * right).sum(-1)
    cosine = (left * right).sum(-1) / torch.where(flat, 1, power).sqrt()
    return torch.where(flat, math.nan, cosine.clamp(-1, 1))


def spearman(x: PerStock, y: PerStock, valid: StockMask) -> PerDay:
    """Pearson correlation of the average ranks; NaN as in :func:`pearson`. Carries no gradient."""
    flat = is_constant(x, valid) | is_constant(y, valid)
    return torch.where(flat, math.nan, pearson(average_ranks(x, valid), average_ranks(y, valid), valid))


def spread_weights(score: PerStock, valid: StockMask, share: float = 0.1) -> PerStock:
    """Weigh the top ``share`` of the scores long and the bottom ``share`` short, equally.

    The long side sums to 1, the short side to -1; ``max(1, floor(share * n))`` stocks each. Stocks that tie
    at the cut share the positions left, so the order of rows decides nothing. All 0 where scores are constant.
    """
    if not 0 < share <= 0.5:
        raise ValueError(f"share must be in (0, 0.5], got {share}")
    count = valid.sum(-1, keepdim=True)
    side = (share * count).long().clamp_min(1)
    first, last = _tie_bounds(score.detach(), valid)
    # Stocks that tie share the positions among the top (bottom) ``side`` that their group takes.
    group = last - first + 1
    top = (last - torch.maximum(first, count - side) + 1).clamp_min(0)
    bottom = (torch.minimum(last, side - 1) - first + 1).clamp_min(0)
    weights = (top - bottom).to(score.dtype) / (group * side).to(score.dtype)
    return torch.where(valid & ~is_constant(score, valid).unsqueeze(-1), weights, 0)


def decile_spread(score: PerStock, target: PerStock, valid: StockMask, share: float = 0.1) -> PerDay:
    """Mean target of the top ``share`` of the scores minus that of the bottom ``share``.

    In the unit of ``target``; see :func:`spread_weights` for ties. NaN with fewer than two valid stocks or a
    constant score.
    """
    spread = (spread_weights(score, valid, share) * torch.where(valid, target, 0)).sum(-1)
    return torch.where(is_constant(score, valid), math.nan, spread)


def hit_rate(score: PerStock, target: PerStock, valid: StockMask) -> PerDay:
    """Share of the stocks whose score and target are on the same side of the day's medians.

    1 is perfect, 0.5 chance, 0 reversed. A stock on a median has no side and is not counted. NaN
    where nothing is left to count.
    """
    above = torch.where(valid, score - median(score, valid).unsqueeze(-1), 0).sign()
    over = torch.where(valid, target - median(target, valid).unsqueeze(-1), 0).sign()
    agreement = above * over
    sided = agreement.abs().sum(-1)
    hits = (agreement > 0).sum(-1) / torch.where(sided > 0, sided, 1)
    return torch.where((sided > 0) & ~is_constant(score, valid), hits.to(score.dtype), math.nan)


def scale(score: PerStock, target: PerStock, valid: StockMask) -> PerDay:
    """Standard deviation of the scores over that of the targets: 0 means the predictions have collapsed.

    NaN with fewer than two valid stocks or a constant target.
    """
    flat = is_constant(target, valid)
    ratio = deviation(score, valid) / torch.where(flat, 1, deviation(target, valid))
    return torch.where(flat, math.nan, ratio)


def _unit_size(centred: PerStock) -> tuple[Tensor, Tensor]:
    """Divide by the largest magnitude (1 where that is 0), and return it too, ``[*batch, 1]``.

    It cancels in whatever follows, so it needs no gradient.
    """
    size = centred.detach().abs().amax(-1, keepdim=True)
    size = torch.where(size > 0, size, 1)
    return centred / size, size


@shared_result
def _sorted(x: PerStock, valid: StockMask) -> tuple[Tensor, Tensor]:
    """Sort ascending with the invalid stocks last (torch sorts NaN after everything), and the order taken."""
    last = math.inf if torch.compiler.is_exporting() else math.nan  # other runtimes sort NaN anywhere
    values, order = torch.where(valid, x, last).sort(-1)
    return values, order


@shared_result
def _tie_bounds(x: PerStock, valid: StockMask) -> tuple[StockIndex, StockIndex]:
    """First and last position, from 0, that each stock's group of equal values takes in ascending order."""
    values, order = _sorted(x, valid)
    position = torch.arange(x.shape[-1], device=x.device).expand_as(order)
    # A group starts where the sorted value changes; each position looks back to the last start.
    changes = torch.ones_like(valid)
    changes[..., 1:] = values[..., 1:] != values[..., :-1]
    if torch.compiler.is_exporting():
        # ONNX has no running extremes; the sizes of the groups give the same positions.
        group = changes.long().cumsum(-1) - 1
        size = torch.zeros_like(order).scatter_add(-1, group, torch.ones_like(order))
        last = (size.cumsum(-1) - 1).gather(-1, group)
        first = last - size.gather(-1, group) + 1
        back = torch.empty_like(order)
        return back.scatter(-1, order, first), back.scatter(-1, order, last)
    first = torch.where(changes, position, 0).cummax(-1).values
    # The group's last position is one before the next group's first: the same scan from the other end.
    ends = torch.ones_like(valid)
    ends[..., :-1] = changes[..., 1:]
    last = torch.where(ends, position, x.shape[-1]).flip(-1).cummin(-1).values.flip(-1)
    back = torch.empty_like(order)
    return back.scatter(-1, order, first), back.scatter(-1, order, last)


def _rank_share(x: PerStock, valid: StockMask) -> PerStock:
    """Average rank as a share of the valid stocks, in (0, 1); 0.5 where invalid."""
    count = valid.sum(-1, keepdim=True).clamp_min(1)
    return torch.where(valid, (average_ranks(x, valid) - 0.5) / count, 0.5)
