"""Rows that are missing by their label, rows that the panel lacks, and labels that are not its own."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft.panel import PanelSchema
from atft.probes.coverage import coverage_suspects, missing_by_label
from atft.probes.panel_grid import PanelGrid, read_grid
from atft.probes.scored_rows import read_scored_rows


@pytest.fixture(scope="module")
def grid(market: Path) -> PanelGrid:
    return read_grid(market, PanelSchema())


def evidence(frame: pl.DataFrame, grid: PanelGrid, folder: Path) -> list[str]:
    frame.write_parquet(folder / "p.parquet")
    (part,) = read_scored_rows(folder / "p.parquet")
    return [suspect.evidence for suspect in coverage_suspects(part, grid)]


def test_scores_of_every_member_are_fine_and_each_choice_of_rows_is_named(
    market_rows: pl.DataFrame, grid: PanelGrid, tmp_path: Path
) -> None:
    members = market_rows.filter("universe")
    scores = members.select("date", "code", score="x_flow", target="target_1d").with_columns(
        pl.col("score").fill_null(0.0)
    )
    assert evidence(scores, grid, tmp_path) == []
    place = pl.col("target").rank().over("date") / pl.col("target").count().over("date")
    (text,) = evidence(scores.filter(place.is_between(0.03, 0.97) | place.is_null()), grid, tmp_path)
    assert "most extreme labels are missing" in text
    other = scores.with_columns(target=pl.col("target").shift(-1).over("code", order_by="date"))
    (text,) = evidence(other, grid, tmp_path)
    assert "targets are not the panel's target_1d" in text
    later = scores.with_columns(pl.col("date").dt.offset_by("2y"))
    assert evidence(pl.concat([scores, later.head(50)]), grid, tmp_path)[0].endswith("padded rows?")
    (text,) = evidence(later, grid, tmp_path)
    assert text == "no row of the file has a date and a code of the panel"


def test_rows_without_a_label_that_are_missing_are_accused_and_whole_days_are_not() -> None:
    rng = np.random.default_rng(0)
    target = rng.standard_normal((50, 40))
    target[rng.random(target.shape) < 0.05] = np.nan
    target[-1] = np.nan
    everyone = np.ones(target.shape, dtype=bool)
    (text,) = missing_by_label(everyone, np.isfinite(target), target)
    assert "whose label is unknown are missing" in text
    whole = everyone.copy()
    whole[-1] = False
    assert missing_by_label(everyone, whole, target) == []
    assert missing_by_label(everyone, rng.random(target.shape) < 0.5, target) == []
