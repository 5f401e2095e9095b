from collections.abc import Callable
from pathlib import Path

import pytest

from atft.errors import InputError
from atft.market.options import MarketOptions, market_columns
from atft.panel import PanelSchema
from atft.tasks.panel_source import PanelOptions, panel_features


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


def test_features_that_match_no_column_are_errors(make_panel: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match=r"no column matches the features \['y_\*'\]"):
        panel_features(PanelOptions(path=str(make_panel()), schema=PanelSchema(features=["y_*"])))
