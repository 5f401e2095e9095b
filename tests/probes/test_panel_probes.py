"""A clean panel has no leak, and each planted one is found by its probe."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from atft.panel import PanelSchema
from atft.probes.finding import leaks
from atft.probes.panel_probes import COLUMN_PROBES, panel_findings

PLANTS = {
    "future": pl.col("return_1d").shift(-2).over("code"),
    "label in a column": pl.col("target_5d").exp(),
    "whole-period scaling": pl.col("traded_value") / pl.col("traded_value").max().over("code"),
    "back-filled gaps": pl.col("x_flow").rolling_mean(20).backward_fill().over("code"),
}


def test_a_clean_panel_has_no_leak_and_says_what_it_cannot_show(market: Path) -> None:
    findings = panel_findings(market, PanelSchema())
    assert leaks(findings) == []
    assert [f.probe for f in findings if f.verdict == "cannot tell"] == ["survivors"]
    assert len(findings) == len(COLUMN_PROBES) + 5


@pytest.mark.parametrize("probe", PLANTS)
def test_a_planted_column_is_found_by_its_probe(probe: str, market_rows: pl.DataFrame, planted: Any) -> None:
    schema = PanelSchema(features=["x_planted", "x_flow", "x_move", "x_slow_1"])
    found = {f.probe: f for f in leaks(panel_findings(planted(market_rows, PLANTS[probe]), schema))}
    assert "x_planted" in found[probe].evidence and found[probe].remedy


def test_rows_in_the_order_of_their_label_and_a_panel_of_a_few_days(
    market_rows: pl.DataFrame, tmp_path: Path
) -> None:
    schema = PanelSchema(features=["x_flow"], universe=None)
    market_rows.sort("date", "target_1d").write_parquet(tmp_path / "a.parquet")
    findings = {f.probe: f for f in panel_findings(tmp_path / "a.parquet", schema)}
    assert findings["order of the rows"].verdict == "LEAK"
    assert findings["universe"].evidence == "the panel has no universe column"
    assert findings["copied rows"].verdict == "cannot tell"
    days = market_rows["date"].unique().sort()[:25]
    market_rows.filter(pl.col("date").is_in(days.implode())).write_parquet(tmp_path / "b.parquet")
    short = {f.probe: f for f in panel_findings(tmp_path / "b.parquet", schema)}
    assert short["future"].evidence == "only 25 days" and leaks(short.values()) == []
