"""How large a mean RankIC can be before it says that something is wrong: no question of statistics."""

import math

MAX_DAILY_IC = 0.1
"""Mean RankIC with the next day's return above which no honest score is known: published ones have 0.05."""
MAX_IC = 0.25
"""The same for any horizon: what a lasting property of stocks adds up to, no more."""


def plausible_ic(horizon: int) -> float:
    r"""Largest mean RankIC of an honest score at a horizon in days: :math:`\min(0.1 \sqrt h, 0.25)`.

    A lasting property of stocks adds up over days while noise grows with the root of time, hence the root.
    """
    return min(MAX_DAILY_IC * math.sqrt(horizon), MAX_IC)
