"""Prices of a small market with the dirt of a real one, as arrays and as rows."""

from datetime import date
from typing import Any

import numpy as np
import polars as pl


def weekdays(count: int) -> list[date]:
    """Weekdays from 2014 on."""
    days: list[date] = np.busday_offset("2014-01-01", np.arange(count)).tolist()
    return days


def market(days: int = 400, stocks: int = 16, missing: float = 0.02, seed: int = 0) -> dict[str, np.ndarray]:
    """Prices [days, stocks] with holes (NaN close), missing opens (0) and days without trades."""
    rng = np.random.default_rng(seed)
    common = 0.008 * rng.standard_normal((days, 1))
    overnight = 0.006 * rng.standard_normal((days, stocks))
    step = common * rng.uniform(0.5, 1.5, stocks) + 0.015 * rng.standard_normal((days, stocks))
    close = rng.uniform(5, 80, stocks) * np.exp(np.cumsum(step + overnight, axis=0))
    opened = close * np.exp(-step)
    high = np.maximum(opened, close) * (1 + 0.01 * rng.random((days, stocks)))
    low = np.minimum(opened, close) * (1 - 0.01 * rng.random((days, stocks)))
    volume = np.round(np.exp(12 + rng.standard_normal(stocks) + 0.5 * rng.standard_normal((days, stocks))))
    opened[rng.random((days, stocks)) < missing] = 0
    close[rng.random((days, stocks)) < missing] = np.nan
    return {"open": opened, "high": high, "low": low, "close": close, "volume": volume}


def frame_of(table: dict[str, np.ndarray], sector: bool = True) -> pl.DataFrame:
    """The rows of a market, sorted by (date, code); a cell without a close is no row."""
    days = len(table["close"])
    calendar = weekdays(days)
    day, stock = np.nonzero(~np.isnan(table["close"]))
    columns: dict[str, Any] = {
        "date": [calendar[d] for d in day],
        "code": [f"{1000 + s}" for s in stock],
        **{n: v[day, stock].astype(np.float32) for n, v in table.items()},
    }
    if sector:
        columns["sector"] = [f"sector {s % 2}" if s % 8 else None for s in stock]
    return pl.DataFrame(columns)
