"""How long a score stays good, and how much of it changes from day to day."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atft.day_series import Series
from atft.evaluation.books import ahead_by
from atft.evaluation.day_measures import (
    DECILES,
    decile_numbers,
    masked_correlation,
    measure_table,
    without_thin_days,
)
from atft.evaluation.day_ranks import in_blocks, over_blocks, rank_days
from atft.evaluation.predictions import HorizonScores, Mask, Scores

LAGS = (1, 2, 3, 5, 10, 20)
"""Trading days between the score and the day from whose close the return counts."""


def lagged_targets(table: HorizonScores, lag: int) -> Scores:
    """Target of the day ``lag`` days later, of the same stock; NaN where the file does not have it.

    Days are those of the file. At lag 1 ``target_lag1`` is taken where the file has it, which also knows stocks
    that left the universe overnight.
    """
    if lag == 1 and "target_lag1" in table.columns:
        return table.columns["target_lag1"]
    return ahead_by(table.columns["target"], lag)


def decayed_rank_ics(
    table: HorizonScores, counts: Mask, min_stocks: int, measured: Mapping[int, Series] | None = None
) -> dict[int, Series]:
    """RankIC of each day's score with the target of a later day, by lag; lags beyond the file's days are left out.

    Args:
        counts: the rows that may count; of them those whose later target is known do.
        min_stocks: of these below which a day does not count.
        measured: series of lags that are known already.
    """
    score, lags = table.columns["score"], [lag for lag in LAGS if lag < len(table.dates)]
    series = dict(measured or {})
    for lag in lags:
        if lag not in series:
            target = lagged_targets(table, lag)
            known = without_thin_days(counts & np.isfinite(target), min_stocks)
            measures = measure_table(score, target, known, names=("rank_ic",))
            series[lag] = measures.series["rank_ic"]
    return {lag: series[lag] for lag in lags}


def rank_autocorrelation(score: Scores, present: Mask) -> Series:
    """Correlation of each day's ranks with those of the day before, over the stocks that both have.

    1: the order stays; 0: it is drawn again. Ranks are those among all stocks of each day, as alphalens has them.
    The first day is NaN.
    """
    shares = over_blocks(lambda s, p: rank_days(s, p).shares().astype(np.float32), score, present)
    before = np.full(shares.shape, np.nan, dtype=np.float32)
    before[1:] = shares[:-1]

    def correlated(today: Scores, yesterday: Scores) -> Series:
        return masked_correlation(today, yesterday, np.isfinite(today) & np.isfinite(yesterday))

    return over_blocks(correlated, shares, before)


def new_names(score: Scores, present: Mask) -> dict[str, Series]:
    """Share of the highest (``top``) and the lowest tenth's stocks that were not in it the day before.

    0: the same names; 1: all new. The tenths are those of `decile_numbers`, the share that of alphalens. The first
    day is NaN, and so are a day whose equal scores leave no stock in the highest tenth and the day after it.
    """

    def extremes(scores: Scores, use: Mask) -> dict[str, NDArray[Any]]:
        ranked = rank_days(scores, use)
        tenth = decile_numbers(ranked)
        return {"top": use & (tenth == DECILES - 1), "bottom": use & (tenth == 0)}

    shares = {}
    for name, chosen in in_blocks(extremes, score, present).items():
        share = np.full(len(score), np.nan)
        new = (chosen[1:] & ~chosen[:-1]).sum(axis=1)
        before, today = chosen[:-1].sum(axis=1), chosen[1:].sum(axis=1)
        share[1:] = np.where((before > 0) & (today > 0), new / np.maximum(today, 1), np.nan)
        shares[name] = share
    return shares
