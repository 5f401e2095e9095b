"""Terms that learn to rank: pairs of a day's stocks, the day's best stocks, or the top of its list. All unmeasured.

Pairs are a fixed share of all pairs, evenly spread over their distance in the order of the targets; the order
differs from day to day, so other stocks meet, and no random state is kept. Cost: ``stocks x pairs`` per day, never
``stocks x stocks``.
"""

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from atft.cross_section import (
    MASKED_LOGIT,
    PerDay,
    PerStock,
    StockMask,
    average_ranks,
    center,
    is_constant,
)
from atft.losses.soft_ranks import soft_positions


def ranknet(score: PerStock, target: PerStock, valid: StockMask, pairs: int = 32) -> PerDay:
    r"""Average the logistic distance over pairs of stocks: is the better one scored higher?

    :math:`\log(1 + e^{-(s_i - s_j)})` over pairs with :math:`target_i > target_j`: 0 for a sure right order,
    :math:`\log 2` for no opinion, growing with the gap of a wrong order. The gap of two scores is the log-odds
    that the one stock beats the other, so the term also teaches a scale. Pairs of equal targets are left out; a day
    without a pair is 0 and has no gradient.

    Args:
        pairs: how many others each stock meets, on average; all of them where a day has no more stocks than that.

    Paper: Burges et al. (2005), Learning to Rank using Gradient Descent.
    """
    order = torch.where(valid, target, -torch.inf).argsort(-1, descending=True)
    better = torch.where(valid, score, 0).gather(-1, order).unsqueeze(-2)
    above = target.gather(-1, order).unsqueeze(-2)
    partner, paired = _partners(valid, pairs)
    shape = partner.shape
    paired = paired & (above > above.expand(shape).gather(-1, partner))
    gap = better - better.expand(shape).gather(-1, partner)
    distance = torch.where(paired, torch.nn.functional.softplus(-gap), 0).sum((-2, -1))
    return distance / paired.sum((-2, -1)).clamp_min(1)


def _partners(
    valid: StockMask, pairs: int
) -> tuple[Int[Tensor, "*batch pairs stocks"], Bool[Tensor, "*batch pairs stocks"]]:
    """Position in the day's descending order that each position meets, and whether a valid stock has it."""
    count = valid.sum(-1)[..., None, None]
    # Distances at even steps from 1 to n - 1: there are n - d pairs at distance d, and each position meets the
    # one d further down if there is one, so distances come in the same proportions as among all pairs.
    step = ((count - 1) / pairs).clamp_min(1)
    draw = torch.arange(pairs, device=valid.device)[:, None]
    distance = 1 + ((draw + 0.5) * step).long()
    partner = torch.arange(valid.shape[-1], device=valid.device) + distance
    return partner.clamp_max(valid.shape[-1] - 1), partner < count


def listnet(
    score: PerStock, target: PerStock, valid: StockMask, top: float = 0.1, temperature: float = 1.0
) -> PerDay:
    r"""Divergence of the chance that a stock comes first: by the day's best targets, and by the scores.

    :math:`\sum_{i \in top} p_i \log(p_i / q_i)` with :math:`p` the softmax of :math:`target / \tau` over the
    day's best stocks and :math:`q` that of :math:`score / \tau` over all: only the members of the top, and their
    order, are taught; the rest is pushed below. At least 0, reached where the scores leave the others no chance
    (with ``top`` 1: by scores that equal the targets up to a shift). A day with fewer than two valid stocks or a
    constant target is 0 and has no gradient.

    Args:
        top: share of the day's stocks that are taught, in (0, 1]; at least one stock, ties at the cut included.
        temperature: in the unit of ``target``; towards 0 only the best stock is taught, towards infinity the
            whole top alike.

    Paper: Cao et al. (2007), Learning to Rank: From Pairwise Approach to Listwise Approach.
    """
    descending = torch.where(valid, target, -torch.inf).sort(-1, descending=True).values
    top_stocks = (top * valid.sum(-1, keepdim=True)).long().clamp_min(1)
    best = valid & (target >= descending.gather(-1, top_stocks - 1))
    log_p = torch.where(best, target / temperature, MASKED_LOGIT).log_softmax(-1)
    log_q = torch.where(valid, score / temperature, MASKED_LOGIT).log_softmax(-1)
    divergence = torch.where(best, log_p.exp() * (log_p - log_q), 0).sum(-1)
    return torch.where(is_constant(target, valid), 0, divergence)


def ndcg(
    score: PerStock,
    target: PerStock,
    valid: StockMask,
    anchors: int = 200,
    temperature: float = 0.1,
    grades: float = 5.0,
) -> PerDay:
    r"""One minus a soft normalised discounted cumulative gain, on the scale of a correlation.

    A stock's gain is :math:`2^{g (rank - 1/2) / n}` with the exact average rank of its target, its discount
    :math:`1 / \log_2(1 + P)` with the :func:`~atft.losses.soft_ranks.soft_positions` of its score: the top of the
    list counts most, on both sides. The loss is :math:`\frac{1 - NDCG}{1 - NDCG_{random}}`: 0 is the right order,
    1 no relation or a day that cannot be ranked (which has no gradient), more than 1 (less than 2) the reversed
    order; the blur of the positions keeps even the right order a little above 0. Shifting or stretching ``score``
    changes nothing.

    Args:
        anchors: values of the day's scores that each stock is compared with, half of them its best.
        temperature: width of a comparison in standard deviations of the day's scores; towards 0 the positions
            become exact and the gradient vanishes.
        grades: steps of relevance from the day's worst to its best stock, each doubling the gain: the larger, the
            fewer stocks count; towards 0 the gain is the rank.

    Papers: Järvelin and Kekäläinen (2002), Cumulated Gain-Based Evaluation of IR Techniques; Qin, Liu and Li
    (2010), A General Approximation Framework for Direct Optimization of Information Retrieval Measures.
    """
    count = valid.sum(-1, keepdim=True).clamp_min(1)
    share = (average_ranks(target, valid) - 0.5) / count
    # Centred, the gains of a random order sum to 0: the ratio below then measures both NDCGs from random.
    gain = center(torch.exp2(grades * (share - 1)), valid)
    reached = (gain * _discount(soft_positions(score, valid, anchors, temperature))).sum(-1)
    first = torch.arange(1, score.shape[-1] + 1, device=score.device, dtype=score.dtype)
    ordered = torch.where(valid, gain, -torch.inf).sort(-1, descending=True).values
    ideal = (torch.where(ordered.isfinite(), ordered, 0) * _discount(first)).sum(-1)
    rankable = ~(is_constant(score, valid) | is_constant(target, valid))
    return torch.where(rankable, 1 - reached / torch.where(rankable, ideal, 1), 1)


def _discount(rank: PerStock) -> PerStock:
    """Weight of a rank in the list: 1 for the first, 1/2 for the third."""
    return 1 / torch.log2(1 + rank)
