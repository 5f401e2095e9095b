"""The rows that passed the checks, who may be ranked, and what the market did: what every feature is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32

from atft.features.options import FeatureOptions
from atft.features.prices import PriceGrid
from atft.features.relative import day_means
from atft.features.windows import Series, shift, window_means

VALUE_DAYS = 20
STOCKS_AT_ONCE = 64
"""Some hundred days of 64 stocks in float64 stay in the processor's cache."""


@dataclass(kw_only=True)
class CheckedPrices(PriceGrid):
    """Prices after all checks. Each value is known on its day."""

    options: FeatureOptions
    """What they were checked with."""
    kept: Bool[np.ndarray, "days stocks"]
    """The stock has a row that passed every check."""
    factor: Float64[np.ndarray, "days stocks"]
    """Prices times this are on one basis across excluded jumps; exactly 1 up to a stock's first jump."""
    jumps: Int32[np.ndarray, "days stocks"]
    """Excluded jumps and splits up to and including the day."""
    age: Int32[np.ndarray, "days stocks"]
    """Kept rows up to and including the day."""

    @cached_property
    def return_1d(self) -> Float32[np.ndarray, "days stocks"]:
        """close[t] / close[t-1] - 1; NaN unless the stock has a row on both days."""

        def returns(stocks: slice) -> Series:
            adjusted: Series = self._closes(stocks) * self.factor[:, stocks]
            change: Series = adjusted / shift(adjusted, 1) - 1
            return change

        values = self._by_stocks(returns)
        values[~np.isfinite(values)] = np.nan
        return values

    @cached_property
    def mean_value(self) -> Float32[np.ndarray, "days stocks"]:
        """Close times volume, averaged over 20 trading days."""
        return self._by_stocks(
            lambda stocks: window_means(self._closes(stocks) * self.volume[:, stocks], VALUE_DAYS)[VALUE_DAYS]
        )

    @cached_property
    def tradable(self) -> Bool[np.ndarray, "days stocks"]:
        """Close and mean traded value reach their minimum; a short history counts."""
        rich = self.mean_value >= self.options.min_traded_value
        tradable: np.ndarray = self.kept & (self.close >= self.options.min_close) & rich
        return tradable

    @cached_property
    def universe(self) -> Bool[np.ndarray, "days stocks"]:
        """Tradable, with enough history: the stock may be ranked."""
        universe: np.ndarray = self.tradable & (self.age >= self.options.min_history_days)
        return universe

    @cached_property
    def market(self) -> Float64[np.ndarray, " days"]:
        """Log return of the market: equal-weighted mean over the tradable stocks; NaN on a day with none."""
        market: np.ndarray = np.log1p(day_means(self.return_1d, self.tradable))
        return market

    def _closes(self, stocks: slice) -> Series:
        return np.where(self.kept[:, stocks], self.close[:, stocks].astype(np.float64), np.nan)

    def _by_stocks(self, series_of: Callable[[slice], Series]) -> Float32[np.ndarray, "days stocks"]:
        values: np.ndarray = np.full(self.close.shape, np.nan, dtype=np.float32)
        with np.errstate(all="ignore"):
            for first in range(0, values.shape[1], STOCKS_AT_ONCE):
                stocks = slice(first, first + STOCKS_AT_ONCE)
                values[:, stocks] = series_of(stocks)
        return values
