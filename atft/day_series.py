"""Series of one number a trading day, and what a year of them is: needs no torch."""

import math

import numpy as np
from jaxtyping import Float

TRADING_DAYS_PER_YEAR = 252
MAX_HORIZON = 10_000
"""Trading days of a forward return: forty years; a larger number is taken for something else."""
MAX_LOST_SHARE = 0.05
"""Of the days that can be ranked, those whose scores cannot: of more, no figure is shown."""

Series = Float[np.ndarray, " days"]
"""One number a day, in calendar order; NaN where the day has none."""


def annual_factor(horizon: int) -> float:
    """Square root of the trades of ``horizon`` days in a year, which makes a Sharpe ratio of trades annual."""
    return math.sqrt(TRADING_DAYS_PER_YEAR / horizon)


def mean(series: Series) -> float:
    """Mean of the days that are not NaN; NaN without any."""
    known = series[np.isfinite(series)]
    return float(known.mean()) if len(known) else math.nan


def mean_over_std(series: Series) -> float:
    """Mean over sample standard deviation of the days that are not NaN: ICIR of ICs, Sharpe ratio of spreads.

    NaN with fewer than two days or where all are equal.
    """
    known = series[np.isfinite(series)]
    if len(known) < 2 or known.min() == known.max():
        return math.nan
    return float(known.mean() / known.std(ddof=1))
