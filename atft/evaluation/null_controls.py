"""Scores that need no model, on the same days and rows: what a result must beat before it means anything.

Two know nothing (random scores, labels shuffled within the day) and four are the oldest known effects (reversal,
momentum, low volatility, size). All read the day itself and days before it, never a later one.
"""

import math
from collections.abc import Callable, Collection, Sequence

import numpy as np

from atft.evaluation.intervals import Interval
from atft.evaluation.plausible_ic import plausible_ic
from atft.evaluation.predictions import HorizonScores, Mask, Scores

CONTROLS = ("random", "shuffled labels", "reversal", "momentum", "low volatility", "size")
"""From what knows nothing to what is known for decades."""
CONTROL_MEASURES = ("rank_ic", "ic", "spread")
"""Measures of each day that controls have, as the scores beside them."""
WINDOW, MIN_RETURNS = 20, 10
"""Trading days up to today that momentum and volatility read, and known returns among them that they need."""
SUSPECT_REVERSAL = 0.25
"""RankIC that yesterday's return has at no horizon, though closes bounce: it is a later day's return."""

Band = tuple[float, float]


def control_scores(table: HorizonScores, seed: int = 0) -> tuple[dict[str, Scores], dict[str, str]]:
    """Score the rows of a table by each null control.

    ``random``: a number drawn for each row. ``shuffled labels``: the table's own scores, permuted among the day's
    stocks with a known target, which gives the statistics that permuted labels would. ``reversal``: minus today's
    return. ``momentum``: ``momentum_20d``, else the sum of the 20 returns up to today. ``low volatility``: minus
    ``exposure_volatility``, else minus the standard deviation of these returns. ``size``: ``exposure_size``, else
    today's traded value; large stocks are high, so a negative IC says that small ones did better.

    Args:
        table: with ``score``, ``target`` and those of these columns that it has.
        seed: of the two that are drawn.

    Returns:
        Name -> ``[days, stocks]`` scores, NaN where not present or not known; and name -> why it is absent.
    """
    rng = np.random.default_rng(seed)
    scores = {
        "random": np.where(table.present, rng.random(table.present.shape), np.nan),
        "shuffled labels": _shuffled(table.columns["score"], table.valid(), rng),
    }
    absent = {}
    # Each control with the columns that it may be made of, in the order in which they are preferred.
    sources: dict[str, Sequence[tuple[str, Callable[[Scores], Scores]]]] = {
        "reversal": [("return_1d", np.negative)],
        "momentum": [("momentum_20d", np.asarray), ("return_1d", _trailing_sum)],
        "low volatility": [("exposure_volatility", np.negative), ("return_1d", _minus_trailing_deviation)],
        "size": [("exposure_size", np.asarray), ("traded_value", np.asarray)],
    }
    for name, ways in sources.items():
        known = [(column, made) for column, made in ways if _has_values(table, column)]
        if known:
            column, made = known[0]
            present = np.where(table.present, table.columns[column], np.nan).astype(np.float64)
            scores[name] = np.where(table.present, made(present), np.nan)
        else:
            absent[name] = f"no values in column {' or '.join(column for column, _ in ways)}"
    return scores, absent


def control_name(name: str, files: Collection[str]) -> str:
    """What a control is called beside files, one of which may have its name."""
    return f"control: {name}" if name in files else name


def inside_band(value: float, band: Band) -> bool:
    """Whether random scores reach a figure too: it is inside the band of `random_band`, and known."""
    return band[0] <= value <= band[1]


def verdicts(rank_ic: Interval, band: Band, horizon: int, ic: float = float("nan")) -> list[str]:
    r"""Say that a mean daily IC is inside the band of random scores, or beyond `plausible_ic`; else nothing.

    Random scores are drawn again each day. ICs of a score that never changes share h - 1 days of return with their
    neighbours, so the variance of their mean is up to h times as large: between the band and :math:`\sqrt h` times
    the band the interval decides whether chance reaches a value.

    Args:
        rank_ic: mean over the days, with its interval.
        band: of random scores, for ``rank_ic``.
        horizon: trading days of the target.
        ic: mean over the days, the linear one.
    """
    value = rank_ic.value
    if inside_band(value, band):
        # On few days or stocks chance is large too: then a large value is no suspect.
        return [f"RankIC {value:+.4f} is inside the band of random scores, {band[0]:+.4f} .. {band[1]:+.4f}"]
    slow = band[0] * math.sqrt(horizon), band[1] * math.sqrt(horizon)
    if inside_band(value, slow):
        if rank_ic.low > 0 or rank_ic.high < 0:
            return []
        return [
            f"RankIC {value:+.4f} is beyond the band of random scores, but no interval excludes 0: scores that "
            f"never change reach {slow[0]:+.4f} .. {slow[1]:+.4f} by chance, since targets overlap"
        ]
    for name, mean in (("RankIC", value), ("IC", ic)):
        if abs(mean) > plausible_ic(horizon):
            limit = f"±{plausible_ic(horizon):.2f}, which no honest score reaches"
            return [f"{name} {mean:+.4f} is beyond {limit}: suspect a bug or a leak first"]
    return []


def misdated_returns(reversal: float) -> list[str]:
    """Say that ``return_1d`` must be of a later day than its row's, from the RankIC of minus it; else nothing."""
    if not abs(reversal) > SUSPECT_REVERSAL:
        return []
    return [
        f"reversal has RankIC {reversal:+.4f}: return_1d must be the return up to the day of its row, and is of "
        "a later day; controls and books made of it mean nothing"
    ]


def _has_values(table: HorizonScores, column: str) -> bool:
    return column in table.columns and bool(np.isfinite(table.columns[column][table.present]).any())


def _shuffled(score: Scores, valid: Mask, rng: np.random.Generator) -> Scores:
    shuffled = np.full(score.shape, np.nan)
    for day, row in enumerate(valid):
        stocks = np.flatnonzero(row)
        shuffled[day, stocks] = score[day, rng.permutation(stocks)]
    return shuffled


def _window_moments(returns: Scores) -> tuple[Scores, Scores]:
    """Known returns among the last 20 days up to each, and their sum."""
    count, total = np.zeros(returns.shape), np.zeros(returns.shape)
    for lag in range(min(WINDOW, len(returns))):
        before = returns[: len(returns) - lag]
        known = np.isfinite(before)
        count[lag:] += known
        total[lag:] += np.where(known, before, 0)
    return count, total


def _trailing_sum(returns: Scores) -> Scores:
    count, total = _window_moments(returns)
    return np.where(count >= MIN_RETURNS, total, np.nan)


def _minus_trailing_deviation(returns: Scores) -> Scores:
    count, total = _window_moments(returns)
    middle = total / np.maximum(count, 1)
    squares = np.zeros(returns.shape)
    # From the window's own mean: the difference of two large sums would lose the digits of a small deviation.
    for lag in range(min(WINDOW, len(returns))):
        before = returns[: len(returns) - lag]
        squares[lag:] += np.where(np.isfinite(before), before - middle[lag:], 0) ** 2
    return np.where(count >= MIN_RETURNS, -np.sqrt(squares / np.maximum(count - 1, 1)), np.nan)
