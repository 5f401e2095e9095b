r"""The scores as a portfolio: the decile spread, h staggered books, costs on what is traded, drawdown, capacity.

The book is long 1 and short 1. At a horizon of h days, targets of neighbouring days overlap, so the book is h
books, one opened each day with 1/h of the money and kept for h days: :math:`W_t = \frac{1}{h} \sum_{j<h} w_{t-j}`
with the weights w of the decile spread. So :math:`W_t - W_{t-1} = (w_t - w_{t-h}) / h`: each day 1/h of the book is
renewed (Jegadeesh and Titman 1993). Weights do not drift with the stocks' returns; profits are not reinvested.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from atft.day_series import Series
from atft.errors import counted
from atft.evaluation.day_measures import spread_positions
from atft.evaluation.day_ranks import over_blocks, rank_days
from atft.evaluation.predictions import HorizonScores, Scores
from atft.files.cells import find_sorted

GROSS_VALUE = 2.0
"""Long and short side together."""
BASIS_POINT = 1e-4
CAPACITY_SHARE, ROUNDING = 0.9, 1e-6
"""Share of the day's trading, by value, that must stay within the participation; what rounding may take of it."""
MAX_DAYS_APART = 2
"""Calendar days between a file's dates, the median, above which it does not have each trading day."""
MAX_WAIT, SAMPLED_DAYS = 3, 50
"""Days that targets may wait before they begin, and about how many days of a file say how many."""
HORIZON_ONE, RETURN_1D, SPREAD_OVER = "target of 1 day", "return_1d", "target over h days"


class Books(NamedTuple):
    """A portfolio day by day; NaN where unknown, and on the first h days, when it is still being bought.

    ``gross`` is known from day h - 1, when the last book is bought; without daily returns from day 0. Days with too
    few stocks are no days of the books: NaN, and the next day trades from the book of the day before them.
    """

    gross: Series
    """Return of each day before costs, a fraction of the long side's value."""
    net: Series
    """After costs on what was traded."""
    turnover: Series
    """Value of the day's trades over that of trades that replace every position: 0 unchanged, 1 replaced."""
    capacity: Series
    """Largest long side with which 90 % of the day's trades stay within the participation, in the unit of
    ``traded_value``; NaN where that is not known."""
    returns_from: str
    """What the returns are made of: ``target of 1 day``, ``return_1d``, or ``target over h days``."""
    unknown: float = 0.0
    """Share of the books' value in stocks whose return of the day is unknown and counts as 0: they have left the
    file. Of ``return_1d`` that is from the day on which they leave, whose return may be why they leave."""


def staggered_books(
    table: HorizonScores,
    returns: Scores | None,
    returns_from: str,
    spread: Series,
    cost_bps: float,
    participation: float,
    min_stocks: int = 2,
) -> Books:
    """Trade the scores of a horizon.

    Args:
        table: with the score of every stock of the universe, and ``traded_value`` for the capacity.
        returns: ``[days, stocks]`` return from the day's close to the next one, see `next_day_returns`; None: the
            spread of each day's score, over h days, is booked as 1/h of it on the day of the score.
        cost_bps: cost of a trade in basis points of its value: of each side, so a replaced position costs it twice.
        participation: share of a stock's traded value of the day that may be ours.
        min_stocks: a day with fewer scores is left out, as it is of every other figure: three rows on
            a holiday would replace the whole book by two stocks for a day.
    """
    horizon = table.horizon
    use = table.present.sum(axis=1) >= min_stocks
    score, present = table.columns["score"][use], table.present[use]
    weights = over_blocks(lambda s, p: spread_positions(rank_days(s, p)).astype(np.float32), score, present)
    days = len(weights)
    trades = np.full(weights.shape, np.nan, dtype=np.float32)
    trades[horizon:] = (weights[horizon:] - weights[:-horizon]) / horizon
    traded = np.abs(trades).sum(axis=1, dtype=np.float64)
    unknown = 0.0
    if returns is None:
        gross = spread[use] / horizon
    else:
        returns = returns[use]
        # The sum of the last h days' weights is a difference of cumulative sums.
        book = np.cumsum(weights, axis=0, dtype=np.float64)
        book[horizon:] = book[horizon:] - book[:-horizon]
        known = np.isfinite(returns)
        gross = np.einsum("ij,ij->i", book, np.where(known, returns, 0).astype(np.float64)) / horizon
        # Of few stocks is of none: the return that ends on a day with three rows is unknown for all others.
        gross[known.sum(axis=1) < min_stocks] = np.nan
        gross[: horizon - 1] = np.nan
        value_of = np.abs(book[np.isfinite(gross)])
        if value_of.any():
            unknown = float(value_of[~known[np.isfinite(gross)]].sum() / value_of.sum())
    value = table.columns.get("traded_value")
    capacity = np.full(days, np.nan)
    if value is not None:
        value = value[use]
        for day in range(horizon, days):
            capacity[day] = _capacity(np.abs(trades[day]), value[day], participation)
    net = gross - cost_bps * BASIS_POINT * traded
    all_days = np.full((4, len(use)), np.nan)
    all_days[:, use] = gross, net, traded / (2 * GROSS_VALUE), capacity
    gross, net, turnover, capacity = all_days
    return Books(gross, net, turnover, capacity, returns_from, unknown)


def next_day_returns(table: HorizonScores, one_day: HorizonScores | None) -> tuple[Scores | None, str]:
    """Return from each day's close to the next one, on a table's days and stocks, and what it was read from.

    Args:
        table: whose ``return_1d`` of the next day is taken where there is no other source, or of the day with which
            its targets begin, see `entry_wait`.
        one_day: the same file's horizon of 1 day, whose target it is.

    None for longer horizons of a file whose dates are further apart than trading days: of a week it would know the
    return of one day.
    """
    if table.horizon > 1 and days_apart(table.dates) > MAX_DAYS_APART:
        return None, SPREAD_OVER
    if one_day is not None:
        if table.horizon == 1:
            return table.columns["target"], HORIZON_ONE
        return aligned(one_day, table), HORIZON_ONE
    today = table.columns.get("return_1d")
    if today is None or not np.isfinite(today).any():
        return None, SPREAD_OVER
    ahead = ahead_by(today, 1)
    wait = entry_wait(table.columns["target"], ahead, table.horizon)
    if not wait:
        return ahead, RETURN_1D
    return ahead_by(ahead, wait), f"{RETURN_1D} {counted(wait, 'day')} later, when targets begin"


def days_apart(dates: NDArray[np.datetime64]) -> float:
    """Median number of calendar days from a file's date to the next one: 1 where each trading day is there."""
    apart = np.diff(dates).astype("timedelta64[D]").astype(np.int64)
    return float(np.median(apart)) if len(apart) else 1.0


def entry_wait(target: Scores, ahead: Scores, horizon: int) -> int:
    """Trading days that targets wait before they begin, read off the daily returns that they are made of.

    A book that earned the days before would be paid for what its trades come too late for. 0 where no wait fits
    clearly better, as of targets that are no plain returns.

    Args:
        ahead: return from each day's close to the next one.
    """
    days = np.arange(0, len(target), max(1, len(target) // SAMPLED_DAYS))
    with np.errstate(all="ignore"):
        growth, made = np.log1p(ahead.astype(np.float64)), np.log1p(target[days].astype(np.float64))
        errors = np.full(MAX_WAIT + 1, np.inf)
        for wait in range(MAX_WAIT + 1):
            known = days + wait + horizon < len(target)
            total = sum(growth[days[known] + wait + day] for day in range(horizon))
            off = np.abs(made[known] - total)
            if np.isfinite(off).any():
                errors[wait] = np.median(off[np.isfinite(off)])
    best = int(errors.argmin())
    return best if errors[best] < errors[0] / 2 else 0


def ahead_by(values: Scores, days: int) -> Scores:
    """The values of so many days later; NaN at the end."""
    moved = np.full(values.shape, np.nan, dtype=np.float32)
    moved[: max(len(values) - days, 0)] = values[days:]
    return moved


def aligned(source: HorizonScores, table: HorizonScores) -> Scores:
    """The targets of one horizon on the days and stocks of another; NaN where it has none."""
    day, day_known = find_sorted(source.dates, table.dates)
    stock, stock_known = find_sorted(np.asarray(source.codes), np.asarray(table.codes))
    values = source.columns["target"][np.ix_(day, stock)]
    return np.where(day_known[:, None] & stock_known, values, np.float32(np.nan))


def max_drawdown(returns: Series) -> float:
    """Largest fall of the sum of returns from a former peak, at least 0; NaN without a known day."""
    known = returns[np.isfinite(returns)]
    if not len(known):
        return float("nan")
    value = np.concatenate([[0.0], known.cumsum()])
    return float((np.maximum.accumulate(value) - value).max())


def _capacity(trades: Series, value: Series, participation: float) -> float:
    """Largest long side of a day; NaN where no trade's stock has a known traded value."""
    use = (trades > 0) & np.isfinite(value)
    if not use.any():
        return float("nan")
    trade = trades[use].astype(np.float64)
    # The long side at which this stock's trade is exactly the participation.
    limit = participation * value[use] / trade
    order = np.argsort(limit)
    share = trade[order].cumsum() / trade.sum()
    return float(limit[order][np.searchsorted(share, 1 - CAPACITY_SHARE + ROUNDING, side="right")])
