"""A price file of four rows, read into a grid or declined; grids of given closes."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from atft.errors import InputError
from atft.features.options import FeatureOptions
from atft.features.price_dialects import PRICES
from atft.features.prices import PriceGrid, read_prices


def small(**columns: list[object]) -> pl.DataFrame:
    """Two days of two stocks, sorted, with some columns replaced."""
    table: dict[str, list[object]] = {
        "date": [date(2015, 1, 5), date(2015, 1, 5), date(2015, 1, 6), date(2015, 1, 6)],
        "code": ["0050", "1301", "0050", "1301"],
        "open": [10.0, 20.0, 11.0, 21.0],
        "high": [12.0, 22.0, 12.0, 22.0],
        "low": [9.0, 19.0, 9.0, 19.0],
        "close": [11.0, 21.0, 10.0, 20.0],
        "volume": [100.0, 200.0, 100.0, 200.0],
        "sector": ["banks", None, "banks", "fish"],
    }
    return pl.DataFrame({n: v for n, v in (table | columns).items() if v is not None})


def grid_of(close: Any, first: date = date(2015, 1, 1), **columns: np.ndarray) -> PriceGrid:
    """Closes [days, stocks] as a grid of consecutive days and codes s0, s1, ...; other prices equal the close."""
    close = np.asarray(close, dtype=np.float32)
    close = close.reshape(len(close), -1)
    prices: dict[str, Any] = {n: columns.get(n, close).astype(np.float32) for n in PRICES} | {"close": close}
    days, stocks = close.shape
    return PriceGrid(
        path=Path("p.parquet"),
        calendar=[first + timedelta(days=i) for i in range(days)],
        codes=[f"s{i}" for i in range(stocks)],
        sector=np.full((days, stocks), -1, dtype=np.int32),
        sectors=[],
        exclusions={},
        **prices,
    )


def read(tmp_path: Path, frame: pl.DataFrame, name: str = "p.parquet", **options: str) -> PriceGrid:
    path = tmp_path / name
    frame.write_csv(path) if path.suffix == ".csv" else frame.write_parquet(path)
    return read_prices(path, FeatureOptions(**options))


def error_of(tmp_path: Path, frame: pl.DataFrame, name: str = "p.parquet", **options: str) -> str:
    with pytest.raises(InputError) as caught:
        read(tmp_path, frame, name, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert name in message
    return message
