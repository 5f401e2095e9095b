"""Who may be ranked, and what the market did: the two things every cross-section refers to."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64

from atft.features.gates import Tape
from atft.features.options import FeatureOptions
from atft.features.prices import PriceGrid
from atft.features.windows import shift, window_means

VALUE_DAYS = 20
# Stocks handled at once: some hundred days of 64 stocks in float64 stay in the processor's cache.
STOCKS_AT_ONCE = 64


@dataclass
class Screen:
    """One value per day and stock, or per day, each known on its day."""

    return_1d: Float32[np.ndarray, "days stocks"]
    """close[t] / close[t-1] - 1; NaN unless the stock has a row on both days."""
    mean_value: Float32[np.ndarray, "days stocks"]
    """Close times volume, averaged over 20 trading days."""
    tradable: Bool[np.ndarray, "days stocks"]
    """Close and mean traded value reach their minimum; a short history counts."""
    universe: Bool[np.ndarray, "days stocks"]
    """Tradable, with enough history: the stock may be ranked."""
    market: Float64[np.ndarray, " days"]
    """Log return of the market: equal-weighted mean over the tradable stocks; NaN on a day with none."""


def screen_stocks(prices: PriceGrid, tape: Tape, options: FeatureOptions) -> Screen:
    """Mark who may be ranked on each day, and average the day's returns over the tradable stocks."""
    days, stocks = prices.close.shape
    return_1d = np.full((days, stocks), np.nan, dtype=np.float32)
    mean_value = np.full((days, stocks), np.nan, dtype=np.float32)
    for first in range(0, stocks, STOCKS_AT_ONCE):
        some = slice(first, first + STOCKS_AT_ONCE)
        close = np.where(tape.kept[:, some], prices.close[:, some].astype(np.float64), np.nan)
        adjusted = close * tape.factor[:, some]
        with np.errstate(all="ignore"):
            return_1d[:, some] = adjusted / shift(adjusted, 1) - 1
            mean_value[:, some] = window_means(close * prices.volume[:, some], (VALUE_DAYS,))[0]
    return_1d[~np.isfinite(return_1d)] = np.nan
    tradable = tape.kept & (prices.close >= options.min_close) & (mean_value >= options.min_traded_value)
    universe = tradable & (tape.history >= options.min_history_days)
    market = np.log1p(day_means(return_1d, tradable))
    return Screen(return_1d, mean_value, tradable, universe, market)


def day_means(
    values: Float[np.ndarray, "days stocks"], count: Bool[np.ndarray, "days stocks"]
) -> Float64[np.ndarray, " days"]:
    """Mean over each day's stocks that count and are known; NaN on a day with none.

    Added one by one in the stocks' order, so that a stock without a value leaves no trace in the bits.
    """
    total, n = group_sums(values, count, np.zeros(values.shape, dtype=np.int32), 1)
    with np.errstate(invalid="ignore"):
        means: np.ndarray = total[:, 0] / n[:, 0]
    return means


def group_sums(
    values: Float[np.ndarray, "days stocks"],
    count: Bool[np.ndarray, "days stocks"],
    group: np.ndarray,
    groups: int,
) -> tuple[Float64[np.ndarray, "days groups"], Float64[np.ndarray, "days groups"]]:
    """Sum and number of the known values of each day's groups.

    Args:
        values: NaN where unknown.
        count: the stocks that count.
        group: int [days, stocks], each in [0, groups) or -1 for none.
        groups: how many there are.
    """
    day, stock = np.nonzero(count & ~np.isnan(values) & (group >= 0))
    cell = day * groups + group[day, stock]
    shape = (len(values), groups)
    n = np.bincount(cell, minlength=shape[0] * groups)
    # Without a single value bincount forgets the type of its weights.
    total = np.bincount(cell, weights=values[day, stock], minlength=shape[0] * groups).astype(np.float64)
    return total.reshape(shape), n.reshape(shape).astype(np.float64)
