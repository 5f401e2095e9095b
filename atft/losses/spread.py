"""The term that keeps a day's scores apart: correlations are blind to their spread, and a spread of 0 is the
death of all of them.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from atft.cross_section import is_constant, scale


def scale_floor(
    score: Float[Tensor, "*batch stocks"],
    target: Float[Tensor, "*batch stocks"],
    valid: Bool[Tensor, "*batch stocks"],
    floor: float = 0.05,
) -> Float[Tensor, "*batch"]:
    r"""Penalise a day whose scores spread less than a fraction of its targets.

    :math:`\max(0, 1 - \frac{std(score)}{floor \cdot std(target)})`: 1 is a constant score, 0 a spread at or
    above the floor, where the term rests and carries no gradient.

    Args:
        score: network output, in the unit of ``target``.
        target: transformed target.
        valid: stocks to count; the others may hold anything, NaN included.
        floor: least spread of the scores, as a fraction of the targets'. The spread of the best forecast in
            the unit of the targets is its IC.

    Returns:
        Penalty of each day, in [0, 1]. Scores that are all equal have no direction to part in: 1, without a
        gradient. A day with fewer than two valid stocks or a constant target is 0.
    """
    known = ~is_constant(target, valid)
    ratio = torch.where(known, scale(score, target, valid), 1)
    return torch.where(known, (1 - ratio / floor).clamp_min(0), 0)
