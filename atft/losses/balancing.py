"""Adapt the weights of terms until each has the requested share of the gradient. Unmeasured.

A weight moves by the ratio of the requested to the measured share, half of the way on the log scale each time, so
that one block's noise is smoothed and a scale a thousand times off is corrected in some ten measurements. The
weights themselves are the only state. Cost: none beyond the measurement, which a run takes anyway every
50 steps.
"""

import math
from collections.abc import Mapping

from atft.errors import InputError, nearest
from atft.losses.terms import find_term
from atft.own_functions import check_name

RATE = 0.5
"""Part of the way, on the log scale, that one measurement moves a weight."""
MAX_STEP_RATIO = 4.0
"""Largest factor, either way, of one measurement."""
MAX_WEIGHT_RATIO = 1000.0
"""Largest factor, either way, between a weight and its configured value, before the sum is restored."""


def check_requested(requested: Mapping[str, float], terms: Mapping[str, float]) -> None:
    """Check that the requested shares of the gradient can be reached with these configured weights."""
    key = "model.objective.gradient_shares"
    for name, share in requested.items():
        check_name(key, name)
        if name not in terms:
            raise InputError(f"{key}: {name!r} is no term of model.objective.terms{nearest(name, terms)}")
        if find_term(name).hinge:
            raise InputError(
                f"{key}: {name} has no gradient while the scores are in bounds, so no share; leave it out"
            )
        if not terms[name]:
            raise InputError(
                f"{key}: {name} has the weight 0 in model.objective.terms; give it one above 0 to start from"
            )
        if not (math.isfinite(share) and share > 0):
            raise InputError(f"{key}.{name} must be a number above 0, got {share}")
    if len(requested) == 1:
        raise InputError(f"{key} names one term; a share needs at least two")


def rebalanced(
    weights: Mapping[str, float],
    measured: Mapping[str, float],
    requested: Mapping[str, float],
    configured: Mapping[str, float],
) -> dict[str, float]:
    """Move the weights towards the requested shares of the gradient; their sum stays.

    Args:
        weights: present weight of each term.
        measured: each term's share of the gradient under them; only the balanced terms' ratios matter.
        requested: share of each balanced term; only ratios matter.
        configured: the weights that the run started from.

    Returns:
        New weights of the balanced terms. All stay where a balanced term's measurement is 0 or not a number:
        it says nothing about the weight.
    """
    measured = {n: measured[n] for n in requested}
    if not requested or not all(math.isfinite(m) and m > 0 for m in measured.values()):
        return {n: weights[n] for n in requested}
    sum_requested, sum_measured = sum(requested.values()), sum(measured.values())
    moved = {}
    for name, share in requested.items():
        factor = (share / sum_requested / (measured[name] / sum_measured)) ** RATE
        weight = weights[name] * _within(factor, 1.0, MAX_STEP_RATIO)
        moved[name] = _within(weight, configured[name], MAX_WEIGHT_RATIO)
    level = sum(weights[n] for n in requested) / sum(moved.values())
    return {n: level * w for n, w in moved.items()}


def _within(value: float, center: float, factor: float) -> float:
    return min(max(value, center / factor), center * factor)
