"""Copies of a slice differ after a day, and nowhere before it."""

from pathlib import Path

import polars as pl
import pytest

from atft.probes.pipeline_slice import CHANGES, change_after, slice_panel
from atft.tasks.day_data import DayData


@pytest.fixture(scope="module")
def part(market_data: DayData, tmp_path_factory: pytest.TempPathFactory) -> DayData:
    return slice_panel(market_data, tmp_path_factory.mktemp("slice"))


def test_a_slice_has_the_first_validation_day_of_its_run(market_data: DayData, part: DayData) -> None:
    first = [d.open_cache().manifest.dates[int(d.split.val[0])] for d in (market_data, part)]
    assert first[0] == first[1] and not len(part.split.test)
    assert part.horizons == market_data.horizons and part.graph_options == market_data.graph_options


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
