"""Find splits that were not adjusted: overnight the price is a usual fraction or multiple of itself, and calm.

A real fall of one half comes with several times the usual range and volume; a split does not: its open is
already at the new level, its range is the usual one, and the same value is traded in more shares. A large
dividend looks the same, and its return is as false. A day is judged by itself and the days before it.
"""

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from atft.features.prices import PriceGrid

FORWARD = ("2/3", "3/4", "1/2", "1/3", "1/4", "1/5", "1/6", "1/7", "1/8", "1/10", "1/15", "1/20")
RATIOS = [f for text in FORWARD for f in (Fraction(text), 1 / Fraction(text))]
"""New price over old."""
LOG_RATIOS = np.log([float(f) for f in RATIOS])
MIN_FAR_LOG_RATIO = 0.6
"""From here on (one half, twice) a usual day hardly looks like a split; nearer ratios need more evidence."""
USUAL_DAYS, MIN_USUAL_RETURNS = 30, 10
"""Days before that say what is usual for the stock, and how many of its returns must be known."""
SIGMAS, MIN_TOLERANCE, NEAR_TOLERANCE, FAR_TOLERANCE, CALM_TOLERANCE = 5, 0.01, 0.03, 0.06, 0.1
"""The stock's own return of the day: 1 %, or 5 of its standard deviations up to 3 % for near ratios, 6 % for far
ones, 10 % for far ones on a calm day."""
OPEN_TOLERANCE = 0.03
"""What the open may be further off: the night's return or the day's."""
MIN_MOVE_SIGMAS = 8
"""A smaller move is no split but a wild stock."""
MAX_FAR_ACTIVITY, MAX_NEAR_ACTIVITY = 6.0, 3.0
"""Most of range times volume, both in units of their usual size. Crashes of NASDAQ stocks have 7 and more."""
SUSPECTS_AT_ONCE = 65_536
"""In a file of noise each return is a suspect, and each looks at 30 days."""
MIN_MARKET_STOCKS = 10
"""Stocks from which on a day's median return is its market's."""


class StockSplit(NamedTuple):
    """A close that is ``ratio`` times the one before, apart from the day's return."""

    day: int
    stock: int
    ratio: Fraction


class Suspects(NamedTuple):
    """Returns near a ratio, one a row."""

    day: np.ndarray
    stock: np.ndarray
    last: np.ndarray
    """The close before."""
    move: np.ndarray
    """Log return, less the market's."""
    market: np.ndarray
    """The market's log return of the day."""


def find_splits(
    prices: PriceGrid, first: int = 0, last: Float64[np.ndarray, " stocks"] | None = None
) -> list[StockSplit]:
    """Look at each return between two successive rows of a stock; ascending by day, then stock.

    A stock's first ten returns are not judged: nothing says what is usual for it. Days before ``first`` are not
    looked at, but say what is usual; ``last`` is the last close of each stock before it, NaN for none.
    """
    suspects = _suspects(prices, first, last)
    splits = []
    for start in range(0, len(suspects.day), SUSPECTS_AT_ONCE):
        some = Suspects(*(column[start : start + SUSPECTS_AT_ONCE] for column in suspects))
        ratio = np.abs(some.move[:, None] - LOG_RATIOS).argmin(axis=1)
        rows = np.flatnonzero(_is_split(prices, some, LOG_RATIOS[ratio]))
        splits += [StockSplit(int(some.day[i]), int(some.stock[i]), RATIOS[ratio[i]]) for i in rows]
    return splits


def adjust_splits(prices: PriceGrid, splits: Sequence[StockSplit]) -> None:
    """Put the prices from each split on the basis before it, in place; earlier rows keep their bits.

    The splits' days count from the calendar's first day, ascending for each stock.
    """
    for day, stock, ratio in splits:
        day = max(0, day - prices.start)
        for grid in (prices.open, prices.high, prices.low, prices.close):
            grid[day:, stock] /= float(ratio)
        prices.volume[day:, stock] *= float(ratio)


def named_splits(prices: PriceGrid, splits: Sequence[StockSplit]) -> list[str]:
    """Code, first date, what the price is multiplied by, and how often: ``s7 2014-03-22 x 1/2``."""
    times = Counter(split.stock for split in splits)
    first = {split.stock: split for split in reversed(splits)}
    return [
        f"{prices.codes[stock]} {prices.calendar[first[stock].day]} x {first[stock].ratio}"
        + (f" ({count} times)" if count > 1 else "")
        for stock, count in times.items()
    ]


def _suspects(prices: PriceGrid, first: int, last: Float64[np.ndarray, " stocks"] | None) -> Suspects:
    days = [Suspects(np.empty(0, np.int64), np.empty(0, np.int64), *np.empty((3, 0)))]
    last = np.full(prices.close.shape[1], np.nan) if last is None else last
    smallest = np.abs(LOG_RATIOS).min() - NEAR_TOLERANCE
    for day, row in enumerate(prices.close[first:], first):
        close = row.astype(np.float64)
        with np.errstate(invalid="ignore"):
            move = np.log(close / last)
        known = move[~np.isnan(move)]
        market = float(np.median(known)) if len(known) >= MIN_MARKET_STOCKS else 0.0
        # The cheap test first: few returns are as large as the smallest ratio.
        stock = np.flatnonzero(np.abs(move - market) >= smallest)
        distance = np.abs((move[stock] - market)[:, None] - LOG_RATIOS).min(axis=1)
        stock = stock[distance <= CALM_TOLERANCE]
        every = np.full(len(stock), day)
        days.append(Suspects(every, stock, last[stock], move[stock] - market, np.full(len(stock), market)))
        last = np.where(np.isnan(close), last, close)
    return Suspects(*(np.concatenate(column) for column in zip(*days, strict=True)))


def _is_split(prices: PriceGrid, suspects: Suspects, log_ratio: np.ndarray) -> np.ndarray:
    """Which of the suspects are splits, bool; ``log_ratio`` is the one that each is near."""
    day, stock, last, move, market = suspects
    rows = day[:, None] + np.arange(-USUAL_DAYS, 0)
    inside = rows >= 0
    rows = rows.clip(0)

    def before(of: np.ndarray) -> np.ndarray:
        return np.where(inside, of[rows, stock[:, None]].astype(np.float64), np.nan)

    with np.errstate(all="ignore"):
        returns = np.diff(np.log(before(prices.close)), axis=1)
        enough = (~np.isnan(returns)).sum(axis=1) >= MIN_USUAL_RETURNS
        # Median absolute deviation, in standard deviations of a normal distribution: outliers leave it alone.
        sigma = 1.4826 * _medians(np.abs(returns - _medians(returns)[:, None]))
        open_off = np.log(prices.open[day, stock] / last) - market - log_ratio
        usual_range = _medians(np.log(before(prices.high) / before(prices.low)))
        day_range = np.log(prices.high[day, stock] / prices.low[day, stock]) / usual_range
        shares = prices.volume[day, stock] / _medians(before(prices.volume))
        # In shares or in value: a file may have adjusted its volumes and not its prices.
        traded = np.fmin(shares, shares * np.exp(log_ratio))
        # What is unknown counts as usual; a quiet range does not make up for much volume, nor the other way.
        activity = np.where(np.isnan(day_range), 1, day_range.clip(0.5))
        activity = activity * np.where(np.isnan(traded), 1, traded.clip(0.5))
        far = np.abs(log_ratio) >= MIN_FAR_LOG_RATIO
        far_tolerance = np.where(activity <= MAX_NEAR_ACTIVITY, CALM_TOLERANCE, FAR_TOLERANCE)
        most = np.where(far, far_tolerance, NEAR_TOLERANCE)
        # Without range and volume only the exact ratio is evidence.
        most[np.isnan(day_range) & np.isnan(traded)] = 0
        tolerance = np.minimum(SIGMAS * sigma, most).clip(MIN_TOLERANCE)
        splits: np.ndarray = (
            enough
            & (np.abs(move - log_ratio) <= tolerance)
            & (np.abs(log_ratio) >= MIN_MOVE_SIGMAS * sigma)
            & ~(np.abs(open_off) > tolerance + OPEN_TOLERANCE)
            & (activity <= np.where(far, MAX_FAR_ACTIVITY, MAX_NEAR_ACTIVITY))
        )
    return splits


def _medians(rows: np.ndarray) -> np.ndarray:
    """Median of each row's known values; NaN where there is none. Much faster than ``nanmedian`` on short rows."""
    ordered = np.sort(rows, axis=1)
    count = (~np.isnan(ordered)).sum(axis=1)
    row = np.arange(len(rows))
    low, high = ordered[row, (count - 1).clip(0) // 2], ordered[row, count // 2 * (count > 0)]
    medians: np.ndarray = (low + high) / 2
    return medians
