"""Was a column scaled with statistics of the whole file, the days to come included?

Scaling by a stock's maximum, range, mean or deviation over all days, by those of the whole column, or ranks over
all dates leaves an exact trace: the statistic is the same for one stock as for another. A statistic of past days
leaves none. The trace is gone where rows were added or left out after the scaling; then nothing is found.

Between stocks an honest mean of ``n`` values scatters by the values' noise over the root of ``n``. Here it must
agree to a thousandth of that, for `MIN_STOCKS_ALIKE` stocks and a fifth of all. For a whole column the tolerance is
derived from the level; all rows of the file are read for it, since a share of the stocks has no trace.
"""

from collections.abc import Sequence

import numpy as np

from atft.probes.finding import FALSE_ALARM, Suspect
from atft.probes.panel_grid import Cells, Marks, RowDays, WholeColumn

MIN_KNOWN_DAYS = 60
"""Values of a stock below which its statistics say nothing."""
MIN_STOCKS_ALIKE = 10
MIN_SHARE_ALIKE = 0.2
"""Share of the stocks, among those with values on every day between their first and last."""
TOLERANCE = 1e-3
"""By which means and standard deviations may differ between stocks, over their standard errors."""
MIN_VALUES = 1000
"""Of a column, below which its statistics over the whole file say nothing."""
MIN_RANGED_COLUMNS, MIN_RANGED_SHARE = 5, 0.2
MIN_DISTINCT = 0.5
"""Share of values that differ, for ranks over dates: two-valued columns are ranks of themselves."""
RANK_SAMPLE, NEAR_RANKS = 10_000, 0.05
"""Values of a column that are compared with ranks before all are, and how near they must be, as a share of them."""


def stock_scaling_suspect(name: str, values: Cells, present: Marks) -> Suspect | None:
    """Accuse a column that was scaled with statistics of each stock's whole history."""
    known = np.isfinite(values) & present
    count = known.sum(axis=0)
    # A value that was lost after the scaling hides its trace, so only stocks without holes are asked.
    whole_history = (count >= MIN_KNOWN_DAYS) & (count == present.sum(axis=0))
    stocks = np.flatnonzero(whole_history)
    if len(stocks) < MIN_STOCKS_ALIKE:
        return None
    table, use = values[:, stocks].astype(np.float64), known[:, stocks]
    text = _per_stock(table, use) or _ranks_over_dates(table, use)
    return Suspect(name, text) if text else None


def file_scaling_suspect(name: str, values: WholeColumn, day: RowDays, columns: int) -> Suspect | None:
    """Accuse a column that was scaled with statistics of all rows of the file.

    The level is divided by ``columns``, all that are probed.
    """
    here = np.isfinite(values)
    known, day = values[here].astype(np.float64), day[here]
    n = len(known)
    if n < MIN_VALUES or known.std() == 0:
        return None
    mean, std = float(known.mean()), float(known.std())
    counts = np.bincount(day)
    day_mean = np.bincount(day, known)[counts > 0] / counts[counts > 0]
    # A rank or z-score within each day has mean 0 on every day, which reads no other day.
    if float(np.median(np.abs(day_mean - mean))) < 0.01 * std:
        return None
    # Both within c / sqrt(n) of 0 and 1 by chance has probability 0.9 c^2 for normal noise.
    tolerance = max(1e-6, (FALSE_ALARM / columns / 0.9) ** 0.5 / n**0.5)
    if abs(mean) < tolerance and min(abs(std - 1), abs(std * (n / (n - 1)) ** 0.5 - 1)) < tolerance:
        return Suspect(
            name,
            f"mean {mean:.1e} and standard deviation {std:.6f} over the whole file: scaled with all days",
        )
    if (text := are_ranks(known)) and len(np.unique(known)) > MIN_DISTINCT * n:
        return Suspect(name, f"the values are {text} over all dates of the file")
    return None


def _per_stock(table: Cells, use: Marks) -> str | None:
    n = use.sum(axis=0)
    filled = np.where(use, table, 0.0)
    mean = filled.sum(axis=0) / n
    std = np.sqrt(np.where(use, (filled - mean) ** 2, 0.0).sum(axis=0) / n)
    varies = (std > 1e-9 * np.maximum(np.abs(mean), 1e-30)) & ~_as_others(table, use)
    if varies.sum() < MIN_STOCKS_ALIKE:
        return None
    high = np.where(use, table, -np.inf).max(axis=0)
    low = np.where(use, table, np.inf).min(axis=0)
    # An extreme of the first day, as a count of days has, was known from then on.
    begins = np.arange(len(table))[:, None] == use.argmax(axis=0)
    once_high, once_low = (
        ((use & (table == extreme)).sum(axis=0) == 1) & ~(begins & (table == extreme)).any(axis=0)
        for extreme in (high, low)
    )
    # Deviations by n or by n - 1: two candidates for the same scaling.
    deviations = (std, std * np.sqrt(n / (n - 1)))
    error = TOLERANCE * std / np.sqrt(n)
    alike = {
        "the mean": _alike(mean, varies, error),
        "the standard deviation": max(_alike(s, varies, error / 2**0.5) for s in deviations),
        # A bounded column reaches its bound often; a stock's own extreme is reached once.
        "the maximum": _alike(high, varies & once_high, 1e-6 * np.abs(high)),
        "the minimum": _alike(low, varies & once_low, 1e-6 * np.abs(low)),
    }
    least = max(MIN_STOCKS_ALIKE, MIN_SHARE_ALIKE * varies.sum())
    same = [what for what, stocks in alike.items() if stocks >= least]
    if not same:
        return None
    stocks = max(alike[what] for what in same)
    return f"{' and '.join(same)} over all days is the same for {stocks} of {varies.sum()} stocks"


def _as_others(table: Cells, use: Marks) -> np.ndarray:
    """Stocks whose series is, but for a constant, that of many others, as a count of days is."""
    middle = use.all(axis=1)
    if middle.sum() < 2:
        return np.zeros(table.shape[1], dtype=bool)
    changes = np.diff(table[middle], axis=0)
    _, series, times = np.unique(changes, axis=1, return_inverse=True, return_counts=True)
    shared: np.ndarray = times[np.ravel(series)] > max(1, 0.05 * table.shape[1])
    return shared


def _alike(statistic: np.ndarray, use: np.ndarray, width: np.ndarray) -> int:
    """Stocks whose statistic is the most frequent one, each within twice its width."""
    order = np.argsort(statistic[use])
    ordered, widths = statistic[use][order], width[use][order]
    ends = np.searchsorted(ordered, ordered + 2 * widths, side="right")
    return int((ends - np.arange(len(ordered))).max(initial=0))


def _ranks_over_dates(table: Cells, use: Marks) -> str | None:
    ranked, asked = 0, 0
    for stock in range(table.shape[1]):
        values = table[use[:, stock], stock]
        distinct = len(np.unique(values))
        # A count of days is its own rank, and known on its day.
        counts = bool((np.diff(values) > 0).all() or (np.diff(values) < 0).all())
        if counts or distinct < max(MIN_DISTINCT * len(values), MIN_KNOWN_DAYS / 2):
            continue
        asked += 1
        ranked += bool(are_ranks(values))
    if ranked >= max(MIN_STOCKS_ALIKE, MIN_SHARE_ALIKE * asked):
        return f"the values of {ranked} of {asked} stocks are ranks over all of the stock's days"
    return None


def are_ranks(values: np.ndarray) -> str:
    """Whether values are an affine function of their own ranks, or the normal quantiles of them; empty for neither.

    Uniform noise is not: its distance from its ranks is about the root of the number of values, and here it must
    stay below one rank.
    """
    from scipy.special import ndtr

    n = len(values)
    slack = 1 + 4 * n * float(np.finfo(np.float32).eps)
    # Some of the values of a large file are near the line if all are on it, and are sorted in no time.
    some = values[np.random.default_rng(0).integers(n, size=RANK_SAMPLE)] if n > RANK_SAMPLE else values
    for text, transform in (("ranks", np.asarray), ("normal quantiles of ranks", ndtr)):
        near = max(slack, NEAR_RANKS * len(some))
        if _distance_from_ranks(transform(some)) < near and _distance_from_ranks(transform(values)) < slack:
            return text
    return ""


def _distance_from_ranks(values: np.ndarray) -> float:
    """Most places by which values are off the line from their first rank to the last; inf where all are equal."""
    ordered = np.sort(values.astype(np.float64))
    # The middle of each group of equal values, as ranks with ties have it.
    first = np.searchsorted(ordered, ordered, side="left")
    last = np.searchsorted(ordered, ordered, side="right") - 1
    rank = (first + last) / 2
    width = ordered[-1] - ordered[0]
    if width <= 0:
        return float("inf")
    line = (ordered - ordered[0]) / width * (rank[-1] - rank[0]) + rank[0]
    return float(np.abs(line - rank).max())


def has_unit_range(values: WholeColumn) -> bool:
    """Whether a column's ends are 0 and 1, or -1 and 1, each reached once, as after scaling by the whole range.

    An honest column with these bounds may do so by chance, so this accuses a panel only in many columns at once.
    """
    known = values[np.isfinite(values)]
    if len(known) < MIN_VALUES:
        return False
    low, high = float(known.min()), float(known.max())
    once = (known == low).sum() == 1 and (known == high).sum() == 1
    return (low, high) in ((0.0, 1.0), (-1.0, 1.0)) and bool(once)


def range_suspect(names: Sequence[str], columns: int) -> Suspect | None:
    """Accuse a panel of which many columns have the trace of `has_unit_range`; ``names`` are those columns."""
    if len(names) < max(MIN_RANGED_COLUMNS, MIN_RANGED_SHARE * columns):
        return None
    return Suspect(
        f"{names[0]} and {len(names) - 1} more columns",
        "each reaches its least and its largest value, 0 or -1 and 1, once in the whole file: scaled by the range "
        "of all days",
    )
