"""Copies of a slice differ after a day, and nowhere before it."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from atft.probes.pipeline_slice import CHANGES, change_after, slice_panel
from atft.tasks.day_data import DayData
from atft.tasks.panel_source import PanelOptions


@pytest.fixture(scope="module")
def part(market_data: DayData, tmp_path_factory: pytest.TempPathFactory) -> DayData:
    return slice_panel(market_data, tmp_path_factory.mktemp("slice"))


def test_a_slice_has_the_first_validation_day_of_its_run(market_data: DayData, part: DayData) -> None:
    first = [d.open_cache().manifest.dates[int(d.split.val[0])] for d in (market_data, part)]
    assert first[0] == first[1] and not len(part.split.test)
    assert part.horizons == market_data.horizons and part.graph_options == market_data.graph_options


@pytest.mark.parametrize("kind", [pl.Int64, pl.Float64, pl.Categorical])
def test_codes_of_any_type_are_those_of_the_cache(
    kind: type[pl.DataType], market: Path, market_data: DayData, tmp_path: Path
) -> None:
    code = (
        pl.col("code")
        .str.strip_prefix("S")
        .cast(pl.Int64)
        .cast(pl.String if kind is pl.Categorical else kind)
    )
    panel = tmp_path / "panel.parquet"
    pl.read_parquet(market).with_columns(code.cast(kind)).write_parquet(panel)
    data = DayData(
        PanelOptions(str(panel)),
        market_data.split_options,
        market_data.loader_options,
        replace(market_data.cache_options, dir=str(tmp_path / "cache")),
        market_data.graph_options,
        horizons=market_data.horizons,
    )
    sliced = slice_panel(data, tmp_path / "slice")
    assert sliced.open_cache().codes == data.open_cache().codes


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_leaves_the_days_before_as_they_are(name: str, part: DayData, tmp_path: Path) -> None:
    day = int(part.split.val[3])
    changed = change_after(part, day, CHANGES[name], tmp_path, name, seed=1)
    cut = part.open_cache().manifest.dates[day]
    before, after = (pl.read_parquet(str(d.panel.path)) for d in (part, changed))
    earlier = pl.col("date") <= cut
    assert before.filter(earlier).equals(after.filter(earlier))
    assert not before.filter(~earlier).equals(after.filter(~earlier))
    assert changed.open_cache().manifest.dates[day] == cut
