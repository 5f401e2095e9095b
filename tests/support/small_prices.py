"""A price file of four rows, read into a grid or declined."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from atft.errors import InputError
from atft.features.options import FeatureOptions
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


def read(
    tmp_path: Path, frame: pl.DataFrame, name: str = "p.parquet", **options: str
) -> tuple[PriceGrid, dict[str, int]]:
    path = tmp_path / name
    frame.write_csv(path) if path.suffix == ".csv" else frame.write_parquet(path)
    exclusions: dict[str, int] = {}
    return read_prices(path, FeatureOptions(**options), exclusions), exclusions


def refusal(tmp_path: Path, frame: pl.DataFrame, name: str = "p.parquet", **options: str) -> str:
    with pytest.raises(InputError) as caught:
        read(tmp_path, frame, name, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert name in message
    return message
