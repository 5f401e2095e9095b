"""RankIC by parts: within each sector and size tercile of a day, and over the days of each year and regime."""

from typing import Any

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray

from atft.day_series import Series
from atft.evaluation.day_ranks import in_blocks, over_blocks, rank_days, ranks_in_groups
from atft.evaluation.predictions import Mask, Scores

MIN_GROUP_STOCKS = 5
"""Of fewer stocks of a group on a day, a correlation says next to nothing."""
TERCILES = ("low", "middle", "high")
NAMED_GROUPS = ("year", "sector", "size")
"""Kinds of groups that any file may have; all others are regimes of the market: a panel may have dozens."""

Labels = Int[np.ndarray, "days stocks"]
"""Index of each stock's group on each day, -1 for none."""


def grouped_rank_ics(
    score: Scores, target: Scores, counts: Mask, label: Labels, groups: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """RankIC among the stocks of each group of a day, ``[days, groups]``, and their number.

    All groups at once: one sort by group and value. NaN with fewer than 5 stocks, or where scores or targets of the
    group are constant.
    """

    def measured(scores: Scores, targets: Scores, use: Mask, labels: Labels) -> dict[str, NDArray[Any]]:
        known = use & np.isfinite(targets) & (labels >= 0)
        left, right = (ranks_in_groups(values, known, labels, groups) for values in (scores, targets))
        days = len(scores)
        cell = (groups * np.arange(days)[:, None] + labels)[known]

        def total(values: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.bincount(cell, values[known], groups * days).reshape(days, groups).astype(np.float64)

        number = np.bincount(cell, minlength=groups * days).reshape(days, groups)
        with np.errstate(invalid="ignore", divide="ignore"):
            ic = total(left * right) / np.sqrt(total(left**2) * total(right**2))
        return {"rank_ic": np.where(number >= MIN_GROUP_STOCKS, ic, np.nan), "stocks": number.astype(float)}

    measures = in_blocks(measured, score, target, counts, label)
    return measures["rank_ic"], measures["stocks"]


def tercile_labels(values: Scores, counts: Mask) -> Labels:
    """Third of the day's known values that each stock is in: 0 low, 1 middle, 2 high, -1 unknown."""

    def labelled(table: Scores, use: Mask) -> NDArray[np.int16]:
        known = use & np.isfinite(table)
        ranked = rank_days(table, known)
        third = 3 * (ranked.first + ranked.last) // (2 * np.maximum(ranked.stocks, 1))
        return np.where(known, third, -1).astype(np.int16)

    return over_blocks(labelled, values, counts)


def day_terciles(regime: Series) -> Int[np.ndarray, " days"]:
    """Third of all days that each day's value is in; -1 where unknown. The whole period is looked at."""
    row = np.asarray(regime, dtype=np.float32)[None]
    return np.asarray(tercile_labels(row, np.isfinite(row))[0])


def regime_of_days(values: Scores, present: Mask) -> Series:
    """The one value that a regime column has on each day: that of its first known row; NaN without any."""
    known = present & np.isfinite(values)
    first = known.argmax(axis=1)
    return np.where(known.any(axis=1), values[np.arange(len(values)), first], np.nan).astype(np.float64)
