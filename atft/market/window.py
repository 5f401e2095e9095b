"""The part of the signal that only history shows: a fading memory of a white series, today left out.

``memory[t] = sum over lags l >= 1 of p^(l-1) flow[t-l]``, scaled to variance 1. The series itself is white,
so today's row says nothing of it: the correlation of ``memory[t]`` with ``flow[t]`` is 0. A regression on
the last few days of that one column finds it; so does any recurrent network.
"""

import numpy as np

from atft.market.factors import Array, accumulate, persistent_sum


def fading_memory(flow: Array, persistence: float) -> Array:
    """Remember yesterday and before, each day less.

    Args:
        flow: [days, stocks], white with variance 1.
        persistence: what is left of a day's flow one day later.

    Returns:
        [days, stocks] of variance 1; day 0 remembers nothing and is 0.
    """
    memory = np.zeros_like(flow)
    memory[1:] = accumulate(flow[:-1], persistence)
    return memory


def expected_memory(flow: Array, memory: Array, persistence: float, days: int) -> Array:
    """Expected sum of the memory over today and the ``days - 1`` days after it, given today.

    Tomorrow's memory already holds today's flow: ``memory[t+1] = p memory[t] + sqrt(1 - p^2) flow[t]``, and
    fades from there. Shapes as in :func:`fading_memory`.
    """
    today = np.sqrt(1 - persistence**2) * persistent_sum(persistence, days - 1)
    return np.asarray(persistent_sum(persistence, days) * memory + today * flow)
