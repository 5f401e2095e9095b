"""Are a file's targets what its figures take them for: returns as fractions, over as many days as the file says?

Returns over h days that start a day apart share h - 1 days, so their correlation is (h - 1) / h: a file's own
targets show over how many days they run. Counted as returns of one day, they make yearly figures h times too large,
and days that depend on each other pass for independent ones.
"""

import numpy as np

from atft.errors import counted
from atft.evaluation.day_measures import row_correlation
from atft.evaluation.day_ranks import rank_days
from atft.evaluation.predictions import Mask, Scores
from atft.panel import MIN_RETURN

SAMPLED_PAIRS, MIN_PAIRS, MIN_PAIRED_STOCKS = 50, 10, 10
"""Neighbouring days of a file that are compared, about; pairs without which nothing is said; stocks of a pair."""
SPAN_RATIO = 1.6
"""Times the horizon that targets must run over for a warning: below the 2 of two days taken for one."""
SAME_SPREAD, MIN_SPREAD_STOCKS = 0.01, 20
"""By which the standard deviations of the days may differ, a share, for targets that were scaled day by day."""


def target_warnings(target: Scores, counts: Mask, horizon: int) -> list[str]:
    """Say that the targets that count are no returns as fractions, or run over more days than the horizon.

    Args:
        target: of each day of the file and stock.
        counts: the rows that are measured.
        horizon: days of the file that the targets run over, as it says.
    """
    known = counts & np.isfinite(target)
    return [*_unit_warnings(target, known), *_span_warnings(target, known, horizon)]


def target_span(target: Scores, known: Mask) -> float:
    r"""Days over which targets run, from the mean rank correlation r of neighbouring days' targets.

    1 for returns of a day, about h for overlapping ones of h days: :math:`1 / (1 - 2 \sin(\pi r / 6))`. The sine is
    the correlation of normal returns whose ranks have r; with fat tails the span is a fifth too short at 20 days.

    NaN of too few days.
    """
    days = np.arange(0, len(target) - 1, max(1, (len(target) - 1) // SAMPLED_PAIRS))
    both = known[days] & known[days + 1]
    today, next_day = (rank_days(target[some], both) for some in (days, days + 1))
    alike = row_correlation(today.centered(), next_day.centered())
    measured = alike[np.isfinite(alike) & (both.sum(axis=1) >= MIN_PAIRED_STOCKS)]
    if len(measured) < MIN_PAIRS:
        return float("nan")
    return float(1 / max(1 - 2 * np.sin(np.pi * measured.mean() / 6), 1e-6))


def scaled_by_day(target: Scores, known: Mask) -> bool:
    """Whether the targets of each day have one standard deviation, as ranks and z-scores have and no returns.

    False of fewer than `MIN_PAIRS` days with `MIN_SPREAD_STOCKS` known targets.
    """
    values, count = np.where(known, target, 0.0).astype(np.float64), known.sum(axis=1)
    days = count >= MIN_SPREAD_STOCKS
    if days.sum() < MIN_PAIRS:
        return False
    mean = values[days].sum(axis=1) / count[days]
    squares = np.where(known[days], (values[days] - mean[:, None]) ** 2, 0.0).sum(axis=1)
    # By n or by n - 1: either is the same on all days, or nearly so.
    spreads = np.sqrt(np.stack([squares / count[days], squares / (count[days] - 1)]))
    return bool((np.ptp(spreads, axis=1) < SAME_SPREAD * spreads.mean(axis=1)).any())


def _unit_warnings(target: Scores, known: Mask) -> list[str]:
    if scaled_by_day(target, known):
        return [
            "targets have the same standard deviation on every day, as ranks and z-scores have, no returns: ranks "
            "count, figures of money do not"
        ]
    lowest = float(target[known].min(initial=0.0))
    if lowest >= MIN_RETURN:
        return []
    return [
        f"target falls to {lowest:.4g}, no return as a fraction (0.01 is one per cent): ranks count, figures of "
        f"money do not; divide per cent by 100"
    ]


def _span_warnings(target: Scores, known: Mask, horizon: int) -> list[str]:
    span = target_span(target, known)
    if not span > SPAN_RATIO * horizon:
        return []
    return [
        f"targets of neighbouring days are as alike as overlapping returns over about {span:.0f} days, not over "
        f"{counted(horizon, 'day')}: t and figures a year are too large; state the horizon"
    ]
