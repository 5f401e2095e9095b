"""What the best of many trials is worth, less the expected gain of choosing the best of so many by luck.

The best of N values is above their mean even where all points are equally good. The standard deviation of the
trials is taken as if all of it were luck, so the deflated value is a lower bound of what to expect: where points
truly differ, expect a value between it and the raw one. Where none do, it is .13 deviations of the luck too high,
since it is never below the mean of all trials.

Pruned trials have no value, and were pruned because they looked bad: the completed ones alone differ too little and
have too high a mean. So these are taken as the best of all trials, and mean and deviation are those of the normal
distribution whose best values they would be. Where pruning was no better than a coin, that takes off too much.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean, linear_regression, stdev
from typing import NamedTuple

EULER_MASCHERONI = 0.5772156649015329


class Deflated(NamedTuple):
    """The best value of a study, and what is left of it."""

    best: float
    luck: float
    """How far the best of so many equally good trials is from their mean, in the metric's unit; at least 0."""
    expected: float
    """The best value less that luck (more, where lower is better), never worse than the mean of all trials."""


def deflate(values: Sequence[float], tried: int, maximize: bool) -> Deflated | None:
    r"""Take the expected luck of the best of ``tried`` values off the best one.

    :math:`E[\max] - \mu \approx \sigma ((1 - \gamma) \Phi^{-1}(1 - 1/N) + \gamma \Phi^{-1}(1 - 1/(N e)))`.

    Args:
        values: the objective of each completed trial, finite.
        tried: points that were tried, pruned ones included: all had their chance to be the best.
        maximize: higher is better.

    Returns:
        None for fewer than two values.

    Paper: Bailey and Lopez de Prado 2014, "The Deflated Sharpe Ratio", equation 1.
    """
    if len(values) < 2:
        return None
    sign = 1 if maximize else -1
    ordered = sorted((sign * value for value in values), reverse=True)
    count = max(tried, len(values))
    mean, deviation = fmean(ordered), stdev(ordered)
    if count > len(values):
        # A line through the values over the normal ones of their ranks among all (Blom 1958).
        normal = [NormalDist().inv_cdf(1 - (i + 0.625) / (count + 0.25)) for i in range(len(ordered))]
        deviation, mean = linear_regression(normal, ordered)
    luck = deviation * expected_maximum(count)
    return Deflated(sign * ordered[0], luck, sign * max(ordered[0] - luck, mean))


def expected_maximum(count: int) -> float:
    """Mean of the largest of ``count`` standard normal values, to a few per cent; 0 for one."""
    if count < 2:
        return 0.0
    quantile, gamma = NormalDist().inv_cdf, EULER_MASCHERONI
    return (1 - gamma) * quantile(1 - 1 / count) + gamma * quantile(1 - 1 / (count * math.e))
