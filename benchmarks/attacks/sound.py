"""Sound inputs that attacks start from: daily prices of a small market, reproducible and without a fault."""

from datetime import date, timedelta

import numpy as np
import polars as pl

FIRST = date(2015, 1, 5)


def weekdays(count: int, first: date = FIRST) -> list[date]:
    """The first ``count`` days from ``first`` on that are no Saturday or Sunday."""
    days = [first + timedelta(days=n) for n in range(count * 7 // 5 + 7)]
    return [d for d in days if d.weekday() < 5][:count]


def price_frame(stocks: int = 30, days: int = 320, seed: int = 0) -> pl.DataFrame:
    """Prices sorted by (date, code): open, high, low, close, volume and a sector, two stocks listed later.

    Prices are multiples of 1/1000, so that a CSV file and a Parquet file hold the same numbers.
    """
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(0.02 * rng.standard_normal((days, stocks)), axis=0))
    opening = close * np.exp(0.005 * rng.standard_normal((days, stocks)))
    high = np.maximum(close, opening) * (1 + 0.01 * rng.random((days, stocks)))
    low = np.minimum(close, opening) * (1 - 0.01 * rng.random((days, stocks)))
    volume = np.round(1e5 * np.exp(0.5 * rng.standard_normal((days, stocks))))
    calendar = weekdays(days)
    prices = {"open": opening, "high": high, "low": low, "close": close}
    frame = pl.DataFrame(
        {
            "date": np.repeat(np.array(calendar, dtype="datetime64[D]"), stocks),
            "code": [f"{1300 + s}" for s in range(stocks)] * days,
            **{name: np.round(values, 3).ravel() for name, values in prices.items()},
            "volume": volume.ravel(),
            "sector": [f"sector {s % 3}" for s in range(stocks)] * days,
        }
    )
    # Without them all stocks have one age, a feature that cannot rank.
    late = pl.col("code").is_in(["1301", "1303"]) & (pl.col("date") < calendar[10])
    return frame.filter(~late)
