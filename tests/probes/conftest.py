"""A small simulated market, with its rows as a frame: what the probes of panels are tried on."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from atft.data.build import CacheOptions
from atft.data.graph import GraphOptions
from atft.data.loader import LoaderOptions
from atft.data.split import SplitOptions
from atft.market.options import MarketOptions
from atft.market.write import write_market
from atft.panel import PanelSchema
from atft.probes.future import Futures, futures_of, trailing_return
from atft.probes.panel_grid import PanelGrid, read_grid
from atft.tasks.day_data import DayData
from atft.tasks.panel_source import PanelOptions


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("market") / "market.parquet"
    write_market(path, MarketOptions(stocks=60, days=160, features=17))
    return path


@pytest.fixture(scope="session")
def grid(market: Path) -> PanelGrid:
    return read_grid(market, PanelSchema())


@pytest.fixture(scope="session")
def futures(grid: PanelGrid) -> Futures:
    return futures_of(grid, trailing_return(grid))


@pytest.fixture(scope="session")
def market_rows(market: Path) -> pl.DataFrame:
    return pl.read_parquet(market).sort("code", "date")


@pytest.fixture
def planted(tmp_path: Path) -> Any:
    """Write rows, with one feature ``x_planted`` where an expression is given, and return the file."""

    def write(rows: pl.DataFrame, expression: pl.Expr | None = None, name: str = "planted") -> Path:
        frame = rows if expression is None else rows.with_columns(x_planted=expression)
        path = tmp_path / f"{name}.parquet"
        frame.sort("date", "code").write_parquet(path)
        return path

    return write


def _data(panel: Path, kind: type[DayData] = DayData, *, cache: Path) -> DayData:
    """A panel of the small market's days, split into training, validation and test days."""
    return kind(
        PanelOptions(str(panel)),
        SplitOptions(
            ["2015-01-05", "2015-06-12"], ["2015-06-15", "2015-07-31"], ["2015-08-03", "2015-12-31"], 0
        ),
        LoaderOptions(lookback=5, block_days=3, batch_size=200),
        CacheOptions(dir=str(cache)),
        GraphOptions(k=3, window=20, min_observations=10, refresh_days=5, sector_k=0),
        horizons=[1, 5],
    )


@pytest.fixture(scope="session")
def market_data(market: Path, tmp_path_factory: pytest.TempPathFactory) -> DayData:
    return _data(market, cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture
def open_panel(tmp_path: Path) -> Callable[..., DayData]:
    """Open a file, as `DayData` or a class derived from it, with a cache of the test's own."""
    return partial(_data, cache=tmp_path / "cache")
