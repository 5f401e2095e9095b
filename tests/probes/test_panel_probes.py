"""A clean panel has no leak, and each planted one is found by its probe."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from atft.panel import PanelSchema
from atft.probes import panel_grid
from atft.probes.finding import leaks
from atft.probes.panel_grid import PanelGrid
from atft.probes.panel_probes import COLUMN_PROBES, panel_findings, probed_columns

PLANTS = {
    "future": pl.col("return_1d").shift(-2).over("code"),
    "label in a column": pl.col("target_5d").exp(),
    "whole-period scaling": pl.col("traded_value") / pl.col("traded_value").max().over("code"),
    "statistics of later days": pl.col("target_5d").mean().over("sector"),
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


@pytest.mark.parametrize("value", [pl.col("x_flow"), pl.lit(1.0)], ids=["numbers", "one number"])
def test_a_column_that_is_null_before_a_fall_is_found(
    value: pl.Expr, market_rows: pl.DataFrame, planted: Any
) -> None:
    known = pl.when(pl.col("target_1d") > -0.005).then(value)
    found = leaks(panel_findings(planted(market_rows, known), PanelSchema(features=["x_planted", "x_move"])))
    assert [f.probe for f in found] == ["future"]
    assert found[0].evidence.startswith("x_planted: whether its value is known has RankIC +")


@pytest.mark.parametrize(("gone", "verdict"), [(9, "cannot tell"), (11, "cannot tell"), (40, "ok")])
def test_a_file_that_few_of_many_stocks_leave_cannot_show_that_it_is_no_list_of_survivors(
    gone: int, verdict: str, tmp_path: Path
) -> None:
    # 400 stocks over 150 weeks: 1 % a year are 11.5 stocks.
    days, stocks = 150, 400
    day, stock = (index.ravel() for index in np.indices((days, stocks)))
    here = (stock >= gone) | (day < days // 2)
    noise = np.random.default_rng(0).standard_normal((2, days * stocks)).astype(np.float32)
    columns = {
        "date": np.datetime64("2015-01-07") + 7 * day,
        "code": np.char.add("s", stock.astype(str)),
        "x_a": noise[0],
        "target_1d": 0.01 * noise[1],
    }
    pl.DataFrame({name: values[here] for name, values in columns.items()}).write_parquet(
        tmp_path / "p.parquet"
    )
    (finding,) = (f for f in panel_findings(tmp_path / "p.parquet", PanelSchema()) if f.probe == "survivors")
    assert finding.verdict == verdict
    assert (f"{gone} stocks of 400 leave before the end in 2.9 years" in finding.evidence) is (
        verdict != "ok"
    )


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


def test_features_todays_return_exposures_context_and_market_wide_columns_are_probed(grid: PanelGrid) -> None:
    features = grid.columns.features
    assert len(features) == 17 and probed_columns(grid) == [
        *features,
        "return_1d",
        *("exposure_size", "exposure_beta", "exposure_volatility"),
        *("momentum_20d", "traded_value"),
        *("regime_volatility", "regime_trend"),
    ]


def test_a_list_that_never_changes_is_that_of_the_last_day_or_cannot_be_judged(
    market_rows: pl.DataFrame, planted: Any
) -> None:
    schema = PanelSchema(features=["x_flow"])
    days, rng = market_rows["date"].n_unique(), np.random.default_rng(0)
    walk = pl.Series("walk", rng.normal(scale=0.2, size=len(market_rows)))
    rows = market_rows.with_columns(exposure_size=walk.cum_sum()).with_columns(
        exposure_size=pl.col("exposure_size") - pl.col("exposure_size").mean().over("code")
    )
    size = pl.col("exposure_size").sort_by("date")
    for day, value in {"last": size.last(), "first": size.first()}.items():
        large = value.over("code") > 0
        panel = planted(rows.with_columns(universe=large), name=day)
        found = {f.probe: f for f in panel_findings(panel, schema)}["universe"]
        if day == "last":
            assert found.verdict == "LEAK" and "exposure_size of the last day separates" in found.evidence
        else:
            assert (
                found.verdict == "cannot tell" and f"in {days} days; if it is a later list" in found.evidence
            )


def test_five_features_that_reach_0_and_1_once_are_scaled_by_the_range_of_all_days(
    market_rows: pl.DataFrame, planted: Any
) -> None:
    names = [f"x_{i}" for i in range(5)]
    values = np.random.default_rng(0).random((len(market_rows), 5))
    scaled = (values - values.min(axis=0)) / np.ptp(values, axis=0)
    rows = market_rows.with_columns(
        pl.Series(n, v).cast(pl.Float32) for n, v in zip(names, scaled.T, strict=True)
    )
    panel = planted(rows)
    for features, accused in ((names, True), (names[:4], False)):
        schema = PanelSchema(features=features)
        found = {f.probe: f for f in panel_findings(panel, schema)}["whole-period scaling"]
        assert (found.verdict == "LEAK") == accused
        assert not accused or "x_0 and 4 more columns: each reaches its least" in found.evidence


def test_a_column_scaled_over_the_whole_file_is_found_where_a_share_of_the_stocks_is_read(
    market_rows: pl.DataFrame, planted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(panel_grid, "MAX_STOCKS", 20)
    value = pl.col("x_flow")
    plants = {
        "over the whole file": (value - value.mean()) / value.std(),
        "ranks over all dates": value.rank() / value.count(),
        "": (value - value.mean().over("date")) / value.std().over("date"),
    }
    for text, plant in plants.items():
        panel = planted(market_rows, plant)
        found = {f.probe: f for f in panel_findings(panel, PanelSchema(features=["x_planted", "x_move"]))}
        assert found["whole-period scaling"].verdict == ("LEAK" if text else "ok")
        assert text in found["whole-period scaling"].evidence


def test_labels_filled_with_0_are_found_also_without_returns(market_rows: pl.DataFrame, planted: Any) -> None:
    filled = planted(market_rows.with_columns(pl.col("target_1d", "target_5d").fill_null(0)))
    for schema in (PanelSchema(features=["x_flow"]), PanelSchema(features=["x_flow"], return_1d=None)):
        found = {f.probe: f for f in panel_findings(filled, schema, [5])}["label's days"]
        assert found.verdict == "LEAK" and found.evidence.startswith(
            "target_5d: is 0 for all stocks on the last 5"
        )
        assert "leave unknown labels null" in found.remedy


def test_without_returns_neighbours_cannot_be_judged_and_forty_days_are_enough(
    market_rows: pl.DataFrame, planted: Any
) -> None:
    days = market_rows["date"].unique().sort()
    blind = PanelSchema(features=["x_flow"], return_1d=None)
    found = {f.probe: f for f in panel_findings(planted(market_rows), blind, [5])}
    assert found["neighbours' future"].verdict == found["label's days"].verdict == "cannot tell"
    assert "name the column return_1d" in found["neighbours' future"].evidence
    assert found["future"].verdict == "ok"
    for count, verdict in ((39, "cannot tell"), (40, "ok")):
        panel = planted(market_rows.filter(pl.col("date") < days[count]), name=f"{count}")
        short = {f.probe: f for f in panel_findings(panel, PanelSchema(features=["x_flow"]))}
        assert short["future"].verdict == verdict
    assert short["future"].evidence == "9 columns, 40 days, 54 stocks"


def test_today_s_list_with_the_days_of_joining_cannot_be_judged(
    market_rows: pl.DataFrame, planted: Any
) -> None:
    days = market_rows["date"].unique().sort()
    codes = market_rows["code"].unique().sort()[:30]
    added = dict(zip(codes, days.gather_every(4), strict=False))
    since = pl.col("code").replace_strict(added, default=None, return_dtype=pl.Date)
    rows = market_rows.with_columns(universe=(pl.col("date") >= since).fill_null(False))
    found = {f.probe: f for f in panel_findings(planted(rows), PanelSchema(features=["x_flow"]))}["universe"]
    assert found.verdict == "cannot tell"
    assert "none ever leaves it; if it is a later list with the days of joining" in found.evidence


def test_a_number_that_never_changes_is_named_for_the_reader(market_rows: pl.DataFrame, planted: Any) -> None:
    first = pl.col("x_flow").drop_nulls().first().over("code", order_by="date")
    panel = planted(market_rows, first)
    found = {f.probe: f for f in panel_findings(panel, PanelSchema(features=["x_planted", "x_move"]))}
    finding = found["statistics of later days"]
    assert (
        finding.verdict == "ok"
        and "one number a stock, known on its first day? x_planted" in finding.evidence
    )


def test_infinite_values_are_probed_without_a_warning(market_rows: pl.DataFrame, planted: Any) -> None:
    infinite = pl.when(pl.int_range(pl.len()) % 50 < 2).then(float("inf")).otherwise(pl.col("x_flow"))
    assert leaks(panel_findings(planted(market_rows, infinite), PanelSchema(features=["x_planted"]))) == []
