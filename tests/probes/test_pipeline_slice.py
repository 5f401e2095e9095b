"""Copies of a slice differ after a day, and nowhere before it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft.market.options import MarketOptions
from atft.probes import pipeline_slice
from atft.probes.pipeline_slice import (
    BLOW_UP,
    CHANGES,
    LATER_DAYS,
    TRAINING_DAYS,
    change_after,
    slice_columns,
    slice_panel,
)
from atft.tasks.day_data import DayData
from atft.tasks.panel_source import PanelOptions


@pytest.fixture(scope="module")
def part(market_data: DayData, tmp_path_factory: pytest.TempPathFactory) -> DayData:
    return slice_panel(market_data, tmp_path_factory.mktemp("slice"))


def test_a_slice_has_the_first_validation_day_of_its_run(market_data: DayData, part: DayData) -> None:
    first = [d.open_cache().manifest.dates[int(d.split.val[0])] for d in (market_data, part)]
    assert first[0] == first[1] and not len(part.split.test)
    dates, start = market_data.open_cache().manifest.dates, int(market_data.split.val[0])
    # Lookback and window of the graph, the longest label, and the training days before; validation days after.
    before = 5 + 20 + 5 + TRAINING_DAYS
    assert part.open_cache().manifest.dates == dates[start - before : start + LATER_DAYS]
    # The first days lack a lookback of 5, labels of the last 5 reach into the validation days.
    assert len(part.split.train) == before - 4 - 5 and len(part.split.val) == 35
    assert part.horizons == market_data.horizons and part.graph_options == market_data.graph_options


@pytest.mark.parametrize("kind", [pl.Int64, pl.Float64, pl.Categorical])
def test_codes_of_any_type_are_those_of_the_cache(
    kind: type[pl.DataType], market: Path, open_panel: Callable[..., DayData], tmp_path: Path
) -> None:
    code = (
        pl.col("code")
        .str.strip_prefix("S")
        .cast(pl.Int64)
        .cast(pl.String if kind is pl.Categorical else kind)
    )
    panel = tmp_path / "panel.parquet"
    pl.read_parquet(market).with_columns(code.cast(kind)).write_parquet(panel)
    data = open_panel(panel)
    sliced = slice_panel(data, tmp_path / "slice")
    assert sliced.open_cache().codes == data.open_cache().codes


def test_a_simulated_market_has_the_slice_of_its_file(
    market_data: DayData, part: DayData, tmp_path: Path
) -> None:
    data = DayData(
        PanelOptions(simulate=MarketOptions(stocks=60, days=160, features=17)),
        market_data.split_options,
        market_data.loader_options,
        replace(market_data.cache_options, dir=str(tmp_path / "cache")),
        market_data.graph_options,
        horizons=market_data.horizons,
    )
    sliced = slice_panel(data, tmp_path / "slice")
    frames = [pl.read_parquet(str(d.panel.path)) for d in (sliced, part)]
    assert frames[0].equals(frames[1])


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
    later, after = before.filter(~earlier), after.filter(~earlier)
    columns = slice_columns(part)
    labels = [*columns.targets, *columns.delayed_targets, *columns.oracle]
    numbers = [n for n in columns.all if n not in ("date", "code", "sector", "universe", *labels)]
    if name == "deleted":
        assert not len(after)
    elif name == "blown up":
        assert len(numbers) == 17 + 3 + 2 + 3
        blown = later.with_columns((pl.col(numbers) * BLOW_UP).cast(pl.Float32))
        assert after.equals(blown.select(after.columns))
    else:
        # The same values of each column on other rows; market-wide ones stay, membership is drawn.
        assert after.select("date", "code", "sector").equals(later.select("date", "code", "sector"))
        for column in (*labels, *numbers):
            assert after[column].sort().equals(later[column].sort())
            assert after[column].equals(later[column]) == (column in columns.regime), column
        assert 0.4 < after["universe"].mean() < 0.6  # type: ignore[operator]


def test_a_large_panel_is_cut_to_stocks_spread_over_the_alphabet(
    market_data: DayData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline_slice, "MAX_STOCKS", 13)
    codes = market_data.open_cache().codes
    sliced = slice_panel(market_data, tmp_path)
    chosen = np.unique(np.linspace(0, len(codes) - 1, 13).astype(int))
    assert len(chosen) == 13 and set(sliced.open_cache().codes) <= {codes[i] for i in chosen}
    rows = pl.read_parquet(str(sliced.panel.path))
    first, last = sliced.open_cache().manifest.dates[0], sliced.open_cache().manifest.dates[-1]
    whole = pl.read_parquet(str(market_data.panel.path)).filter(
        pl.col("code").is_in([codes[i] for i in chosen]), pl.col("date").is_between(first, last)
    )
    assert rows.sort("date", "code").equals(whole.sort("date", "code"))
