"""Find splits that were not adjusted: overnight the price is a usual fraction or multiple of itself, and calm.

A real fall of one half comes with several times the usual range and volume; a split does not: its open is
already at the new level, its range is the usual one, and the same value is traded in more shares. A large
dividend looks the same, and its return is as false. What a day is judged by lies on it and before it.
"""

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from atft.features.prices import PriceGrid

FORWARD = ("2/3", "3/4", "1/2", "1/3", "1/4", "1/5", "1/6", "1/7", "1/8", "1/10", "1/15", "1/20")
RATIOS = [f for text in FORWARD for f in (Fraction(text), 1 / Fraction(text))]
"""New price over old."""
LOG_RATIOS = np.log([float(f) for f in RATIOS])
FAR = 0.6
"""Log ratio from which on (one half, twice) a usual day hardly looks like a split; nearer ones need more."""
WINDOW, MIN_KNOWN = 30, 10
"""Days before that say what is usual for the stock, and how many of its returns must be known."""
SIGMAS, LEAST_TOLERANCE, NEAR_TOLERANCE, TOLERANCE, CALM_TOLERANCE = 5, 0.01, 0.03, 0.06, 0.1
"""The stock's own return of the day: 1 %, or 5 of its standard deviations up to 3 % for near ratios, 6 % for far
ones, 10 % for far ones on a calm day."""
OPEN_TOLERANCE = 0.03
"""What the open may be further off: the night's return or the day's."""
MIN_MOVE_SIGMAS = 8
"""A smaller move is no split but a wild stock."""
CALM, NEAR_CALM = 6.0, 3.0
"""Most of range times volume, both in units of their usual size. Crashes of NASDAQ stocks have 7 and more."""
AT_ONCE = 65_536
"""Suspects that are judged together: in a file of noise each return is one, and each looks at 30 days."""
MIN_MARKET = 10
"""Stocks from which on a day's median return is its market's."""


class Split(NamedTuple):
    """A close that is ``ratio`` times the one before, apart from the day's return."""

    day: int
    stock: int
    ratio: Fraction


def find_splits(prices: PriceGrid) -> list[Split]:
    """Look at each return between two successive rows of a stock; ascending by day, then stock.

    A stock's first ten returns are not judged: nothing says what is usual for it.
    """
    suspects = _suspects(prices)
    some = (slice(i, i + AT_ONCE) for i in range(0, len(suspects[0]), AT_ONCE))
    return [split for part in some for split in _judged(prices, *(column[part] for column in suspects))]


def _judged(
    prices: PriceGrid,
    day: np.ndarray,
    stock: np.ndarray,
    last: np.ndarray,
    move: np.ndarray,
    market: np.ndarray,
) -> list[Split]:
    """The splits among some suspects; for the arguments see `_suspects`."""
    nearest = np.abs(move[:, None] - LOG_RATIOS).argmin(axis=1)
    to = LOG_RATIOS[nearest]
    far = np.abs(to) >= FAR
    rows = day[:, None] + np.arange(-WINDOW, 0)
    inside = rows >= 0
    rows = rows.clip(0)

    def before(of: np.ndarray) -> np.ndarray:
        return np.where(inside, of[rows, stock[:, None]].astype(np.float64), np.nan)

    with np.errstate(all="ignore"):
        returns = np.diff(np.log(before(prices.close)), axis=1)
        enough = (~np.isnan(returns)).sum(axis=1) >= MIN_KNOWN
        sigma = 1.4826 * _medians(np.abs(returns - _medians(returns)[:, None]))
        opened = np.log(prices.open[day, stock] / last) - market - to
        usual_range = _medians(np.log(before(prices.high) / before(prices.low)))
        spread = np.log(prices.high[day, stock] / prices.low[day, stock]) / usual_range
        shares = prices.volume[day, stock] / _medians(before(prices.volume))
        # In shares or in value: a file may have adjusted its volumes and not its prices.
        traded = np.fmin(shares, shares * np.exp(to))
        stir = np.where(np.isnan(spread), 1, spread.clip(0.5)) * np.where(
            np.isnan(traded), 1, traded.clip(0.5)
        )
        most = np.where(far, np.where(stir <= NEAR_CALM, CALM_TOLERANCE, TOLERANCE), NEAR_TOLERANCE)
        most[np.isnan(spread) & np.isnan(traded)] = 0
        tolerance = np.minimum(SIGMAS * sigma, most).clip(LEAST_TOLERANCE)
        found = (
            enough
            & (np.abs(move - to) <= tolerance)
            & (np.abs(to) >= MIN_MOVE_SIGMAS * sigma)
            & ~(np.abs(opened) > tolerance + OPEN_TOLERANCE)
            & (stir <= np.where(far, CALM, NEAR_CALM))
        )
    return [Split(int(day[i]), int(stock[i]), RATIOS[nearest[i]]) for i in np.flatnonzero(found)]


def adjust_splits(prices: PriceGrid, splits: Sequence[Split]) -> None:
    """Put the prices from each split on the basis before it, in place; earlier rows keep their bits."""
    for day, stock, ratio in splits:
        for grid in (prices.open, prices.high, prices.low, prices.close):
            grid[day:, stock] /= float(ratio)
        prices.volume[day:, stock] *= float(ratio)


def named_splits(prices: PriceGrid, splits: Sequence[Split], most: int) -> str:
    """Code, first date and ratio of ``most`` stocks, how often each is split, and how many stocks follow."""
    times = Counter(split.stock for split in splits)
    first = {split.stock: split for split in reversed(splits)}
    shown = [
        f"{prices.codes[stock]} {prices.calendar[first[stock].day]} {first[stock].ratio}"
        + (f" ({count} times)" if count > 1 else "")
        for stock, count in list(times.items())[:most]
    ]
    more = f" and {len(times) - most:,} more codes" if len(times) > most else ""
    return ", ".join(shown) + more


def _suspects(prices: PriceGrid) -> tuple[np.ndarray, ...]:
    """Moves near a ratio, as arrays: day, stock, close before, log return over the market's, and the market's."""
    found: list[tuple[np.ndarray, ...]] = [(np.empty(0, np.int64), np.empty(0, np.int64), *np.empty((3, 0)))]
    last = np.full(prices.close.shape[1], np.nan)
    smallest = np.abs(LOG_RATIOS).min() - NEAR_TOLERANCE
    for day, row in enumerate(prices.close):
        close = row.astype(np.float64)
        with np.errstate(invalid="ignore"):
            move = np.log(close / last)
        known = move[~np.isnan(move)]
        market = float(np.median(known)) if len(known) >= MIN_MARKET else 0.0
        stock = np.flatnonzero(np.abs(move - market) >= smallest)
        away = move[stock] - market
        stock = stock[np.abs(away[:, None] - LOG_RATIOS).min(axis=1) <= CALM_TOLERANCE]
        every = np.full(len(stock), day)
        found.append((every, stock, last[stock], move[stock] - market, np.full(len(stock), market)))
        last = np.where(np.isnan(close), last, close)
    return tuple(np.concatenate(column) for column in zip(*found, strict=True))


def _medians(rows: np.ndarray) -> np.ndarray:
    """Median of each row's known values; NaN where there is none."""
    ordered = np.sort(rows, axis=1)
    count = (~np.isnan(ordered)).sum(axis=1)
    each = np.arange(len(rows))
    medians: np.ndarray = (
        ordered[each, (count - 1).clip(0) // 2] + ordered[each, count // 2 * (count > 0)]
    ) / 2
    return medians
