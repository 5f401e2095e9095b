"""Were gaps filled with the value that comes after them?

A value that was carried forward repeats the one before it, a back-filled one repeats the one after it. Both leave a
run of equal values. Three traces of the second kind: stocks that begin with a run (the warm-up of a window, filled
backwards), runs that are nearer to what follows than to what came before, and repeated values that know the next
day's return. A fourth is of interpolation: values exactly between the one before and the one after, in a column
that is hardly ever straight elsewhere.
"""

import numpy as np

from atft.evaluation.plausible_ic import plausible_ic
from atft.probes.finding import FALSE_ALARM, Suspect
from atft.probes.panel_grid import Cells, Marks, RowDays, WholeColumn
from atft.probes.whole_period import is_scaled_by_day

MIN_RUNS = 30
MAX_REPEATS = 0.2
"""Share of days on which a stock's value is yesterday's, above which repeats are the column's nature."""
NEAR_ROWS = 40
"""Rows to either side in which a price that moves by ticks makes the same step again."""
MIN_STOCKS_BETWEEN, MIN_SHARE_BETWEEN, TIMES_BENDS = 10, 0.2, 5
"""Stocks, and their share, with values exactly between others, more often than they bend by any one amount."""
MIN_AT_MEAN, SAMPLED_VALUES = 5, 10_000
"""Values that are the mean, of one stock or the file; values that are looked at whether they differ."""
MIN_WARM_UP = 3
"""Days of equal values at a stock's beginning that count as a filled warm-up."""


def fill_suspect(name: str, values: Cells, next_ranks: Cells, present: Marks, columns: int) -> Suspect | None:
    """Accuse a column whose gaps were filled backwards.

    ``next_ranks`` are those of the next day's return; the level is divided by ``columns``, all that are probed.
    """
    # Rows of a stock in turn, without the days on which it has none.
    rows = rows_in_turn(values, present)
    repeats = rows[1:] == rows[:-1]
    pairs = int((np.isfinite(rows[1:]) & np.isfinite(rows[:-1])).sum())
    if not pairs:
        return None
    text = _warm_up(rows, repeats, pairs, columns)
    if text is None and 0 < repeats.sum() <= MAX_REPEATS * pairs:
        text = _asymmetry(rows, repeats, columns) or _knows_next(values, next_ranks, columns)
    return Suspect(name, text) if text else None


def interpolation_suspect(name: str, values: Cells, log_return: Cells, present: Marks) -> Suspect | None:
    """Accuse a column with values exactly between the one before and the one after that is hardly ever straight.

    Straight lines of honest columns are other ones: ages, a mean of prices that stay where they are, equal steps by
    ticks. So a place counts where the price moves, by a step that the stock does not make near by.
    """
    rows, log_return = rows_in_turn(values, present).astype(np.float64), rows_in_turn(log_return, present)
    step, size = np.diff(rows, axis=0), np.abs(rows)
    bend = np.abs(np.diff(step, axis=0))
    # To the rounding of float32 numbers.
    width = 4 * float(np.finfo(np.float32).eps) * np.maximum(np.maximum(size[2:], size[1:-1]), size[:-2])
    moved = np.isfinite(log_return) & (log_return != 0)
    judged = np.isfinite(bend) & moved[1:-1] & moved[2:]
    straight = judged & (bend <= width) & (np.abs(step[1:]) > 4 * width)
    if straight.sum() < MIN_RUNS:
        return None
    count = judged.sum(axis=0)
    nature = straight.sum(axis=0) > MAX_REPEATS * count
    straight &= ~_usual_steps(np.abs(step), straight, width)
    times, bends = straight.sum(axis=0), np.zeros(len(count))
    for stock in np.flatnonzero(times):
        other = judged[:, stock] & ~straight[:, stock]
        amounts = np.round(bend[other, stock] / (2 * width[other, stock].max(initial=1e-30)))
        bends[stock] = np.unique(amounts, return_counts=True)[1].max(initial=1) - 1
    accused = (times >= 2) & ~nature & (times > TIMES_BENDS * bends)
    least = max(MIN_STOCKS_BETWEEN, MIN_SHARE_BETWEEN * (count > 0).sum())
    if accused.sum() < least or times[accused].sum() < MIN_RUNS:
        return None
    return Suspect(
        name,
        f"{times[accused].sum():,} values of {accused.sum()} stocks are exactly between the one before and the one "
        f"after, which others hardly ever are: gaps were filled by interpolation",
    )


def mean_fill_suspect(name: str, values: Cells, whole: WholeColumn, day: RowDays) -> Suspect | None:
    """Accuse a column whose gaps were filled with its mean over the whole file, or each stock's over all days.

    A filled mean leaves the mean where it was: the value that stands in for the gaps is still that of all values.
    """
    times = int(_at_the_mean(whole[:, None])[0])
    here = np.isfinite(whole)
    # A day's own mean is that of the file where days are scaled by themselves.
    if times and not is_scaled_by_day(whole[here].astype(np.float64), day[here]):
        return Suspect(name, f"{times:,} values are its mean over the whole file: gaps were filled with it")
    by_stock = _at_the_mean(values)
    if (by_stock > 0).sum() < MIN_STOCKS_BETWEEN:
        return None
    return Suspect(
        name,
        f"{by_stock.sum():,} values of {(by_stock > 0).sum()} stocks are the stock's mean over all days: gaps were "
        f"filled with it",
    )


def _at_the_mean(table: np.ndarray) -> np.ndarray:
    """Values of each column of a table that are its mean; 0 where it may be chance, or few values differ."""
    known = np.isfinite(table)
    n = known.sum(axis=0)
    mean = np.where(known, table, 0.0).sum(axis=0, dtype=np.float64) / np.maximum(n, 1)
    std = np.sqrt(np.where(known, (table - mean) ** 2, 0.0).sum(axis=0) / np.maximum(n, 1))
    width = float(np.finfo(np.float32).eps) * (4 * np.abs(mean) + std / np.sqrt(np.maximum(n, 1)))
    near = known & (np.abs(table - mean) <= width)
    times: np.ndarray = near.sum(axis=0)
    # Ten times as many as values that vary smoothly have so near to their mean.
    times[(times < MIN_AT_MEAN + 10 * n * width / np.maximum(std, 1e-300)) | (times > n / 2)] = 0
    for stock in np.flatnonzero(times):
        others = table[known[:, stock] & ~near[:, stock], stock]
        others = others[:: len(others) // SAMPLED_VALUES + 1]
        if len(np.unique(others)) < 0.5 * len(others):
            times[stock] = 0
    return times


def rows_in_turn(values: Cells, present: Marks) -> Cells:
    """Values of each stock's rows, moved up over the days on which it has none; NaN at the end."""
    order = np.argsort(~present, axis=0, kind="stable")
    moved = np.take_along_axis(values, order, axis=0)
    return np.where(np.take_along_axis(present, order, axis=0), moved, np.nan)


def _warm_up(rows: Cells, repeats: Marks, pairs: int, columns: int) -> str | None:
    """Stocks that begin with a run of equal values, which elsewhere are rare, and differ between stocks."""
    from scipy.special import bdtrc

    unbroken = np.cumprod(repeats, axis=0).sum(axis=0) + 1
    known = np.isfinite(rows[0])
    begins = known & (unbroken >= MIN_WARM_UP) & (unbroken < np.isfinite(rows).sum(axis=0) // 2)
    # A run that all stocks share is a fill with a constant, which knows nothing.
    starts = rows[0, begins]
    if begins.sum() < 10 or len(np.unique(starts)) < 0.5 * len(starts):
        return None
    length = int(np.median(unbroken[begins]))
    inside = int(repeats.sum() - (unbroken - 1)[known].sum())
    rate = max(inside, 1) / pairs
    chance = min(1.0, rate ** (MIN_WARM_UP - 1))
    if rate > MAX_REPEATS or bdtrc(int(begins.sum()) - 1, int(known.sum()), chance) > FALSE_ALARM / columns:
        return None
    return (
        f"{begins.sum()} of {known.sum()} stocks begin with {length} equal values, which later hardly repeat: "
        f"the first values were filled backwards"
    )


def _runs(repeats: Marks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stock, first and last row of each run of equal values."""
    padded = np.zeros((repeats.shape[0] + 2, repeats.shape[1]), dtype=np.int8)
    padded[1:-1] = repeats
    change = np.diff(padded, axis=0).T
    stock, first = np.nonzero(change == 1)
    _, last = np.nonzero(change == -1)
    return stock, first, last


def _asymmetry(rows: Cells, repeats: Marks, columns: int) -> str | None:
    """Runs whose value is nearer to the value after than to the value before, more often than chance allows."""
    from scipy.special import bdtrc

    stock, first, last = _runs(repeats)
    inner = (first > 0) & (last + 1 < len(rows))
    stock, first, last = stock[inner], first[inner], last[inner]
    value = rows[first, stock]
    alone = _alone(rows, repeats)[first, stock]
    before = np.abs(value - rows[first - 1, stock])[alone]
    after = np.abs(rows[last + 1, stock] - value)[alone]
    judged = np.isfinite(before) & np.isfinite(after) & (before != after)
    runs, nearer_after = int(judged.sum()), int((before > after)[judged].sum())
    if runs < MIN_RUNS or bdtrc(nearer_after - 1, runs, 0.5) > FALSE_ALARM / columns:
        return None
    return (
        f"{nearer_after} of {runs} runs of equal values are nearer to the value after them than to the one before: "
        f"gaps were filled backwards"
    )


def _alone(values: Cells, repeated: Marks) -> Marks:
    """Cells of repeated values, at least one, that no other run has: a bound or a filled constant is shared."""
    first = repeated.copy()
    first[1:] &= ~repeated[:-1]
    runs, times = np.unique(values[: len(repeated)][first], return_counts=True)
    run = np.minimum(np.searchsorted(runs, values[: len(repeated)]), len(runs) - 1)
    alone: Marks = (runs[run] == values[: len(repeated)]) & (times[run] == 1) & repeated
    return alone


def _knows_next(values: Cells, next_ranks: Cells, columns: int) -> str | None:
    """Repeated values, the last of each run left out, that rank with the next return as no honest column does."""
    from scipy.special import ndtri

    repeated = np.zeros(values.shape, dtype=bool)
    repeated[:-1] = values[:-1] == values[1:]
    # Where values agree by chance, they agree as often two days apart, and agreement itself tells of the next day.
    by_chance = (values[:-2] == values[2:]) & ~repeated[:-2]
    if repeated.sum() < MIN_RUNS + 5 * by_chance.sum():
        return None
    repeated &= _alone(values, repeated)
    use = repeated & (next_ranks != 0)
    if use.sum() < MIN_RUNS:
        return None
    x = np.argsort(np.argsort(values[use])).astype(np.float64)
    y = next_ranks[use]
    if np.ptp(y) == 0:
        return None
    correlation = float(np.corrcoef(x, y)[0, 1])
    least = abs(correlation) - float(ndtri(1 - FALSE_ALARM / (2 * columns))) / use.sum() ** 0.5
    if least <= plausible_ic(60):
        return None
    return (
        f"{use.sum():,} values equal the next day's, and rank with the next day's return ({correlation:+.2f}): "
        f"gaps were filled backwards"
    )


def _usual_steps(step: Cells, straight: Marks, width: Cells) -> Marks:
    """Straight places whose step the stock also makes in other rows near by."""
    in_line = np.zeros(step.shape, dtype=bool)
    in_line[:-1] |= straight
    in_line[1:] |= straight
    here, other = step[:-1], np.where(in_line, np.nan, step)[:-1]
    usual = np.zeros(straight.shape, dtype=bool)
    for apart in range(1, min(NEAR_ROWS, len(here))):
        usual[:-apart] |= np.abs(here[:-apart] - other[apart:]) <= width[:-apart]
        usual[apart:] |= np.abs(here[apart:] - other[:-apart]) <= width[apart:]
    return usual
