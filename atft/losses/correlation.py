"""Terms that reward the order of a day's stocks: one minus a correlation of the scores, or of their soft ranks.

0 is a perfect forecast, 1 no relation, 2 a reversed one. Shifting or stretching the scores changes nothing, so
these terms cannot teach the size of a return: pair them with :func:`~atft.losses.pointwise.huber`. A day that
cannot be ranked (fewer than two valid stocks, or a constant score or target) is 1 and has no gradient.
"""

import torch

from atft.cross_section import PerDay, PerStock, StockMask, average_ranks, is_constant, pearson
from atft.losses.soft_ranks import soft_ranks


def ic_loss(score: PerStock, target: PerStock, valid: StockMask) -> PerDay:
    """One minus the information coefficient: Pearson correlation across a day's stocks, in [0, 2]."""
    correlation = pearson(score, target, valid)
    # Pearson is NaN on a day that cannot be ranked; the loss there is a constant.
    rankable = ~(is_constant(score, valid) | is_constant(target, valid))
    return 1 - torch.where(rankable, correlation, 0)


def rank_ic_loss(
    score: PerStock, target: PerStock, valid: StockMask, anchors: int = 200, temperature: float = 0.1
) -> PerDay:
    """One minus a soft rank correlation: Pearson of the scores' soft ranks and the targets' average ranks.

    In [0, 2]. Unlike in :func:`ic_loss` a few extreme stocks cannot decide it.

    Args:
        anchors: quantiles of the day's scores that each stock is compared with; 200 are as good as all stocks.
        temperature: width of a comparison in standard deviations of the day's scores. Towards 0 the ranks become
            exact and the gradient vanishes (0.1 is close); towards infinity the term becomes :func:`ic_loss`.
    """
    return ic_loss(soft_ranks(score, valid, anchors, temperature), average_ranks(target, valid), valid)
