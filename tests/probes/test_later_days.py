"""Batches and scores keep their bits; a module that looks ahead is named with what it changed."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from atft.data.cache import DayCache
from atft.nn.atft_gat_fan import ATFTGATFAN
from atft.probes import later_days
from atft.probes.later_days import later_day_suspects
from atft.probes.pipeline_slice import deleted_rows, scrambled_rows
from atft.tasks.day_data import DayData
from atft.tasks.ranking import RankingTask

Open = Callable[..., DayData]


class CentredFeatures(DayData):
    """Smooths a feature over the days before and after."""

    def open_cache(self) -> DayCache:
        if self._cache is None:
            frame, path = pl.read_parquet(str(self.panel.path)), Path(f"{self.panel.path}-centred.parquet")
            centred = pl.col("x_flow").rolling_mean(5, center=True, min_samples=1)
            frame.with_columns(centred.over("code", order_by="date").cast(pl.Float32)).write_parquet(path)
            self.panel = replace(self.panel, path=str(path))
        return super().open_cache()


def test_data_that_look_ahead_are_accused_with_the_feature(
    market_data: DayData, open_panel: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(later_days, "CHANGES", {"deleted": deleted_rows})
    data = open_panel(market_data.panel.path, CentredFeatures)
    task = RankingTask.for_data(market_data, partial(ATFTGATFAN, hidden_size=4, gat_layers=1))
    suspects = later_day_suspects(task, data, tmp_path)
    assert len(suspects) == 2  # one change after each of two days
    assert all("features differ: x_flow" in suspect.evidence for suspect in suspects)


def test_a_panel_with_the_ends_of_its_labels_is_not_accused(
    open_panel: Open, market_rows: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(later_days, "CHANGES", {"scrambled": scrambled_rows})
    days = market_rows["date"].unique().sort().to_frame()
    ends = days.with_columns(pl.col("date").shift(-h).alias(f"label_end_{h}d") for h in (1, 5))
    market_rows.join(ends, on="date").sort("date", "code").write_parquet(tmp_path / "panel.parquet")
    data = open_panel(tmp_path / "panel.parquet")
    task = RankingTask.for_data(data, partial(ATFTGATFAN, hidden_size=4, gat_layers=1))
    assert later_day_suspects(task, data, tmp_path) == []
