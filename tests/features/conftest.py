"""A small market with the dirt of a real one, and the slow way to look at a window."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from atft.features.checked_prices import History
from atft.features.windows import needed
from price_market import frame_of, market


@pytest.fixture
def make_market() -> Callable[..., dict[str, np.ndarray]]:
    """A factory of small markets; see the arguments of ``market``."""
    return market


@pytest.fixture
def to_frame() -> Callable[..., pl.DataFrame]:
    """Turn a market into rows."""
    return frame_of


@pytest.fixture
def make_prices(tmp_path: Path) -> Callable[..., Path]:
    """A factory of price files; see the arguments of ``market``."""

    def make(
        name: str = "prices.parquet", table: dict[str, np.ndarray] | None = None, **options: Any
    ) -> Path:
        frame_of(table or market(**options)).write_parquet(tmp_path / name)
        return tmp_path / name

    return make


@pytest.fixture(scope="session")
def past() -> History:
    """A history of four stocks with holes, float64, as a family of features reads it."""
    table = market(days=300, stocks=4, missing=0.04, seed=3)
    close = table["close"]
    hole = np.isnan(close)
    opened = np.where(hole | (table["open"] == 0), np.nan, table["open"])
    high, low, volume = (np.where(hole, np.nan, table[n]) for n in ("high", "low", "volume"))
    high[20:23, 1] = low[20:23, 1] = np.nan
    volume[40, 2] = 0
    age = np.where(hole, np.nan, np.cumsum(~hole, axis=0))
    index = 0.01 * np.random.default_rng(5).standard_normal((300, 1))
    index[0] = np.nan
    return History(
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=volume,
        raw_close=close,
        raw_volume=volume,
        age=age,
        day=np.arange(300.0)[:, None],
        market=index,
    )


Twin = Callable[[int, int], dict[str, float]]
Family = Callable[[History], Iterator[tuple[str, np.ndarray]]]


@pytest.fixture(scope="session")
def agrees(past: History) -> Callable[[Family, Twin], None]:
    """Compare a family with its twin, name by name, cell by cell, NaN included."""

    def check(
        family: Family, twin: Twin, cells: tuple[int, ...] = (0, 1, 4, 7, 22, 63, 130, 251, 299)
    ) -> None:
        with np.errstate(all="ignore"):
            values = dict(family(past))
            known = 0
            for day in cells:
                for stock in range(past.close.shape[1]):
                    expected = twin(day, stock)
                    assert list(expected) == list(values)
                    for name, slow in expected.items():
                        fast = values[name][day, stock]
                        fast = fast if np.isfinite(fast) else np.nan
                        slow = slow if np.isfinite(slow) else np.nan
                        np.testing.assert_allclose(
                            fast, slow, rtol=1e-6, atol=1e-9, err_msg=f"{name} day {day} stock {stock}"
                        )
                        known += not np.isnan(slow)
        assert known > 0.5 * len(cells) * past.close.shape[1] * len(values) * 0.5

    return check


@pytest.fixture(scope="session")
def tail() -> Callable[..., np.ndarray]:
    """The known values of the ``span`` days up to ``day`` of one stock; one NaN when they are too few."""

    def look(x: np.ndarray, day: int, stock: int, span: int, share: bool = True) -> np.ndarray:
        window = x[max(0, day - span + 1) : day + 1, stock if x.shape[1] > 1 else 0]
        window = window[~np.isnan(window)]
        return window if len(window) >= needed(span) or not share else np.array([np.nan])

    return look
