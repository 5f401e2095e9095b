"""What every feature is made of: the rows that passed the checks, who may be ranked, and what the market did."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int32

from atft.features.options import FeatureOptions
from atft.features.prices import PriceGrid
from atft.features.splits import StockSplit
from atft.features.windows import Flags, Grid, Series, positive, shift, window_means

VALUE_DAYS = 20
REACH_DAYS = 260
"""The longest reach into the past of any feature: spans of 250 days over returns, and a little for lags."""
STOCKS_AT_ONCE = 64
"""Some hundred days of 64 stocks in float64 stay in the processor's cache."""


class Carried(NamedTuple):
    """State of the checks after the last day, one number a stock."""

    close: Float64[np.ndarray, " stocks"]
    """The last close that was compared; NaN before the first row."""
    repeats: Int32[np.ndarray, " stocks"]
    """Rows in a row that repeat that close."""
    read_close: Float64[np.ndarray, " stocks"]
    """The last close as it was read, before splits were adjusted."""
    first_row: Int32[np.ndarray, " stocks"]
    """Calendar index of the first row, -1 for none."""
    splits: tuple[StockSplit, ...]
    """Those found so far; their days count from the calendar's first day."""


class CheckedDays(NamedTuple):
    """Results of the checks on past days, to which later days are appended; see `CheckedPrices`."""

    kept: Flags
    factor: Float64[np.ndarray, "days stocks"]
    jumps: Int32[np.ndarray, "days stocks"]
    age: Int32[np.ndarray, "days stocks"]
    carried: Carried


def nothing_checked(stocks: int) -> CheckedDays:
    """Nothing checked yet."""
    unknown, none = np.full(stocks, np.nan), np.zeros(stocks, dtype=np.int32)
    counts = np.zeros((0, stocks), dtype=np.int32)
    carried = Carried(unknown, none, unknown, none - 1, ())
    return CheckedDays(np.zeros((0, stocks), dtype=bool), np.ones((0, stocks)), counts, counts, carried)


@dataclass(kw_only=True)
class CheckedPrices(PriceGrid):
    """Prices after all checks. Each value is known on its day."""

    options: FeatureOptions
    """What they were checked with."""
    kept: Flags
    """The stock has a row that passed every check."""
    factor: Float64[np.ndarray, "days stocks"]
    """Prices times this are on one basis across excluded jumps; exactly 1 up to a stock's first jump."""
    jumps: Int32[np.ndarray, "days stocks"]
    """Excluded jumps and splits up to and including the day."""
    age: Int32[np.ndarray, "days stocks"]
    """Kept rows up to and including the day."""
    carried: Carried
    """What the checks of later days need of these."""

    @cached_property
    def splits_of(self) -> dict[int, list[StockSplit]]:
        """The splits that were excluded, by stock, ascending by day."""
        of: dict[int, list[StockSplit]] = {}
        for split in self.carried.splits if self.options.splits == "exclude" else ():
            of.setdefault(split.stock, []).append(split)
        return of

    @cached_property
    def return_1d(self) -> Grid:
        """close[t] / close[t-1] - 1; NaN unless the stock has a row on both days."""

        def returns(stocks: slice) -> Series:
            adjusted: Series = self._closes(stocks) * self.factor[:, stocks]
            change: Series = adjusted / shift(adjusted, 1) - 1
            return change

        values = self._by_stocks(returns)
        values[~np.isfinite(values)] = np.nan
        return values

    @cached_property
    def mean_value(self) -> Grid:
        """Close times volume, averaged over 20 trading days."""
        return self._by_stocks(
            lambda stocks: window_means(self._closes(stocks) * self.volume[:, stocks], VALUE_DAYS)[VALUE_DAYS]
        )

    @cached_property
    def tradable(self) -> Flags:
        """Close and mean traded value reach their minimum; a short history counts.

        Where no file has volumes, only the close must.
        """
        rich = self.mean_value >= self.options.min_traded_value
        if "volume" in self.missing:
            rich = np.ones_like(self.kept)
        tradable: np.ndarray = self.kept & (self.close >= self.options.min_close) & rich
        return tradable

    @cached_property
    def universe(self) -> Flags:
        """Tradable, with enough history: the stock may be ranked."""
        universe: np.ndarray = self.tradable & (self.age >= self.options.min_history_days)
        return universe

    @property
    def ranked(self) -> Int32[np.ndarray, " days"]:
        """Stocks in each day's universe."""
        ranked: np.ndarray = self.universe.sum(axis=1, dtype=np.int32)
        return ranked

    @cached_property
    def market(self) -> Float64[np.ndarray, " days"]:
        """Log return of the market: equal-weighted mean over the tradable stocks; NaN on a day with none."""
        market: np.ndarray = np.log1p(day_means(self.return_1d, self.tradable))
        return market

    def _closes(self, stocks: slice) -> Series:
        return np.where(self.kept[:, stocks], self.close[:, stocks].astype(np.float64), np.nan)

    def _by_stocks(self, series_of: Callable[[slice], Series]) -> Grid:
        values: np.ndarray = np.full(self.close.shape, np.nan, dtype=np.float32)
        with np.errstate(all="ignore"):
            for first in range(0, values.shape[1], STOCKS_AT_ONCE):
                stocks = slice(first, first + STOCKS_AT_ONCE)
                values[:, stocks] = series_of(stocks)
        return values


@dataclass
class History:
    """Daily prices, float64 [days, stocks], on one basis across excluded jumps; NaN where unknown."""

    open: Series
    high: Series
    low: Series
    close: Series
    volume: Series
    """Shares on one basis across excluded splits, but not across excluded jumps, which may be real moves."""
    raw_close: Series
    """The close as it was read."""
    raw_volume: Series
    """The volume as it was read."""
    age: Series
    """Rows of the stock up to and including the day."""
    day: Float64[np.ndarray, "days 1"]
    """Index of the day on the panel's calendar."""
    market: Float64[np.ndarray, "days 1"]
    """Log return of the market: the equal-weighted mean over the stocks that could be traded."""
    as_traded: bool = True
    """The close as read is that at which the stock traded, and may be a feature."""

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
        self.traded_value: Series = self.raw_close * self.raw_volume
        """Close times volume, as read, in the prices' currency."""
        self.log_volume: Series = np.log(positive(self.volume))
        """NaN on a day without trades."""


def past_of(prices: CheckedPrices, first: int, last: int, stocks: slice | np.ndarray) -> History:
    """Cut the history that the days first..last-1 of some stocks may read, lead-in included."""
    days = slice(max(0, first - REACH_DAYS), last)
    kept, factor = prices.kept[days, stocks], prices.factor[days, stocks]

    def cut(of: np.ndarray) -> Series:
        return np.where(kept, of[days, stocks].astype(np.float64), np.nan)

    close, volume = cut(prices.close), cut(prices.volume)
    return History(
        open=cut(prices.open) * factor,
        high=cut(prices.high) * factor,
        low=cut(prices.low) * factor,
        close=close * factor,
        volume=volume * share_factor(prices, days, stocks),
        raw_close=close,
        raw_volume=volume,
        age=cut(prices.age),
        day=np.arange(prices.start + days.start, prices.start + days.stop, dtype=np.float64)[:, None],
        market=prices.market[days, None],
        as_traded=prices.options.as_traded,
    )


def share_factor(prices: CheckedPrices, days: slice, stocks: slice | np.ndarray) -> Series:
    """What volumes are multiplied by to be on one basis across excluded splits; exactly 1 up to the first."""
    chosen = np.arange(len(prices.codes))[stocks]
    factor = np.ones((days.stop - days.start, len(chosen)))
    for column, stock in enumerate(chosen.tolist()):
        for split in prices.splits_of.get(stock, ()):
            factor[max(0, split.day - prices.start - days.start) :, column] *= float(split.ratio)
    return factor


def day_means(values: Float[np.ndarray, "days stocks"], count: Flags) -> Float64[np.ndarray, " days"]:
    """Mean over each day's stocks that count and are known; NaN on a day with none.

    Added one by one in the stocks' order, so that a stock without a value leaves no trace in the bits.
    """
    total, n = group_sums(values, count, np.zeros(values.shape, dtype=np.int32), 1)
    with np.errstate(invalid="ignore"):
        means: np.ndarray = total[:, 0] / n[:, 0]
    return means


def group_sums(
    values: Float[np.ndarray, "days stocks"], count: Flags, group: np.ndarray, groups: int
) -> tuple[Float64[np.ndarray, "days groups"], Float64[np.ndarray, "days groups"]]:
    """Sum and number of the known values of each day's groups, over the stocks that ``count``.

    ``group`` is int [days, stocks], each in [0, groups) or -1 for none.
    """
    day, stock = np.nonzero(count & ~np.isnan(values) & (group >= 0))
    cell = day * groups + group[day, stock]
    shape = (len(values), groups)
    n = np.bincount(cell, minlength=shape[0] * groups)
    # Without a single value bincount forgets the type of its weights.
    total = np.bincount(cell, weights=values[day, stock], minlength=shape[0] * groups).astype(np.float64)
    return total.reshape(shape), n.reshape(shape).astype(np.float64)
