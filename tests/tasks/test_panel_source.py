from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars
import pytest

from atft.data.build import CacheOptions, build_cache
from atft.errors import InputError
from atft.market.options import MarketOptions, market_columns
from atft.panel import PanelSchema
from atft.tasks.panel_source import PanelOptions, panel_features, panel_path


def test_features_are_known_before_anything_is_built(make_panel: Callable[..., Path], tmp_path: Path) -> None:
    panel = PanelOptions(path=str(make_panel()), schema=PanelSchema(exclude=["x_3"]))
    assert panel_features(panel) == ["x_0", "x_1", "x_2", "x_4", "x_5"]
    market = MarketOptions(stocks=20, days=120)
    wanted = [n for n in market_columns(market) if n.startswith("x_")]
    assert panel_features(PanelOptions(simulate=market)) == wanted
    assert [p.name for p in tmp_path.iterdir()] == ["panel.parquet"]


@pytest.mark.parametrize("panel", [PanelOptions(), PanelOptions(path="a", simulate=MarketOptions())])
def test_a_panel_is_a_path_or_a_simulation_and_not_both(panel: PanelOptions) -> None:
    with pytest.raises(InputError, match=r"either path .* or simulate"):
        panel_features(panel)
    with pytest.raises(InputError, match=r"either path .* or simulate"):
        panel_path(panel, "cache")


def test_features_that_match_no_column_are_errors(make_panel: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match=r"no column matches the features \['y_\*'\]"):
        panel_features(PanelOptions(path=str(make_panel()), schema=PanelSchema(features=["y_*"])))


def test_the_same_frame_is_the_same_panel(make_panel: Callable[..., Path], tmp_path: Path) -> None:
    frame = polars.read_parquet(make_panel())
    panel = PanelOptions.from_frame(frame, folder=tmp_path / "cache")
    assert panel == PanelOptions.from_frame(frame.lazy(), folder=tmp_path / "cache")
    assert panel_features(panel) == [f"x_{i}" for i in range(6)]
    other = frame.with_columns(x_0=polars.col("x_0") + 1)
    assert PanelOptions.from_frame(other, folder=tmp_path / "cache").path != panel.path


def test_a_frame_of_prices_becomes_a_panel_once(tmp_path: Path) -> None:
    import pandas

    from atft.features.options import FeatureOptions

    rng = np.random.default_rng(0)
    days = pandas.bdate_range("2020-01-01", periods=300, name="Date")
    close = 50 * np.exp(np.cumsum(0.02 * rng.standard_normal((300, 3)), axis=0))
    spread = 1 + 0.01 * rng.random(close.shape)
    prices = {
        "Open": close,
        "High": close * spread,
        "Low": close / spread,
        "Close": close,
        "Volume": 1e6 * spread,
    }
    # As yfinance gives it: a column for each price and ticker.
    names = pandas.MultiIndex.from_product([prices, ["AAPL", "IBM", "MSFT"]], names=["Price", "Ticker"])
    frame = pandas.DataFrame(np.hstack(list(prices.values())), days, names)
    options = FeatureOptions(horizons=[1])
    panel = PanelOptions.from_prices(frame, options, tmp_path)
    rows = polars.read_parquet(f"{panel.path}/*.parquet")
    assert rows["code"].unique().sort().to_list() == ["AAPL", "IBM", "MSFT"] and len(rows) == 900
    written = Path(str(panel.path)).stat().st_mtime_ns
    assert PanelOptions.from_prices(frame.copy(), options, tmp_path) == panel
    assert Path(str(panel.path)).stat().st_mtime_ns == written
    assert PanelOptions.from_prices(frame, FeatureOptions(horizons=[5]), tmp_path) != panel


def test_an_index_of_dates_without_a_name_is_the_dates_of_prices(tmp_path: Path) -> None:
    import pandas

    from atft.features.options import FeatureOptions

    days = pandas.bdate_range("2020-01-01", periods=300, name="Date")
    closes = 50 * np.exp(np.cumsum(0.02 * np.random.default_rng(0).standard_normal((300, 3)), axis=0))
    named = pandas.DataFrame(closes, index=days, columns=["A", "B", "C"])
    panels = [
        PanelOptions.from_prices(frame, FeatureOptions(horizons=[1]), tmp_path / name)
        for name, frame in {"named": named, "unnamed": named.rename_axis(None)}.items()
    ]
    rows = [polars.read_parquet(f"{panel.path}/*.parquet") for panel in panels]
    assert rows[0].equals(rows[1]) and rows[0]["date"].n_unique() == 300


def test_an_error_about_a_frame_says_that_its_file_is_the_frame(
    make_panel: Callable[..., Path], tmp_path: Path
) -> None:
    def said(make: Callable[[], object]) -> str:
        with pytest.raises(InputError) as caught:
            make()
        return str(caught.value)

    text = polars.read_parquet(make_panel()).with_columns(x_0=polars.lit("?"))
    panel = PanelOptions.from_frame(text, PanelSchema(exclude=["x_1"]), tmp_path)
    cell = said(
        lambda: build_cache(str(panel.path), panel.schema, [1], CacheOptions(dir=str(tmp_path)), None)
    )
    assert (
        cell
        == f"{panel.path} (the frame given in Python): column 'x_0', row 1: '?' is not a number; correct it"
    )
    absent = said(lambda: panel_features(replace(panel, schema=PanelSchema(features=["y"]))))
    assert absent.startswith(
        f"{panel.path} (the frame given in Python): no column matches the features ['y']"
    )
    prices = said(lambda: PanelOptions.from_prices(text.select("date", "code"), folder=tmp_path))
    assert prices.count(".parquet (the frame given in Python): ") == 1
    Path(str(panel.path)).unlink()
    assert "(the frame given in Python): no Parquet file there" in said(lambda: panel_features(panel))
