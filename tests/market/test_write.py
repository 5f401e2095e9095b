"""The panel file: default roles, sorted, whole days to a row group, the same bytes for the same options."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from atft.errors import InputError
from atft.files.panel_files import footer_names
from atft.market.options import MarketOptions, feature_columns, market_columns, market_digest
from atft.market.simulate import simulate_market
from atft.market.write import mean_ic, write_market
from atft.panel import PanelSchema, resolve_columns

SMALL = MarketOptions(stocks=40, days=90)


def test_the_file_has_the_named_columns_and_the_default_schema_resolves_them(tmp_path: Path) -> None:
    report = write_market(tmp_path / "market.parquet", SMALL)
    names = footer_names(report.path)
    assert names == market_columns(SMALL)
    assert resolve_columns(PanelSchema(), names, [1, 5], "market").features == feature_columns(24)
    schema = pq.read_schema(report.path)
    kinds = {name: str(schema.field(name).type) for name in names}
    assert [kinds[n] for n in ("date", "code", "sector", "universe")] == [
        "date32[day]",
        "string",
        "string",
        "bool",
    ]
    assert {k for n, k in kinds.items() if n.startswith(("x_", "target_", "oracle_"))} == {"float"}


def test_rows_are_sorted_unique_and_row_groups_hold_whole_days(tmp_path: Path) -> None:
    options = MarketOptions(stocks=400, days=120)
    report = write_market(tmp_path / "market.parquet", options)
    frame = pl.read_parquet(report.path)
    assert frame.height == report.rows
    keys = frame.select("date", "code")
    assert keys.equals(keys.unique().sort("date", "code"))
    file = pq.ParquetFile(report.path)
    assert file.num_row_groups > 1
    seen: set[object] = set()
    for group in range(file.num_row_groups):
        days = set(file.read_row_group(group, columns=["date"])["date"].to_pylist())
        assert not days & seen
        seen |= days
    assert len(seen) == options.days


def test_the_rows_are_the_market_s_observed_ones_and_unknown_values_are_null(tmp_path: Path) -> None:
    market = simulate_market(SMALL)
    frame = pl.read_parquet(write_market(tmp_path / "market.parquet", SMALL).path)
    assert not any(frame[c].is_nan().any() for c in frame.columns if frame[c].dtype == pl.Float32)
    for name in ("x_cycle", "target_5d", "oracle_1d", "return_1d"):
        expected = market.columns[name][market.observed].astype(np.float32)
        np.testing.assert_array_equal(frame[name].to_numpy(), expected)
    np.testing.assert_array_equal(frame["universe"].to_numpy(), market.universe[market.observed])
    sector = np.broadcast_to(market.sector, market.observed.shape)[market.observed]
    assert frame["sector"].to_list() == [f"sector_{s}" if s >= 0 else None for s in sector]
    assert frame["target_5d"].tail(100).null_count() == 100
    assert 0 < frame["sector"].null_count() < frame.height


def test_the_same_options_write_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    first, again, other = (
        write_market(tmp_path / f"{name}.parquet", MarketOptions(stocks=40, days=90, seed=seed)).path
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first.read_bytes() == again.read_bytes()
    assert first.read_bytes() != other.read_bytes()


def test_the_metadata_and_the_report_name_the_options_and_the_oracle(tmp_path: Path) -> None:
    report = write_market(tmp_path / "market.parquet", SMALL)
    kept = pq.read_schema(report.path).metadata
    assert kept[b"atft.market.digest"].decode() == market_digest(SMALL)
    assert json.loads(kept[b"atft.market"])["stocks"] == 40
    assert set(report.oracle_ic) == {1, 5}
    market = simulate_market(SMALL)
    for h in (1, 5):
        target = market.columns[f"target_{h}d"]
        scores = [market.oracle(h), *market.oracle_parts[h]]
        exact = [mean_ic(score, target, market.universe) for score in scores]
        assert [report.oracle_ic[h], *report.part_ic[h]] == pytest.approx(exact)
    assert json.loads(kept[b"atft.market.oracle_ic"]) == {str(h): ic for h, ic in report.oracle_ic.items()}
    assert market_digest(SMALL) in str(report)
    assert f"{report.rows:,} rows, 90 days, 40 stocks" in str(report)
    assert "1d: best possible IC" in str(report)


def test_nothing_is_left_where_writing_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write_market(tmp_path / "file" / "market.parquet", SMALL)
    with pytest.raises(InputError, match="simulate: out"):
        write_market(tmp_path / "market.csv", SMALL)
    with pytest.raises(InputError, match="stocks must be"):
        write_market(tmp_path / "market.parquet", MarketOptions(stocks=3))
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_the_mean_ic_is_the_mean_of_daily_correlations_over_days_that_have_one() -> None:
    rng = np.random.default_rng(0)
    score, target = rng.standard_normal((5, 30)), rng.standard_normal((5, 30))
    target[0, :4] = np.nan
    score[3] = 1.0
    valid = rng.random((5, 30)) < 0.8
    days = [valid[d] & np.isfinite(target[d]) for d in range(5)]
    daily = [np.corrcoef(score[d][v], target[d][v])[0, 1] for d, v in enumerate(days) if d != 3]
    assert abs(mean_ic(score, target, valid) - np.mean(daily)) < 1e-12
    assert np.isnan(mean_ic(score, target, np.zeros((5, 30), bool)))
