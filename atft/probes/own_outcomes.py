"""Is a column a statistic of returns that come while it stays the same?

A stock's mean return, volatility or beta over all days, the mean label of its sector, a month's volatility on each
day of the month: such a number stays the same over many rows, and is known when the last of them is over. A number
that was known at the first may predict the statistic, but only to the statistic's own sampling error. A column is
accused if its values lie much closer than that to a line through the statistics of their rows.

Rows are grouped by equal values for labels, and by stretches of equal values of one stock for returns too.
"""

from dataclasses import dataclass

import numpy as np

from atft.probes.fills import rows_in_turn
from atft.probes.finding import FALSE_ALARM, Suspect
from atft.probes.panel_grid import Cells, Daily, Marks, WholeColumn

MIN_LEVELS, MAX_LEVELS, MIN_LEVEL_ROWS = 4, 1000, 60
"""Different values of a column that labels may have been averaged for, and rows of one of them."""
MIN_STRETCHES, MIN_STRETCH_ROWS, MIN_BETA_ROWS = 10, 5, 60
"""Stretches of equal values, and rows of one of them; rows that a beta is taken from."""
SAMPLED_VALUES = 10_000
MAX_OFF = 0.2
"""Distance from the line, over the sampling error. A number made of the first 96 % of the days is as near."""
STATISTICS = 3
"""Of returns that stretches are compared with."""


@dataclass(frozen=True)
class Levels:
    """The rows of a column of few values, grouped by value."""

    name: str
    values: np.ndarray
    """[levels], ascending."""
    level: np.ndarray
    """uint16 [rows of the file]; as many as there are values where unknown."""


def levels_of(name: str, values: WholeColumn) -> Levels | None:
    """Group the rows of a column by value; None where it has hardly any, or too many."""
    here = np.isfinite(values)
    known = values[here]
    if not len(known) or len(np.unique(known[:: len(known) // SAMPLED_VALUES + 1])) > MAX_LEVELS:
        return None
    distinct, level = np.unique(known, return_inverse=True)
    if not MIN_LEVELS <= len(distinct) <= MAX_LEVELS:
        return None
    groups = np.full(len(values), len(distinct), dtype=np.uint16)
    groups[here] = level
    return Levels(name, distinct, groups)


def level_suspect(levels: Levels, label: str, target: WholeColumn, tests: int) -> Suspect | None:
    """Accuse a column whose values lie on a line through the mean label of the rows that have them.

    ``tests`` are the columns times the labels; the level is divided by them.
    """
    n, mean, std = _moments(levels.level, target, len(levels.values) + 1)
    n, mean, std = n[:-1], mean[:-1], std[:-1]
    use = (n >= MIN_LEVEL_ROWS) & (std > 0)
    off = _off_line(levels.values[use], mean[use], std[use] / np.sqrt(n[use]), tests)
    if off is None:
        return None
    return Suspect(
        levels.name,
        f"its {use.sum()} values are the mean {label} of the rows that have them, to {off:.1%} of the sampling "
        f"error: encoded with labels of all days",
    )


def stretch_suspect(
    name: str, values: Cells, returns: Cells, market: Daily, present: Marks, columns: int
) -> Suspect | None:
    """Accuse a column that stays the same over days of a stock, and is a statistic of the returns of these days.

    ``returns`` are simple ones of the day, ``market`` is their mean; the level is divided by ``columns``, all that
    are probed.
    """
    rows = rows_in_turn(values, present)
    known = np.isfinite(rows)
    same = rows[1:] == rows[:-1]
    if same.sum() < 0.5 * (known[1:] & known[:-1]).sum():
        return None
    # Stock after stock; an unknown value is a stretch of its own, without rows.
    starts = np.vstack([np.ones((1, rows.shape[1]), dtype=bool), ~same]).T.ravel()
    here = known.T.ravel()
    value, stretch = rows.T.ravel()[starts], (np.cumsum(starts) - 1)[here]
    many = len(value)
    y, x = (
        rows_in_turn(each, present).T.ravel()[here]
        for each in (returns, np.broadcast_to(market[:, None], values.shape))
    )
    n, mean, std = _moments(stretch, y, many)
    beta, beta_error = _betas(stretch, y, x, many)
    # Returns have fat tails, which the error of a deviation has too.
    _, _, std_of_square = _moments(stretch, (y - mean[stretch]) ** 2, many)
    enough = n >= MIN_STRETCH_ROWS
    with np.errstate(invalid="ignore", divide="ignore"):
        statistics = {
            "mean return": (mean, std / np.sqrt(n)),
            "volatility": (std, std_of_square / (2 * std * np.sqrt(n))),
            "beta": (beta, beta_error),
        }
    for what, (statistic, error) in statistics.items():
        use = enough & np.isfinite(error) & (error > 0)
        if use.sum() < MIN_STRETCHES:
            continue
        off = _off_line(value[use], statistic[use], error[use], STATISTICS * columns)
        if off is not None:
            return Suspect(
                name,
                f"it is the {what} of the rows over which it stays the same, to {off:.1%} of the sampling error in "
                f"{use.sum():,} cases: made of returns of later days",
            )
    return None


def is_one_number(values: Cells) -> bool:
    """Whether a column never changes for any stock, and is another number for most."""
    known = np.isfinite(values)
    stocks = known.any(axis=0)
    high = np.where(known, values, -np.inf).max(axis=0)[stocks]
    low = np.where(known, values, np.inf).min(axis=0)[stocks]
    return bool((high == low).all()) and len(np.unique(high)) > max(MIN_STRETCHES, len(high) / 2)


def _moments(group: np.ndarray, values: np.ndarray, many: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count, mean and standard deviation of each group's known values."""
    known = np.isfinite(values)
    group, values = group[known], values[known].astype(np.float64)
    n = np.bincount(group, minlength=many)
    mean = np.bincount(group, values, many) / np.maximum(n, 1)
    square = np.bincount(group, (values - mean[group]) ** 2, many)
    return n, mean, np.sqrt(square / np.maximum(n - 1, 1))


def _betas(group: np.ndarray, returns: np.ndarray, market: np.ndarray, many: int) -> list[np.ndarray]:
    """Slope of each group's returns on the market's, and its standard error; NaN where rows are few."""
    known = np.isfinite(returns) & np.isfinite(market)
    group, y, x = group[known], returns[known], market[known]
    n, mean_x, std_x = _moments(group, x, many)
    _, mean_y, std_y = _moments(group, y, many)
    product = np.bincount(group, (x - mean_x[group]) * (y - mean_y[group]), many)
    with np.errstate(invalid="ignore", divide="ignore"):
        beta = product / ((n - 1) * std_x**2)
        error = np.sqrt(np.maximum(std_y**2 - (beta * std_x) ** 2, 0) / n) / std_x
    return [beta, np.where(n >= MIN_BETA_ROWS, error, np.nan)]


def _off_line(value: np.ndarray, statistic: np.ndarray, error: np.ndarray, tests: int) -> float | None:
    """Distance of statistics from the line through their values, over their errors; None where chance does that."""
    free = len(value) - 2
    if free < 1 or not np.ptp(value):
        return None
    weight = error**-2.0
    x, y = (v.astype(np.float64) - np.average(v, weights=weight) for v in (value, statistic))
    rest = y - (weight * x * y).sum() / (weight * x * x).sum() * x
    off = float(np.sqrt((weight * rest**2).sum() / free))
    # Chi-square of that many degrees of freedom stays below (1.65 q)^free.
    return off if off < min(MAX_OFF, (FALSE_ALARM / tests) ** (1 / free) / 1.65) else None
