"""One score from several: the mean of their ranks, which asks nothing about the scorers' units.

Seeds of one network, or a network and a baseline, err differently; the mean of their ranks errs less than most of
them. Ranks, not scores: a scorer of larger numbers would otherwise decide alone.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from atft.evaluation.day_ranks import over_blocks, rank_days
from atft.evaluation.predictions import Mask, Scores


def mean_rank(scores: Sequence[Scores], present: Mask) -> Scores:
    """Average the day's ranks over several scorers, or over several seeds of one.

    A rank is the share of the day's stocks below, ``(average rank - 1/2) / n``, among the ``n`` stocks that this
    scorer has that day. A stock that only some scorers have gets the mean over those: it stays ranked, at the price
    of a mean over fewer. A scorer whose scores are all equal adds the same 1/2 to all and changes no order.

    Args:
        scores: ``[days, stocks]`` each, any unit, read as float32, higher is better; not finite where a scorer has
            none.

    Returns:
        Mean rank, in (0, 1), higher is better; NaN where not ``present`` or where no scorer has a score.

    Raises ValueError without scores.
    """
    if not len(scores):
        raise ValueError("mean_rank needs at least one scorer")
    total, count = np.zeros(present.shape), np.zeros(present.shape, dtype=np.int64)
    for score in scores:
        known = present & np.isfinite(score)
        total += over_blocks(_rank_shares, score, known)
        count += known
    # Sums of the same ranks in another order differ in their last digits: rounded, they stay ties.
    return np.where(count > 0, np.round(total / np.maximum(count, 1), 12), np.nan)


def _rank_shares(score: Scores, known: Mask) -> NDArray[np.float64]:
    """Average rank of the day as a share of its known stocks, in (0, 1); 0 where not known."""
    ranked = rank_days(score, known)
    share = (ranked.first + ranked.last + 1) / (2.0 * np.maximum(ranked.stocks, 1))
    return np.where(known, share, 0.0)
