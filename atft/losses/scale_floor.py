"""The term that keeps a day's scores apart: a correlation does not see their scale, and has no gradient at 0."""

import torch

from atft.cross_section import PerDay, PerStock, StockMask, is_constant, scale


def scale_floor(score: PerStock, target: PerStock, valid: StockMask, floor: float = 0.05) -> PerDay:
    r"""Penalise a day whose scores vary less than a fraction of its targets. Unmeasured.

    :math:`\max(0, 1 - \frac{std(score)}{floor \cdot std(target)})`: 1 is a constant score; 0 a scale at or above
    the floor, where there is no gradient. All-equal scores have no direction to move in: 1, without a gradient. A
    day with fewer than two valid stocks or a constant target is 0.

    Args:
        floor: least scale of the scores, as a fraction of the targets' standard deviation. The scale of the best
            forecast in the unit of the targets is its IC.
    """
    missing = (1 - scale(score, target, valid) / floor).clamp_min(0)
    return torch.where(is_constant(target, valid), 0, missing)
