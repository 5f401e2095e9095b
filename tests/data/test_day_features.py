"""A day's features are the panel's rows, with the market-wide columns of the day beside them."""

from typing import Any

import numpy as np
import polars as pl

from atft.data.cache import DayCache
from atft.data.day_features import day_features


def test_features_of_a_day_are_the_panels_rows_in_the_order_asked_for(tiny_run: Any) -> None:
    cache = DayCache(tiny_run.cache)
    codes = cache.codes
    stocks = np.array([4, 1, 7])
    row = day_features(cache, 50, stocks)
    frame = pl.read_parquet(tiny_run.panel).filter(pl.col("date") == cache.manifest.dates[50])
    for i, stock in enumerate(stocks):
        of_stock = frame.filter(pl.col("code") == codes[stock]).select(pl.col("^x_.*$"))
        wanted = of_stock.to_numpy()[0] if len(of_stock) else np.full(6, np.nan)
        np.testing.assert_array_equal(row[i], wanted)
    wide = day_features(cache, 50, stocks, market_columns=True)
    np.testing.assert_array_equal(wide[:, :6], row)
    np.testing.assert_array_equal(wide[:, 6:], [cache.regime[50]] * 3)
