"""Adapts the weights of terms until each has the share of the gradient that was asked for.

Decision: a weight moves by the ratio of the share asked for to the share measured, half of the way on the log
scale each time, so that one block's noise is smoothed and a scale a thousand times off is met in some ten
measurements. The weights themselves are the only state. Cost: none beyond the measurement, which a run takes
anyway every 50 steps.
"""

import math
from collections.abc import Mapping

from atft.errors import InputError, nearest
from atft.losses.terms import find_term

RATE = 0.5
"""Part of the way, on the log scale, that one measurement moves a weight."""
FARTHEST_STEP = 4.0
"""Largest factor, either way, of one measurement."""
FARTHEST = 1000.0
"""Largest factor, either way, between a weight and the one configured."""


def check_requested(requested: Mapping[str, float], terms: Mapping[str, float]) -> None:
    """Refuse shares that cannot be reached.

    Args:
        requested: share of the gradient asked for, by term; only ratios matter.
        terms: configured weight of each term.

    Raises:
        InputError: with the name, what it got, and what is asked for.
    """
    for name, share in requested.items():
        if name not in terms:
            raise InputError(
                f"objective.gradient_shares: {name!r} is no term of objective.terms{nearest(name, terms)}"
            )
        if find_term(name).hinge:
            raise InputError(
                f"objective.gradient_shares: {name} rests while all is well and has no share to keep; leave it out"
            )
        if not terms[name]:
            raise InputError(
                f"objective.gradient_shares: {name} has the weight 0 in objective.terms; "
                f"give it one above 0 to start from"
            )
        if not (math.isfinite(share) and share > 0):
            raise InputError(f"objective.gradient_shares.{name} must be a number above 0, got {share}")
    if len(requested) == 1:
        raise InputError("objective.gradient_shares names one term; a share needs at least two")


def rebalanced(
    weights: Mapping[str, float],
    measured: Mapping[str, float],
    requested: Mapping[str, float],
    configured: Mapping[str, float],
) -> dict[str, float]:
    """Move the weights towards the shares asked for; their sum stays.

    Args:
        weights: present weight of each term.
        measured: each term's share of the gradient under them; of terms that are not balanced it counts nothing.
        requested: share asked for of each balanced term; only ratios matter.
        configured: the weights that a run starts from; none moves further than 1,000 times away, before the sum
            is restored.

    Returns:
        New weights of the balanced terms, none where no share is asked for. A measurement in which one of them
        does not pull, or is not a number, says nothing of its weight: all stay.
    """
    pulls = {n: measured[n] for n in requested}
    if not requested or not all(math.isfinite(p) and p > 0 for p in pulls.values()):
        return {n: weights[n] for n in requested}
    asked, pulled = sum(requested.values()), sum(pulls.values())
    moved = {}
    for name, share in requested.items():
        factor = (share / asked / (pulls[name] / pulled)) ** RATE
        weight = weights[name] * _within(factor, 1.0, FARTHEST_STEP)
        moved[name] = _within(weight, configured[name], FARTHEST)
    level = sum(weights[n] for n in requested) / sum(moved.values())
    return {n: level * w for n, w in moved.items()}


def _within(value: float, centre: float, factor: float) -> float:
    return min(max(value, centre / factor), centre * factor)
