"""Terms that reward the order of a day's stocks: one minus a correlation of the scores, or of their soft ranks."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from atft.cross_section import average_ranks, is_constant, pearson
from atft.losses.soft_ranks import ANCHORS, TEMPERATURE, soft_ranks


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
    anchors: int = ANCHORS,
    temperature: float = TEMPERATURE,
) -> Float[Tensor, "*batch"]:
    r"""One minus a soft rank correlation: Pearson of
    :func:`~atft.losses.soft_ranks.soft_ranks` with the target's exact average
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
