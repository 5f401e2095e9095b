"""What a feature may read: the past prices of some stocks, on one basis, with the market beside them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64

from atft.features.windows import Series, shift

# The longest reach into the past of any feature: spans of 250 days over returns, and a little for lags.
REACH_DAYS = 260


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

    @cached_property
    def log_close(self) -> Series:
        """Natural logarithm of the close."""
        values: Series = np.log(self.close)
        return values

    @cached_property
    def return_1d(self) -> Series:
        """Log return since yesterday's close; NaN when the stock has no row yesterday."""
        values: Series = self.log_close - shift(self.log_close, 1)
        return values

    @cached_property
    def gap(self) -> Series:
        """Log return from yesterday's close to today's open."""
        values: Series = np.log(self.open) - shift(self.log_close, 1)
        return values

    @cached_property
    def intraday(self) -> Series:
        """Log return from today's open to today's close."""
        values: Series = self.log_close - np.log(self.open)
        return values

    @cached_property
    def log_range(self) -> Series:
        """Log of high over low."""
        values: Series = np.log(self.high / self.low)
        return values

    @cached_property
    def traded_value(self) -> Series:
        """Close times volume, as read, in the prices' currency."""
        values: Series = self.raw_close * self.volume
        return values

    @cached_property
    def log_volume(self) -> Series:
        """Log of the volume; NaN on a day without trades."""
        values: Series = np.log(np.where(self.volume > 0, self.volume, np.nan))
        return values
