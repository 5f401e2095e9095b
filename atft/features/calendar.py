"""Put prices on the market's calendar: dates that are no session go, missing stretches become unknown days."""

from dataclasses import replace
from datetime import date

import numpy as np
from jaxtyping import Float64, Int64

from atft.features.exchange_sessions import session_line
from atft.features.options import FeatureOptions
from atft.features.price_dialects import PRICES
from atft.features.prices import PriceGrid
from atft.trading_days import find_trading_days


def on_trading_days(prices: PriceGrid, options: FeatureOptions, today: date | None = None) -> PriceGrid:
    """Decide which dates are trading days, and move the prices from the file's dates to the resulting calendar.

    A day inserted into a gap has no row, so that every return, label and window across it is unknown. Dates after
    ``today``, by default this computer's, raise InputError, as what a check set to "error" finds does.
    """
    stocks, value = day_counts(prices)
    longest_label = max(options.horizons) + max(options.lag, 1)
    days = find_trading_days(
        prices.calendar,
        stocks,
        value,
        options.day_rules,
        str(prices.path),
        today or date.today(),
        longest_label,
    )
    source, every = days.source, np.arange(len(stocks))
    left_out = np.isfinite(prices.close[np.setdiff1d(every, source)]).sum()
    exclusions = prices.exclusions | {"not a trading day": int(left_out)}
    notes = list(days.findings)
    if options.exchange is not None:
        notes.append(session_line(prices.calendar, options.exchange))
    prices = replace(prices, exclusions=exclusions, notes=tuple(notes))
    if np.array_equal(source, every):
        return prices
    moved = {name: getattr(prices, name)[source] for name in (*PRICES, "sector")}
    for name, values in moved.items():
        values[source < 0] = -1 if name == "sector" else np.nan
    inserted = tuple(np.flatnonzero(source < 0).tolist())
    return replace(prices, calendar=list(days.calendar), inserted=inserted, **moved)


def day_counts(prices: PriceGrid) -> tuple[Int64[np.ndarray, " days"], Float64[np.ndarray, " days"]]:
    """Count each day's stocks that traded, and sum their traded value.

    A row with volume that repeats all prices and the volume of the row before was filled in, not traded. A day of
    such rows only counts as one stock: of a few stocks, all may stand still.
    """
    days, codes = prices.close.shape
    stocks, value = np.zeros(days, dtype=np.int64), np.zeros(days)
    last = np.full((len(PRICES), codes), np.nan, dtype=np.float32)
    for day in range(days):
        rows = np.stack([getattr(prices, name)[day] for name in PRICES])
        close, volume = rows[PRICES.index("close")], rows[PRICES.index("volume")]
        same = ((rows == last) | (np.isnan(rows) & np.isnan(last))).all(axis=0) & (volume > 0)
        known = np.isfinite(close)
        stocks[day] = max(int((known & ~same).sum()), int(known.any()))
        value[day] = np.nansum(close.astype(np.float64) * volume)
        last = np.where(known, rows, last)
    return stocks, value
