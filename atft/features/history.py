"""What a feature may read: the past prices of some stocks, on one basis, with the market beside them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from atft.features.checked_prices import CheckedPrices
from atft.features.windows import Series, shift

REACH_DAYS = 260
"""The longest reach into the past of any feature: spans of 250 days over returns, and a little for lags."""


@dataclass
class History:
    """Daily prices, float64 [days, stocks], on one basis across excluded jumps; NaN where unknown."""

    open: Series
    high: Series
    low: Series
    close: Series
    volume: Series
    raw_close: Series
    """The close as it was read."""
    age: Series
    """Rows of the stock up to and including the day."""
    day: Float64[np.ndarray, "days 1"]
    """Index of the day on the panel's calendar."""
    market: Float64[np.ndarray, "days 1"]
    """Log return of the market: the equal-weighted mean over the stocks that could be traded."""

    @np.errstate(all="ignore")
    def __post_init__(self) -> None:
        self.log_close: Series = np.log(self.close)
        self.return_1d: Series = self.log_close - shift(self.log_close, 1)
        """Log return since yesterday's close; NaN when the stock has no row yesterday."""
        self.gap: Series = np.log(self.open) - shift(self.log_close, 1)
        """Log return from yesterday's close to today's open."""
        self.intraday: Series = self.log_close - np.log(self.open)
        """Log return from today's open to today's close."""
        self.log_range: Series = np.log(self.high / self.low)
        self.traded_value: Series = self.raw_close * self.volume
        """Close times volume, as read, in the prices' currency."""
        self.log_volume: Series = np.log(np.where(self.volume > 0, self.volume, np.nan))
        """NaN on a day without trades."""


def past_of(prices: CheckedPrices, first: int, last: int, stocks: slice) -> History:
    """Cut the history that the days first..last-1 of some stocks may read, lead-in included."""
    days = slice(max(0, first - REACH_DAYS), last)
    kept, factor = prices.kept[days, stocks], prices.factor[days, stocks]

    def cut(of: np.ndarray) -> Series:
        return np.where(kept, of[days, stocks].astype(np.float64), np.nan)

    close = cut(prices.close)
    return History(
        open=cut(prices.open) * factor,
        high=cut(prices.high) * factor,
        low=cut(prices.low) * factor,
        close=close * factor,
        volume=cut(prices.volume),
        raw_close=close,
        age=cut(prices.age),
        day=np.arange(days.start, days.stop, dtype=np.float64)[:, None],
        market=prices.market[days, None],
    )
