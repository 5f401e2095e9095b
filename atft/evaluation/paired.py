"""Differences between scorers day by day: what affects both on a day cancels, so small differences show.

Two scorers of one market rise and fall together, so the error of their daily difference is far smaller than
either's own error; it is the one that answers "which is better?".
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from atft.day_series import Series, mean
from atft.evaluation.intervals import Interval, intervals

PAIRED_FIGURES = ("rank_ic", "spread")
"""Figures whose differences between files are shown."""


class PairedDifference(NamedTuple):
    """A scorer's mean minus that of another, over the days that both have."""

    scorer: str
    against: str
    days: int
    difference: Interval


def paired_difference(a: Series, b: Series, lags: int, draws: int = 1000, seed: int = 0) -> Interval:
    """Find the mean of ``a - b`` over the days that both have, with its interval, error and t.

    Args:
        a: one value per day, in calendar order; NaN where a day has none.
        b: the same of the other scorer, on the same days.
        lags: ``h - 1`` for a horizon of ``h`` days.

    Returns:
        In the unit of the series; positive where ``a`` is higher. Degenerate cases are those of
        `atft.evaluation.intervals.intervals`; without a common day all is NaN.

    Raises ValueError where the series have different lengths.
    """
    return intervals({"difference": _difference(a, b)}, lags, draws, seed)["difference"]


def paired_differences(
    series: Mapping[str, Series],
    lags: int,
    baselines: Sequence[str] = (),
    draws: int = 1000,
    seed: int = 0,
) -> list[PairedDifference]:
    """Compare each scorer with the first, and each that is no baseline with the best baseline.

    Args:
        series: scorer -> one value per day, the same days for all; all differences are of the same drawn days.
        baselines: names among them, of which `best_baseline` chooses. Where the first is none, the difference
            between these two is that of the first minus the best.
    """
    names = list(series)
    if len(names) < 2:
        return []
    first, best = names[0], best_baseline(series, baselines)
    challenged = best is not None and first not in baselines
    pairs = [(name, first) for name in names[1:] if not (challenged and name == best)]
    if best is not None and best != first:
        pairs += [(name, best) for name in names if name not in baselines]
    differences = {(a, b): _difference(series[a], series[b]) for a, b in pairs}
    means = intervals(differences, lags, draws, seed)
    return [PairedDifference(*pair, int(np.isfinite(differences[pair]).sum()), means[pair]) for pair in pairs]


def best_baseline(series: Mapping[str, Series], baselines: Sequence[str]) -> str | None:
    """The baseline with the highest mean over the days that all baselines have; None where none has such a day.

    It is chosen on the days that it is then compared on, which favours the baseline.
    """
    present = [name for name in baselines if name in series]
    if not present:
        return None
    common = np.isfinite(np.stack([series[name] for name in present])).all(axis=0)
    means = {name: mean(series[name][common]) for name in present}
    known = {name: value for name, value in means.items() if np.isfinite(value)}
    return max(known, key=lambda name: known[name]) if known else None


def _difference(a: Series, b: Series) -> Series:
    if len(a) != len(b):
        raise ValueError(f"paired series must have the same days, got {len(a)} and {len(b)}")
    both = np.isfinite(a) & np.isfinite(b)
    difference = np.full(len(a), np.nan)
    difference[both] = np.asarray(a, np.float64)[both] - np.asarray(b, np.float64)[both]
    return difference
