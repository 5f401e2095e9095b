"""Features keep their bits when later prices change; a panel of the past that has changed is accused."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from atft.errors import InputError
from atft.features.options import FeatureOptions
from atft.panel import PanelSchema
from atft.probes import price_probes
from atft.probes.price_probes import changed_prices, earlier_panel_finding, price_finding, price_slice


def prices(days: int = 320, stocks: int = 12) -> pl.DataFrame:
    rng, first = np.random.default_rng(0), date(2015, 1, 5)
    calendar = [day for i in range(2 * days) if (day := first + timedelta(i)).weekday() < 5][:days]
    close = 50 * np.exp(np.cumsum(0.02 * rng.standard_normal((days, stocks)), axis=0)).astype(np.float32)
    table: dict[str, Any] = {
        "date": [day for day in calendar for _ in range(stocks)],
        "code": [f"s{i:02d}" for i in range(stocks)] * days,
    }
    wide = 1 + 0.02 * rng.random((3, days * stocks)).astype(np.float32)
    table |= {"high": close.ravel() * wide[0] * 1.01, "low": close.ravel() / wide[1] / 1.01}
    table |= {"open": close.ravel() * wide[2] / 1.01}
    table |= {"close": close.ravel(), "volume": rng.uniform(1e5, 1e6, days * stocks).astype(np.float32)}
    return pl.DataFrame(table)


def test_features_from_prices_do_not_change_with_later_prices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(price_probes, "KEPT_DAYS", 15)
    prices().write_parquet(tmp_path / "prices.parquet")
    options = FeatureOptions(min_history_days=5, min_traded_value=0, horizons=[1, 5])
    finding = price_finding(tmp_path / "prices.parquet", options)
    assert finding.verdict == "ok", finding
    assert "175 features are the same bits" in finding.evidence


def test_prices_of_too_few_days_tell_nothing(tmp_path: Path) -> None:
    prices(310).write_parquet(tmp_path / "prices.parquet")
    finding = price_finding(tmp_path / "prices.parquet")
    assert finding.verdict == "cannot tell"
    assert finding.evidence.endswith("prices.parquet has 310 days of prices; more than 310 are needed")


def test_later_prices_are_deleted_or_disturbed_and_earlier_ones_kept() -> None:
    table, cut = prices(60).to_arrow(), date(2015, 2, 27)
    whole = pl.from_arrow(table)
    for change in price_probes.PRICE_CHANGES:
        changed: Any = pl.from_arrow(changed_prices(table, cut, change))
        earlier = pl.col("date") <= cut
        assert whole.filter(earlier).equals(changed.filter(earlier))  # type: ignore[union-attr]
        assert not whole.equals(changed)  # type: ignore[arg-type]


def test_a_file_of_closes_has_closes_to_disturb(tmp_path: Path) -> None:
    prices(60).select("date", "code", "close").write_csv(tmp_path / "p.csv")
    table, cut = price_slice(tmp_path / "p.csv")
    assert table.column_names == ["date", "code", "close"]
    assert not changed_prices(table, cut, "disturbed").equals(table)


def test_a_panel_whose_past_has_changed_is_accused(market_rows: pl.DataFrame, planted: Any) -> None:
    days = market_rows["date"].unique().sort()
    earlier = market_rows.filter(pl.col("date") <= days[99])
    unknown = pl.col("date") > days[98]
    old = planted(
        earlier.with_columns(target_1d=pl.when(unknown).then(None).otherwise("target_1d")), name="old"
    )
    schema, both = PanelSchema(features=["x_flow"]), PanelSchema(features=["x_flow", "x_planted"])
    # The end of a label's days is known with it.
    ends = pl.col("date") + pl.duration(days=1)
    old_end, new_end = (
        planted(rows.with_columns(label_end_1d=end, label_end_5d=end), name=name)
        for rows, end, name in (
            (pl.read_parquet(old), pl.when(unknown).then(None).otherwise(ends), "old-end"),
            (market_rows, ends, "new-end"),
        )
    )
    assert earlier_panel_finding(old_end, new_end, schema).verdict == "ok"
    scaled = pl.col("x_flow") / pl.col("x_flow").max().over("code")
    ok = earlier_panel_finding(old, planted(market_rows, name="new"), schema)
    assert (ok.verdict, ok.evidence) == ("ok", f"rows up to {days[99]} are the same in both panels")
    before, after = planted(earlier, scaled, "before"), planted(market_rows, scaled, "after")
    # A feature that only the later panel has is compared with nothing.
    assert earlier_panel_finding(old, after, both).verdict == "ok"
    with pytest.raises(InputError, match="no column 'x_planted' for the role features"):
        earlier_panel_finding(old, old_end, both)
    leak = earlier_panel_finding(before, after, both)
    assert (
        leak.verdict == "LEAK"
        and leak.evidence.startswith("x_planted: ")
        and "values differ" in leak.evidence
    )
    gone = planted(market_rows.filter(pl.col("code") != "S0007"), name="gone")
    missing = earlier_panel_finding(old, gone, schema)
    assert missing.verdict == "LEAK" and missing.evidence.startswith("rows: ")


def test_rows_that_came_into_the_past_later_and_sectors_that_changed_are_accused(
    market_rows: pl.DataFrame, planted: Any
) -> None:
    days = market_rows["date"].unique().sort()
    schema = PanelSchema(features=["x_flow"])
    earlier = market_rows.filter(pl.col("date") <= days[99])
    stock, day = pl.col("code") == "S0007", pl.col("date") == days[50]
    for name, gone in {"code": stock, "date": day}.items():
        old = planted(earlier.filter(~gone), name=name)
        finding = earlier_panel_finding(old, planted(market_rows, name="new"), schema)
        first = earlier.filter(gone).sort("date", "code").row(0, named=True)
        assert finding.verdict == "LEAK" and finding.evidence == (
            f"rows: {earlier.filter(gone).height} rows of codes or dates that the earlier panel lacks, as "
            f"{first['code']} on {first['date']}"
        )
    lost = earlier_panel_finding(
        planted(earlier), planted(market_rows.filter(~(stock & day)), name="new"), schema
    )
    assert lost.evidence == "rows: 1 rows are in one of the two panels only"
    # A stock that is listed after the earlier panel's end, and a history that goes further back, are no leak.
    later = market_rows.filter(~stock | (pl.col("date") > days[99]))
    old = planted(later.filter(pl.col("date").is_between(days[9], days[99])), name="late")
    assert earlier_panel_finding(old, planted(later, name="new"), schema).verdict == "ok"
    moved = market_rows.with_columns(sector=pl.when(stock).then(pl.lit("other")).otherwise("sector"))
    whole = planted(market_rows, name="new")
    found = earlier_panel_finding(planted(earlier, name="old"), planted(moved, name="moved"), schema)
    known = earlier.filter(stock)
    assert found.evidence == (
        f"sector: {known.height} values differ, the first on {known['date'].min()} for S0007"
    )
    # What only one of the panels has a column for is compared with nothing.
    for column in ("sector", "universe"):
        one, two = planted(earlier.drop(column), name="without"), whole
        assert earlier_panel_finding(one, two, schema).verdict == "ok"
        one, two = planted(earlier, name="old"), planted(market_rows.drop(column), name="without")
        assert earlier_panel_finding(one, two, schema).verdict == "ok"


def test_panels_that_end_on_one_day_or_have_no_common_day_tell_nothing(
    market_rows: pl.DataFrame, planted: Any
) -> None:
    days = market_rows["date"].unique().sort()
    panels = {
        name: planted(market_rows.filter(pl.col("date").is_between(days[first], days[last])), name=name)
        for name, (first, last) in {"start": (0, 50), "part": (20, 50), "end": (60, 99)}.items()
    }
    schema = PanelSchema(features=["x_flow"])
    for earlier, panel in (("start", "start"), ("end", "start")):
        finding = earlier_panel_finding(panels[earlier], panels[panel], schema)
        assert finding.verdict == "cannot tell"
        assert f"the panel ends on {days[50]}" in finding.evidence
    other = earlier_panel_finding(panels["start"], panels["part"], schema)
    assert other.verdict == "LEAK", "rows that differ are named all the same"


def test_values_that_were_unknown_and_labels_that_are_known_no_more_are_accused(
    market_rows: pl.DataFrame, planted: Any
) -> None:
    days = market_rows["date"].unique().sort()
    schema, here = PanelSchema(features=["x_flow"]), pl.col("date") == days[30]
    earlier = market_rows.filter(pl.col("date") <= days[99])
    whole = planted(market_rows, name="new")
    for name, in_new in (("x_flow", False), ("x_flow", True), ("target_5d", True)):
        known = earlier.filter(here & pl.col(name).is_not_null()).sort("code")
        gone = pl.when(here).then(None).otherwise(name)
        old = planted(earlier if in_new else earlier.with_columns(gone.alias(name)), name="old")
        new = planted(market_rows.with_columns(gone.alias(name)), name="gone") if in_new else whole
        finding = earlier_panel_finding(old, new, schema)
        assert finding.evidence == (
            f"{name}: {known.height} values differ, the first on {days[30]} for {known['code'][0]}"
        )


def test_a_feature_of_the_whole_file_is_named_with_each_change_of_later_prices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(source: Path, out: Path, options: FeatureOptions) -> None:
        pl.read_parquet(source).with_columns(
            universe=True,
            x_last=pl.col("close") / pl.col("close").last().over("code", order_by="date"),
            x_past=pl.col("close").pct_change(5).over("code", order_by="date"),
            x_next=pl.col("close").shift(-1).over("code", order_by="date"),
            x_days=pl.col("date").len().over("code"),
            return_1d=pl.col("close").pct_change().over("code", order_by="date"),
            target_1d=pl.col("close").pct_change().shift(-1).over("code", order_by="date"),
        ).select("date", "code", "universe", "^x_.*$", "return_1d", "target_1d").write_parquet(out)

    monkeypatch.setattr(price_probes, "build_panel", build)
    prices(400).write_parquet(tmp_path / "prices.parquet")
    finding = price_finding(tmp_path / "prices.parquet", FeatureOptions(horizons=[1]))
    names = [text.split(":")[0].removeprefix(" ") for text in finding.evidence.split(";")]
    assert finding.verdict == "LEAK" and names == [
        "x_last with later prices deleted",
        "x_next with later prices deleted",
        "x_days with later prices deleted",
        "and 2 more",
    ]


def test_the_stocks_with_the_most_days_are_read_up_to_sixty_and_later_prices_move(tmp_path: Path) -> None:
    frame = prices(90, 64).filter(
        (pl.col("code") > "s03")
        | (pl.col("date").rank("dense") > 5 + pl.col("code").str.slice(1).cast(pl.Int32))
    )
    frame.write_parquet(tmp_path / "p.parquet")
    table, cut = price_slice(tmp_path / "p.parquet")
    rows: Any = pl.from_arrow(table)
    assert sorted(set(rows["code"])) == [f"s{i:02d}" for i in range(4, 64)]
    assert cut == frame["date"].unique().sort()[-61] and len(rows) == 60 * 90
    changed: Any = pl.from_arrow(changed_prices(table, cut, "disturbed"))
    for name in ("open", "close", "volume"):
        factor = (changed[name] / rows[name]).round(4)
        by_day = rows.select("date", factor=factor).unique().sort("date")
        assert by_day.height == 90 and set(by_day["factor"][:30]) == {1.0}
        moved = [1.7 if d.toordinal() % 2 else 0.8 for d in by_day["date"][30:]]
        assert by_day["factor"][30:].to_list() == pytest.approx(moved)
