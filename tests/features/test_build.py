"""Prices to panel, end to end: the file's shape, its labels, its universe, and that it never looks ahead."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal

from atft.errors import InputError
from atft.features import build as module
from atft.features import variation
from atft.features.build import PanelReport, build_panel, stock_features
from atft.features.checked_prices import History
from atft.features.options import FeatureOptions
from atft.features.row_checks import check_rows
from atft.panel import PanelSchema, resolve_columns
from small_prices import grid_of

OPTIONS = FeatureOptions(min_history_days=60, min_close=0.5, min_traded_value=1e4)
LABELS = "^target_.*$"


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., pl.DataFrame]:
    """Build a panel of a frame of prices and read it back."""
    count = iter(range(100))

    def make(frame: pl.DataFrame, options: FeatureOptions = OPTIONS) -> pl.DataFrame:
        prices = tmp_path / f"prices_{next(count)}.parquet"
        frame.write_parquet(prices)
        build_panel(prices, tmp_path / "panel.parquet", options)
        return pl.read_parquet(tmp_path / "panel.parquet")

    return make


def test_no_two_features_have_one_name(past: History) -> None:
    names = [name for name, _ in stock_features(past)]
    assert len(set(names)) == len(names)


def test_a_download_with_winter_and_summer_offsets_gives_the_panel_of_plain_dates_bit_for_bit(
    make_market, to_frame, tmp_path: Path
) -> None:
    frame = to_frame(make_market(days=300))
    new_york = pl.col("date").cast(pl.Datetime("us")).dt.replace_time_zone("America/New_York")
    frame.write_parquet(tmp_path / "plain.parquet")
    frame.with_columns(new_york.dt.to_string("%Y-%m-%d %H:%M:%S%:z")).write_csv(tmp_path / "download.csv")
    frame.with_columns(new_york).write_parquet(tmp_path / "zoned.parquet")
    panels = []
    for prices in ("plain.parquet", "download.csv", "zoned.parquet"):
        build_panel(tmp_path / prices, tmp_path / "panel.parquet", OPTIONS)
        panels.append((tmp_path / "panel.parquet").read_bytes())
    assert panels[0] == panels[1] == panels[2]


def test_the_panel_has_the_default_schema(make_prices, tmp_path: Path) -> None:
    out = tmp_path / "panel.parquet"
    report = build_panel(make_prices(), out, OPTIONS)
    schema = pq.read_schema(out)
    columns = resolve_columns(PanelSchema(), schema.names, [1, 5, 10, 20], str(out))
    assert columns.features == report.features
    assert len(report.features) >= 112 and all(n.startswith("x_") for n in report.features)
    assert len(columns.delayed_targets) == 4
    assert columns.exposures == ("exposure_size", "exposure_beta", "exposure_volatility")
    assert columns.context == ("return_1d", "momentum_20d", "traded_value")
    assert len(columns.regime) >= 10
    assert columns.return_1d == "return_1d"
    assert set(schema.names) == set(columns.all)
    floats = [n for n in schema.names if n not in ("date", "code", "sector", "universe")]
    assert {str(schema.field(n).type) for n in floats} == {"float"}
    assert str(schema.field("date").type) == "date32[day]"
    frame = pl.read_parquet(out)
    assert frame.select("date", "code").equals(frame.select("date", "code").sort("date", "code"))
    assert report.prices.kept.sum() == frame.height
    assert report.prices.universe.sum() == frame["universe"].sum() > 0
    assert report.flat == ()


def test_unknown_is_null_never_nan_or_infinite(make_prices, tmp_path: Path) -> None:
    build_panel(make_prices(), tmp_path / "panel.parquet", OPTIONS)
    floats = pl.read_parquet(tmp_path / "panel.parquet").select(pl.col(pl.Float32))
    assert not floats.select(pl.any_horizontal(pl.all().is_nan().any())).item()
    assert not floats.select(pl.any_horizontal(pl.all().is_infinite().any())).item()
    assert floats.null_count().sum_horizontal().item() > 0


def test_row_groups_hold_whole_consecutive_days(make_prices, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(module, "BLOCK_CELLS", 90 * 16)
    build_panel(make_prices(), tmp_path / "panel.parquet", OPTIONS)
    file = pq.ParquetFile(tmp_path / "panel.parquet")
    assert file.num_row_groups == 5
    last = None
    for group in range(file.num_row_groups):
        dates = file.read_row_group(group, ["date"])["date"].to_pylist()
        assert last is None or last < dates[0]
        last = dates[-1]


def test_a_csv_and_a_parquet_file_give_the_same_panel(make_market, to_frame, tmp_path: Path) -> None:
    frame = to_frame(make_market())
    frame.write_parquet(tmp_path / "p.parquet")
    frame.write_csv(tmp_path / "p.csv")
    for name in ("p.parquet", "p.csv"):
        build_panel(tmp_path / name, tmp_path / f"{name}.panel.parquet", OPTIONS)
    one, two = (pl.read_parquet(tmp_path / f"{n}.panel.parquet") for n in ("p.parquet", "p.csv"))
    assert one.equals(two)


def test_the_order_of_the_rows_and_the_size_of_a_block_change_no_bit(
    make_market, to_frame, build, monkeypatch
) -> None:
    frame = to_frame(make_market(stocks=70))
    whole = build(frame)
    assert build(frame.sample(fraction=1, shuffle=True, seed=0)).equals(whole)
    for days in (137, 40):
        monkeypatch.setattr(module, "BLOCK_CELLS", days * 70)
        assert build(frame).equals(whole)


def test_targets_context_and_exposures_follow_their_definitions(make_market, to_frame, build) -> None:
    table = make_market()
    panel = build(to_frame(table))
    close = table["close"].astype(np.float32).astype(np.float64)
    value = close * table["volume"].astype(np.float32)
    calendar = panel["date"].unique().sort().to_list()
    for row in panel.sample(150, seed=1).iter_rows(named=True):
        day, stock = calendar.index(row["date"]), int(row["code"]) - 1000
        for h in (1, 5, 10, 20):
            for lag, name in ((0, f"target_{h}d"), (1, f"target_{h}d_lag1")):
                sell = day + lag + h
                ratio = close[sell, stock] / close[day + lag, stock] - 1 if sell < len(close) else np.nan
                got = np.nan if row[name] is None else row[name]
                np.testing.assert_allclose(got, ratio, rtol=1e-5, atol=1e-8)
        past = close[day, stock] / close[day - 20, stock] - 1 if day >= 20 else np.nan
        got = np.nan if row["momentum_20d"] is None else row["momentum_20d"]
        np.testing.assert_allclose(got, past, rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(row["traded_value"], value[day, stock], rtol=1e-6)
        if row["exposure_size"] is not None:
            mean = np.nanmean(value[max(0, day - 19) : day + 1, stock])
            np.testing.assert_allclose(row["exposure_size"], np.log(mean), rtol=1e-6)
        assert row["exposure_beta"] == row["x_beta_250d"]
        assert row["exposure_volatility"] == row["x_volatility_60d"]


def test_the_lag_moves_the_targets_and_not_the_delayed_ones(make_market, to_frame, build) -> None:
    frame = to_frame(make_market(days=300))
    panel = build(frame, FeatureOptions(min_history_days=60, min_close=0, min_traded_value=0, lag=1))
    assert panel["target_5d"].equals(panel["target_5d_lag1"])


@pytest.mark.parametrize("ratios", [(1 / 2,), (1 / 3, 4), (10, 1 / 10)], ids=str)
def test_after_a_split_that_is_left_out_features_are_those_of_a_stock_that_did_not_trade_that_day(
    ratios: tuple[float, ...], make_market, to_frame, build
) -> None:
    table = make_market(days=420, stocks=12, missing=0.0)
    whole = {name: of.copy() for name, of in table.items()}
    for day, ratio in zip((320, 350), ratios, strict=False):
        for name in ("open", "high", "low", "close"):
            # Its first day in other units is the day before: prices are joined there, the day's return is lost.
            table[name][day, 5], whole[name][day, 5] = table[name][day - 1, 5], whole[name][day - 1, 5]
            table[name][day:, 5] *= ratio
        table["volume"][day:, 5] /= ratio
    for day, _ in zip((320, 350), ratios, strict=False):
        whole["close"][day, 5] = np.nan
    got, want = (build(to_frame(of)).drop(LABELS) for of in (table, whole))
    assert_frame_equal(got, want, rel_tol=2e-4, abs_tol=2e-4)


def test_the_sector_is_carried_through(make_market, to_frame, build) -> None:
    frame = to_frame(make_market(days=300))
    panel = build(frame)
    assert panel["sector"].null_count() > 0
    assert panel.select("date", "code", "sector").equals(frame.select("date", "code", "sector"))
    assert build(frame.drop("sector"))["sector"].null_count() == panel.height


def damaged(frame: pl.DataFrame, way: str, last: object) -> pl.DataFrame:
    """The same prices up to ``last``, another future."""
    past, future = frame.filter(pl.col("date") <= last), frame.filter(pl.col("date") > last)
    if way == "delete":
        return past
    if way == "blow up":
        names = ("open", "high", "low", "close", "volume")
        return pl.concat([past, future.with_columns((pl.col(n) * 1e9).cast(pl.Float32) for n in names)])
    # Each stock's days in another order: prices of other stocks would all be jumps, and be left out.
    names = ("open", "high", "low", "close", "volume")
    return pl.concat([past, future.with_columns(pl.struct(names).shuffle(1).over("code").struct.unnest())])


@pytest.mark.parametrize("way", ["delete", "blow up", "scramble"])
def test_a_changed_future_changes_no_bit_up_to_the_day(
    way: str, make_market, to_frame, build, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Seventy days of prices leave the features of a year unknown; that raises elsewhere.
    monkeypatch.setattr(variation, "FLAT_FEATURES_SHARE", 1.0)
    table = make_market(days=340, stocks=24)
    # Stocks that are listed late or leave early, a split that was not adjusted, a frozen price.
    table["close"][:200, 3] = table["close"][:310, 4] = table["close"][250:, 11] = np.nan
    for name in ("open", "high", "low", "close"):
        table[name][150:, 7] /= 10
        table[name][100:130, 8] = table[name][100, 8]
    frame = to_frame(table)
    whole = build(frame).drop(pl.col(LABELS))
    assert whole["universe"].sum() > 1000
    calendar = frame["date"].unique().sort()
    for cut in (70, 125, 151, 262, 300, 338):
        past = whole.filter(pl.col("date") <= calendar[cut])
        other = build(damaged(frame, way, calendar[cut])).drop(pl.col(LABELS))
        other = other.filter(pl.col("date") <= calendar[cut])
        for name in past.columns:
            assert past[name].equals(other[name], null_equal=True), f"{name} up to day {cut}"


@pytest.mark.parametrize("option", ["min_close", "min_traded_value", "min_history_days"])
def test_a_universe_that_is_empty_says_what_to_lower(option: str, make_prices, tmp_path: Path) -> None:
    high = {"min_close": 1e6, "min_traded_value": 1e15, "min_history_days": 1000}
    with pytest.raises(InputError, match="no stock is ever in the universe; lower min_close"):
        build_panel(make_prices(), tmp_path / "o.parquet", FeatureOptions(**{option: high[option]}))
    assert not (tmp_path / "o.parquet").exists()


def test_prices_without_any_range_or_volume_fail_the_post_condition_by_name(
    make_market, to_frame, tmp_path: Path
) -> None:
    frame = to_frame(make_market()).with_columns(open=pl.lit(0.0), high=pl.lit(0.0), low=pl.lit(0.0))
    frame.write_parquet(tmp_path / "p.parquet")
    with pytest.raises(InputError, match=r"25 features are never known in the universe, as x_gap_1d"):
        build_panel(tmp_path / "p.parquet", tmp_path / "o.parquet", OPTIONS)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p.parquet"]


def test_prices_of_less_than_a_year_raise_by_the_features_they_leave_unknown(
    make_prices, tmp_path: Path
) -> None:
    with pytest.raises(
        InputError, match=r"never known in the universe, as x_return_120d, .* more than the 250 days"
    ):
        build_panel(make_prices(days=100), tmp_path / "o.parquet", OPTIONS)


def test_when_no_row_passes_the_checks_the_counts_are_named(make_market, to_frame, tmp_path: Path) -> None:
    to_frame(make_market(days=20)).with_columns(close=pl.lit(-1.0)).write_parquet(tmp_path / "p.parquet")
    with pytest.raises(InputError, match="no row passes the checks"):
        build_panel(tmp_path / "p.parquet", tmp_path / "o.parquet", OPTIONS)


def test_exclusions_are_counted_per_check(make_market, to_frame, tmp_path: Path) -> None:
    table = make_market(missing=0)
    table["close"][50, 2] = 0
    table["close"][60:75, 5] = table["close"][60, 5]
    for name in ("open", "high", "low", "close"):
        table[name][200:, 7] /= 50
    to_frame(table).write_parquet(tmp_path / "p.parquet")
    report = build_panel(tmp_path / "p.parquet", tmp_path / "o.parquet", OPTIONS)
    assert report.prices.exclusions == {
        "duplicate": 0,
        "non-positive close": 1,
        "not a trading day": 0,
        "copy of another code": 0,
        "unadjusted split": 0,
        "frozen price": 5,
        "return beyond the cap": 1,
    }
    assert report.prices.kept.sum() == 400 * 16 - 7


def test_the_report_has_a_line_for_each_check() -> None:
    grid = grid_of(np.arange(1.0, 6.0)[:, None] * [[10, 11]])
    grid.open[0, 0] = np.nan
    options = FeatureOptions(min_history_days=1, min_traded_value=0)
    prices = check_rows(
        replace(grid, exclusions={"duplicate": 3}, layout="p.csv: daily bars", notes=("one gap",)), options
    )
    report = PanelReport(Path("p.parquet"), prices, ("x_a",), ("x_a",))
    assert report.lines() == [
        "p.csv: daily bars",
        "p.parquet: 10 rows, 5 days, 2 stocks, 1 features; 0 rows in the universe",
        "left out, duplicate: 3 rows",
        "left out, copy of another code: 0 rows",
        "left out, unadjusted split: 0 rows",
        "left out, return beyond the cap: 0 rows",
        "left out, frozen price: 0 rows",
        "one gap",
        "taken as missing, open: 1 row",
        "taken as missing, volume: 0 rows",
        "taken as missing, high and low: 0 rows",
        "the same for all stocks on more than 5 % of days: x_a",
    ]
