"""What chance reaches on these very days: the band of random scores, which a result must leave.

Ranking a day's stocks at random gives a correlation of mean 0 and variance ``1 / (n - 1)``, exactly and whatever
the returns' distribution, and days are ranked independently even where their labels overlap. So nothing is drawn
here: the band costs one pass over the targets. Noise that changes slowly is not ranked again each day: where labels
overlap it needs up to the root of the horizon times the band (`atft.evaluation.null_controls.verdicts`).
"""

import math

import numpy as np
from jaxtyping import Float

from atft.day_series import annual_factor
from atft.evaluation.day_measures import SPREAD_SHARE
from atft.evaluation.predictions import Mask


def random_band(
    target: Float[np.ndarray, "days stocks"],
    valid: Mask,
    horizon: int,
    level: float = 0.95,
    min_stocks: int = 2,
) -> dict[str, tuple[float, float]]:
    r"""Find the range within which a share ``level`` of random scores have the metrics of a run.

    Means over days are normal, with the exact variance of random permutations: :math:`1/(n-1)` a day for
    correlations, :math:`2 s^2 / k` for the difference of the means of two drawn groups of ``k`` stocks, with the
    sample variance :math:`s^2` of the day's returns. Ratios of mean to standard deviation are Student's t with
    ``days - 1`` degrees of freedom over the root of the days.

    Args:
        target: raw forward returns, NaN where unknown.
        valid: the rows that count; days with fewer than ``min_stocks`` of them, or equal returns, are left out.

    Returns:
        ``rank_ic``, ``ic``, ``rank_icir``, ``icir``, ``spread``, ``sharpe`` and ``sharpe_annual``, each with the
        lowest and highest value of the band; NaN where no day can be ranked, ratios where two cannot.

    Paper: Hoeffding (1951), A Combinatorial Central Limit Theorem.
    """
    from scipy.special import ndtri, stdtrit

    known = valid & np.isfinite(target)
    low, high = np.where(known, target, np.inf).min(-1), np.where(known, target, -np.inf).max(-1)
    count = known.sum(axis=1)
    ranked = (count >= max(min_stocks, 2)) & (low < high)
    known, count, days = known[ranked], count[ranked], int(ranked.sum())
    names = ("rank_ic", "ic", "rank_icir", "icir", "spread", "sharpe", "sharpe_annual")
    if not days:
        return dict.fromkeys(names, (math.nan, math.nan))
    returns = np.where(known, target[ranked], 0).astype(np.float64)
    centred = np.where(known, returns - returns.sum(axis=1, keepdims=True) / count[:, None], 0)
    variance = (centred**2).sum(axis=1) / (count - 1)
    side = np.maximum(1, (SPREAD_SHARE * count).astype(int))
    # Days are independent, so their variances add up.
    normal = float(ndtri((1 + level) / 2)) / days
    correlation = normal * math.sqrt((1 / (count - 1)).sum())
    spread = normal * math.sqrt((2 * variance / side).sum())
    ratio = float(stdtrit(days - 1, (1 + level) / 2)) / math.sqrt(days) if days > 1 else math.nan
    ends = (correlation, correlation, ratio, ratio, spread, ratio, ratio * annual_factor(horizon))
    return {name: (-end, end) for name, end in zip(names, ends, strict=True)}
