"""Daily prices of stocks whose returns are noise, for benchmarks that need no market."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

VOLATILITY, SPREAD = 0.02, 0.01
"""Of a day's return, and of high and low around the close."""


def write_prices(path: Path, stocks: int, days: int) -> int:
    """Write ``stocks`` x ``days`` rows of business days from 2015, sorted by stock, and return their number."""
    rng = np.random.default_rng(0)
    shape = (stocks, days)
    close = 20 * np.exp(np.cumsum(rng.normal(0, VOLATILITY, shape), axis=1))
    wide = np.abs(rng.normal(0, SPREAD, (3, *shape)))
    opened = close * (1 + wide[2] * rng.choice([-1, 1], shape))
    dates = np.busday_offset("2015-01-01", np.arange(days), "forward")
    columns = {
        "date": np.tile(dates, stocks),
        "code": np.repeat([f"S{i:05d}" for i in range(stocks)], days),
        "open": opened.ravel(),
        "high": (np.maximum(opened, close) * (1 + wide[0])).ravel(),
        "low": (np.minimum(opened, close) * (1 - np.minimum(wide[1], 0.5))).ravel(),
        "close": close.ravel(),
        "volume": np.round(np.exp(rng.normal(13, 1, shape))).ravel(),
    }
    pq.write_table(pa.table(columns), path)
    return close.size
