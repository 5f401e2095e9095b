"""Was a column scaled with statistics of the whole file, the days to come included?

Scaling by a stock's maximum, range, mean, deviation or quartiles over all days, by those of the whole column, or
ranks over all dates leaves an exact trace: the statistic is the same for one stock as for another. A statistic of
past days leaves none. The trace is gone where rows were added or left out after the scaling; then nothing is found.

Between stocks an honest mean of ``n`` values scatters by the values' noise over the root of ``n``. Here it must
agree to a thousandth of that, for `MIN_STOCKS_ALIKE` stocks and a fifth of all. For a whole column the tolerance is
derived from the level; all rows of the file are read for it, since a share of the stocks has no trace.
"""

from collections.abc import Callable, Sequence

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
BY_DAY, SAMPLED_DAYS = 0.01, 50
"""Of a column's deviation, by how much its days differ at least where no day is scaled by itself; days compared."""
SAMPLED_VALUES, NEAR_RANKS, NEAR_QUARTILES = 10_000, 0.05, 0.1
"""Values of a large column that are looked at before all are sorted, and how near to a trace they must be."""


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
    if is_scaled_by_day(known, day):
        return None
    distinct = len(np.unique(_some(known)))
    # Both within c / sqrt(n) of 0 and 1 by chance has probability 0.9 c^2 for normal noise.
    tolerance = max(1e-6, (FALSE_ALARM / columns / 0.9) ** 0.5 / n**0.5)
    # The deviation of a column of -1 and 1 is 1 wherever its mean is 0.
    if (
        distinct > 2
        and abs(mean) < tolerance
        and min(abs(std - 1), abs(std * (n / (n - 1)) ** 0.5 - 1)) < tolerance
    ):
        return Suspect(
            name,
            f"mean {mean:.1e} and standard deviation {std:.6f} over the whole file: scaled with all days",
        )
    robust = is_robust_scaled(known, tolerance) and len(np.unique(known)) > MIN_DISTINCT * n
    # Scaled within each day, the median is 0 on every day.
    if robust and float(np.median(np.abs(_medians_of_days(known, day)))) >= BY_DAY:
        return Suspect(name, "median 0 and interquartile range 1 over the whole file: scaled with all days")
    if (text := are_ranks(known)) and len(np.unique(known)) > MIN_DISTINCT * n:
        return Suspect(name, f"the values are {text} over all dates of the file")
    return None


def is_scaled_by_day(known: WholeColumn, day: RowDays) -> bool:
    """Whether a column has the same mean on each day, as a rank or z-score within the day, which reads no other."""
    counts = np.bincount(day)
    mean = np.bincount(day, known)[counts > 0] / counts[counts > 0]
    return float(np.median(np.abs(mean - known.mean()))) < BY_DAY * float(known.std())


def centred_suspect(name: str, values: WholeColumn, day: RowDays, columns: int) -> Suspect | None:
    """Accuse a column from which the mean of all rows was subtracted, as from a component of PCA or a residual.

    The level is divided by ``columns``, all that are probed.
    """
    here = np.isfinite(values)
    known = values[here].astype(np.float64)
    n, some = len(known), _some(known)
    # A sum of a few different numbers may well be 0.
    if n < MIN_VALUES or len(np.unique(some)) <= MIN_DISTINCT * len(some):
        return None
    # An honest mean scatters by 1 / sqrt(n) or more: within c / sqrt(n) of 0 with probability 0.8 c at most.
    mean, tolerance = float(known.mean()), FALSE_ALARM / columns / 0.8 / n**0.5
    if abs(mean) >= tolerance * known.std() or is_scaled_by_day(known, day[here]):
        return None
    return Suspect(name, f"mean {mean:.1e} over the whole file: the mean of all days was subtracted")


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
    middle, spread, once_middle = _quartiles(np.sort(np.where(use, table, np.inf), axis=0), n)
    # Deviations by n or by n - 1: two candidates for the same scaling.
    deviations = (std, std * np.sqrt(n / (n - 1)))
    error = TOLERANCE * std / np.sqrt(n)
    alike = {
        "the mean": _alike(mean, varies, error),
        "the standard deviation": max(_alike(s, varies, error / 2**0.5) for s in deviations),
        # A bounded column reaches its bound often; a stock's own extreme is reached once.
        "the maximum": _alike(high, varies & once_high, 1e-6 * np.abs(high)),
        "the minimum": _alike(low, varies & once_low, 1e-6 * np.abs(low)),
        "the median": _alike(middle, varies & once_middle, error),
        "the interquartile range": _alike(spread, varies & once_middle, error),
    }
    least = max(MIN_STOCKS_ALIKE, MIN_SHARE_ALIKE * varies.sum())
    same = [what for what, stocks in alike.items() if stocks >= least]
    if not same:
        return None
    stocks = max(alike[what] for what in same)
    return f"{' and '.join(same)} over all days is the same for {stocks} of {varies.sum()} stocks"


def _quartiles(ordered: Cells, n: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Median and interquartile range of each stock's ``n`` values, and whether no other value equals the median's.

    Prices that often stay where they are have returns whose median is 0, for one stock as for another.
    """
    stock, position = np.arange(ordered.shape[1]), np.multiply.outer([0.25, 0.5, 0.75], n - 1)
    below, above = (ordered[rounded(position).astype(int), stock] for rounded in (np.floor, np.ceil))
    low, middle, high = below + position % 1 * (above - below)
    once = ((ordered == below[1]).sum(axis=0) == 1) & ((ordered == above[1]).sum(axis=0) == 1)
    return middle, high - low, once


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
    # Some of the values are near the line if all are on it.
    some = _some(values)
    for text, transform in (("ranks", np.asarray), ("normal quantiles of ranks", ndtr)):
        near = max(slack, NEAR_RANKS * len(some))
        if _off_ranks(some, transform) < near and _off_ranks(values, transform) < slack:
            return text
    return ""


def is_robust_scaled(values: np.ndarray, tolerance: float) -> bool:
    """Whether the median is 0 and the interquartile range 1, however quantiles between two values are taken."""
    for part, near in ((_some(values), NEAR_QUARTILES), (values, tolerance)):
        position = np.array([0.25, 0.5, 0.75]) * (len(part) - 1)
        ordered = np.sort(part)
        below, above = ordered[np.floor(position).astype(int)], ordered[np.ceil(position).astype(int)]
        if not below[1] - near <= 0 <= above[1] + near:
            return False
        if not below[2] - above[0] - near <= 1 <= above[2] - below[0] + near:
            return False
    return True


def _medians_of_days(values: np.ndarray, day: np.ndarray) -> np.ndarray:
    days = np.unique(day)
    some = np.unique(np.linspace(0, len(days) - 1, SAMPLED_DAYS).round().astype(int))
    return np.array([np.median(values[day == number]) for number in days[some]])


def _some(values: np.ndarray) -> np.ndarray:
    """Values drawn from many, which are sorted in no time; all of few."""
    if len(values) <= SAMPLED_VALUES:
        return values
    return values[np.random.default_rng(0).integers(len(values), size=SAMPLED_VALUES)]


def _off_ranks(values: np.ndarray, transform: Callable[[np.ndarray], np.ndarray]) -> float:
    """Most places by which transformed values are off the line through their ends' ranks; inf if all are equal."""
    ordered = np.sort(values.astype(np.float64))
    # The middle of each group of equal values, as ranks with ties have it.
    first = np.searchsorted(ordered, ordered, side="left")
    last = np.searchsorted(ordered, ordered, side="right") - 1
    rank = (first + last) / 2
    transformed = transform(ordered)
    width = transformed[-1] - transformed[0]
    if width <= 0:
        return float("inf")
    line = (transformed - transformed[0]) / width * (rank[-1] - rank[0]) + rank[0]
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
