r"""What a score is made of: its rank correlation with known risk factors, and what is left without them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atft.day_series import Series
from atft.evaluation.day_measures import row_correlation
from atft.evaluation.day_ranks import in_blocks, rank_days
from atft.evaluation.predictions import Mask, Scores

PREFIX = "exposure_"


def exposure_series(
    score: Scores, target: Scores, counts: Mask, exposures: Mapping[str, Scores]
) -> tuple[dict[str, Series], Series]:
    r"""Measure a score against risk factors, day by day.

    The score's ranks are regressed on the exposures' ranks across the day's stocks (least squares with an
    intercept; an unknown exposure is the day's mean rank); what is left, :math:`r - X (X^\top X)^{-1} X^\top r`, is
    the neutralised score. Exposures that are one another's copies share their effect.

    Args:
        counts: the rows that count, their targets known.
        exposures: name -> values, for instance ``exposure_size``; NaN where unknown.

    Returns:
        Name -> Spearman correlation of score and exposure over the stocks that have both; and RankIC of the
        neutralised score, NaN on a day on which no exposure is known.
    """
    names = list(exposures)

    def measured(scores: Scores, targets: Scores, use: Mask, *values: Scores) -> dict[str, NDArray[Any]]:
        use = use & np.isfinite(targets)
        ranked = rank_days(scores, use).centered()
        columns: dict[str, NDArray[Any]] = {}
        factors, exposed = [], np.zeros(len(scores), dtype=bool)
        for name, exposure in zip(names, values, strict=True):
            known = use & np.isfinite(exposure)
            factor = rank_days(exposure, known).centered()
            # Without an unknown exposure, which is the rule, the ranks of all stocks serve.
            pair = ranked if (known == use).all() else rank_days(scores, known).centered()
            columns[name] = row_correlation(pair, factor)
            factors.append(factor)
            exposed |= known.any(axis=1)
        x = np.stack(factors, axis=1)
        gram = np.einsum("dks,dls->dkl", x, x)
        moment = np.einsum("dks,ds->dk", x, ranked)
        beta = np.einsum("dkl,dl->dk", np.linalg.pinv(gram, rcond=1e-10, hermitian=True), moment)
        left = ranked - np.einsum("dks,dk->ds", x, beta)
        # What is left of a score that is an exposure is rounding: it has no order.
        size = np.abs(ranked).max(axis=1, initial=0)[:, None]
        left = np.where(np.abs(left) > 1e-6 * size, left, 0).astype(np.float32)
        by_left, by_target = rank_days(left, use), rank_days(targets, use)
        neutral = row_correlation(by_left.centered(), by_target.centered())
        # Without an exposure all of the score is left: that day's RankIC is neutral to nothing.
        columns["neutral"] = np.where(exposed & ~by_left.constant & ~by_target.constant, neutral, np.nan)
        return columns

    correlations = in_blocks(measured, score, target, counts, *exposures.values())
    neutral = correlations.pop("neutral")
    return correlations, neutral
