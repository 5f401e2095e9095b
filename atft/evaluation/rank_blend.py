"""One score from several: the mean of their ranks, which asks nothing about the scorers' units.

Seeds of one network, or a network and a baseline, err differently; the mean of their ranks errs less than most of
them. Ranks, not scores: a scorer of larger numbers would otherwise decide alone.
"""

from collections.abc import Sequence

import numpy as np

from atft.evaluation.predictions import Mask, Scores


def mean_rank(scores: Sequence[Scores], present: Mask) -> Scores:
    """Average the day's ranks over several scorers, or over several seeds of one.

    A rank is the share of the day's stocks below, ``(average rank - 1/2) / n``, among the ``n`` stocks that this
    scorer has that day. A stock that only some scorers have gets the mean over those: it stays ranked, at the price
    of a mean over fewer. A scorer whose scores are all equal adds the same 1/2 to all and changes no order.

    Args:
        scores: ``[days, stocks]`` each, any unit, higher is better; not finite where a scorer has none.
        present: the rows to rank.

    Returns:
        Mean rank, in (0, 1), higher is better; NaN where not ``present`` or where no scorer has a score.

    Raises ValueError without scores.
    """
    if not len(scores):
        raise ValueError("mean_rank needs at least one scorer")
    total, count = np.zeros(present.shape), np.zeros(present.shape, dtype=np.int64)
    for score in scores:
        known = present & np.isfinite(score)
        total += np.where(known, rank_shares(score, known), 0)
        count += known
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def rank_shares(score: Scores, known: Mask) -> Scores:
    """Average rank of the day as a share of its known stocks, in (0, 1); NaN where not known."""
    from scipy.stats import rankdata

    # Stocks that are not known are put last, where they change no rank of the others.
    ranks = rankdata(np.where(known, score, np.inf), axis=-1) if score.size else np.zeros(score.shape)
    return np.where(known, (ranks - 0.5) / np.maximum(known.sum(axis=-1, keepdims=True), 1), np.nan)
