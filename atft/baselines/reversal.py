"""Yesterday's losers: the baseline that needs no training and that any short-horizon signal must beat."""

import numpy as np
from numpy.typing import NDArray


def reversal_scores(return_1d: NDArray[np.floating]) -> NDArray[np.float32]:
    """Score each stock by minus its own return of the day.

    Args:
        return_1d: trailing return of the scored day, close[t] / close[t-1] - 1, any shape.

    Returns:
        Scores of the same shape; a stock of unknown return gets 0, neither a winner nor a loser.

    Paper: Jegadeesh (1990), Evidence of Predictable Behavior of Security Returns.
    """
    return -np.nan_to_num(np.asarray(return_1d, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0)
