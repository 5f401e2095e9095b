"""A predictions file as other programs write it: a signal, a context, a varying universe; and its arrays."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

DAYS, STOCKS, HORIZONS = 60, 40, (1, 5)


def foreign_frame(days: int = DAYS, stocks: int = STOCKS, seed: int = 0) -> pl.DataFrame:
    """Rows by date, horizon and code; the last targets are unknown, the first ten days are of the split val."""
    rng = np.random.default_rng(seed)
    signal = rng.standard_normal((days + 6, stocks))
    returns = 0.02 * rng.standard_normal(signal.shape)
    returns[1:] += 0.004 * signal[:-1]
    size = rng.standard_normal(stocks)
    rows: list[dict[str, Any]] = []
    dates = _weekdays(days)
    for day in range(days):
        here = np.flatnonzero(rng.random(stocks) < 0.9)
        for horizon in HORIZONS:
            for stock in here:
                unknown = day + horizon >= days
                rows.append(
                    {
                        "date": dates[day],
                        "code": f"S{stock:03d}",
                        "horizon": horizon,
                        "score": signal[day, stock],
                        "target": None if unknown else returns[day + 1 : day + 1 + horizon, stock].sum(),
                        "split": "val" if day < 10 else "test",
                        "sector": ("Banks", "Fish", None)[stock % 3],
                        "return_1d": returns[day, stock],
                        "traded_value": float(np.exp(15 + size[stock])),
                        "exposure_size": size[stock],
                        "regime_volatility": float(day % 7),
                    }
                )
    return pl.DataFrame(rows, schema_overrides={"target": pl.Float64})


def write_foreign(path: Path, frame: pl.DataFrame | None = None) -> Path:
    """Write the frame in the format of the suffix."""
    frame = foreign_frame() if frame is None else frame
    if path.suffix == ".csv":
        frame.write_csv(path)
    elif path.suffix == ".jsonl":
        frame.write_ndjson(path)
    else:
        frame.write_parquet(path)
    return path


def _weekdays(days: int) -> list[Any]:
    return np.busday_offset("2020-11-02", np.arange(days)).tolist()
