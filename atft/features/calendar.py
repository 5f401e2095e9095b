"""Put prices on the market's calendar: dates that are no session go, missing stretches become unknown days."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64

from atft.features.exchange_sessions import session_line
from atft.features.options import FeatureOptions
from atft.features.price_dialects import PRICES
from atft.features.prices import EMPTY, PriceGrid
from atft.files.dates import as_dates, as_day_numbers
from atft.trading_days import TradingDays, find_trading_days, usual_weekdays

_EARLY = (
    "WARNING dates from Sunday to Thursday: right in Riyadh or Cairo; elsewhere they are a day early, as Tokyo's "
    "midnights are in UTC"
)
_LATE = "WARNING dates from Tuesday to Saturday: no exchange trades so, they are a day late"
SHIFTED_WEEKS = {(0, 1, 2, 3, 6): _EARLY, (1, 2, 3, 4, 5): _LATE}
"""Weekdays, 0 for Monday -> what they mean. Features and labels stay right, columns joined by date do not."""


class DateCounts(NamedTuple):
    """What decides the calendar: a few numbers of each date of the prices, session or not."""

    dates: Int32[np.ndarray, " dates"]
    """Days since 1970, ascending."""
    stocks: Int64[np.ndarray, " dates"]
    """Stocks that traded."""
    value: Float64[np.ndarray, " dates"]
    """Traded value."""
    last: Float32[np.ndarray, "prices stocks"]
    """The last row of each stock, in the order of `PRICES`; NaN before the first."""


def trading_days(
    counts: DateCounts, options: FeatureOptions, path: Path, today: date | None = None
) -> TradingDays:
    """Decide which dates are trading days; ``path`` is for messages.

    Dates after ``today``, by default this computer's, raise InputError, as what a check set to "error" finds does.
    """
    dates = as_dates(counts.dates)
    days = find_trading_days(
        dates,
        counts.stocks,
        counts.value,
        options.day_rules,
        str(path),
        today or date.today(),
        options.label_days,
        kind=" with new prices",
    )
    if options.exchange is None:
        return replace(days, findings=(*days.findings, *_shifted_week(dates, counts)))
    return replace(days, findings=(*days.findings, session_line(dates, options.exchange)))


def _shifted_week(dates: list[date], counts: DateCounts) -> list[str]:
    """A line where the week's five days are those of nearly all exchanges moved by one."""
    usual = usual_weekdays(np.array([day.weekday() for day in dates]), counts.stocks)
    return [line for week, line in SHIFTED_WEEKS.items() if np.flatnonzero(usual).tolist() == list(week)]


def move_to_calendar(
    prices: PriceGrid, days: TradingDays, first_date: int = 0, first_day: int = 0
) -> PriceGrid:
    """Move prices to the days of the calendar from ``first_day`` on, whose first date is ``first_date``.

    Both are 0 unless the prices are those that come after the first dates of the counts. A day inserted into a gap
    has no row, so that each label and one-day return across it is unknown, and each window that has less than three
    quarters of its days. A longer return between two known closes is known.
    """
    source = days.source[first_day:]
    source = np.where(source < 0, -1, source - first_date)
    calendar, every = list(days.calendar[first_day:]), np.arange(len(prices.calendar))
    left_out = np.isfinite(prices.close[np.setdiff1d(every, source)]).sum()
    exclusions = prices.exclusions | {"not a trading day": int(left_out)}
    prices = replace(prices, exclusions=exclusions, notes=(*prices.notes, *days.findings))
    if np.array_equal(source, every):
        return prices
    moved = {name: values[source] for name, values in prices.grids().items()}
    for name, values in moved.items():
        values[source < 0] = EMPTY[name]
    inserted = tuple(np.flatnonzero(source < 0).tolist())
    return replace(prices, calendar=calendar, inserted=inserted, **moved)


def count_dates(prices: PriceGrid, last: Float32[np.ndarray, "prices stocks"] | None = None) -> DateCounts:
    """Count each date's stocks that traded, and sum their traded value.

    A row with volume that repeats all prices and the volume of the row before (``last``, before the first date) was
    filled in, not traded. A date of such rows only counts as one stock: of a few stocks, all may stand still.
    """
    days, codes = prices.close.shape
    stocks, value = np.zeros(days, dtype=np.int64), np.zeros(days)
    if last is None:
        last = np.full((len(PRICES), codes), np.nan, dtype=np.float32)
    for day in range(days):
        rows = np.stack([getattr(prices, name)[day] for name in PRICES])
        close, volume = rows[PRICES.index("close")], rows[PRICES.index("volume")]
        same = ((rows == last) | (np.isnan(rows) & np.isnan(last))).all(axis=0) & (volume > 0)
        known = np.isfinite(close)
        stocks[day] = max(int((known & ~same).sum()), int(known.any()))
        # Of the known rows alone: codes that come later must not change the order of the sum.
        value[day] = np.nansum(close[known].astype(np.float64) * volume[known])
        last = np.where(known, rows, last)
    return DateCounts(as_day_numbers(prices.calendar), stocks, value, last)
