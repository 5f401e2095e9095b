from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft.data.cache import DayCache
from atft.errors import InputError
from atft.panel import PanelSchema

Make = Callable[..., DayCache]
MakePanel = Callable[..., Path]


def _values(frame: pl.DataFrame, column: str, cache: DayCache) -> np.ndarray:
    """[days, stocks] of a column, NaN where there is no row."""
    m = cache.manifest
    table = np.full((len(m.dates), len(m.codes)), np.nan, dtype=np.float32)
    day = {d: i for i, d in enumerate(m.dates)}
    stock = {c: i for i, c in enumerate(cache.codes)}
    for d, c, v in frame.select("date", "code", column).iter_rows():
        if c in stock and d in day and v is not None:
            table[day[d], stock[c]] = v
    return table


@pytest.mark.parametrize("name", ["x_0", "x_5"])
def test_the_cache_holds_the_panels_values(make_panel: MakePanel, make_cache: Make, name: str) -> None:
    panel = make_panel()
    cache = make_cache(panel)
    at = cache.manifest.features.index(name)
    every = np.arange(cache.stocks)
    got = np.stack([cache.day(i).of_stocks("features", every)[:, at] for i in range(len(cache))])
    np.testing.assert_array_equal(got, _values(pl.read_parquet(panel), name, cache))


def test_every_other_column_is_there_too(make_panel: MakePanel, make_cache: Make) -> None:
    panel = make_panel()
    cache = make_cache(panel)
    m, frame = cache.manifest, pl.read_parquet(panel)
    days = [cache.day(i) for i in range(len(cache))]

    def stored(field: str, place: int | None = None) -> np.ndarray:
        values = np.stack([d.of_stocks(field, np.arange(cache.stocks)) for d in days])
        return values if place is None else values[..., place]

    np.testing.assert_array_equal(stored("target", 1), _values(frame, "target_5d", cache))
    np.testing.assert_array_equal(stored("return_1d"), _values(frame, "return_1d", cache))
    np.testing.assert_array_equal(stored("context", 1), _values(frame, "momentum_20d", cache))
    np.testing.assert_array_equal(stored("exposure", 0), _values(frame, "exposure_size", cache))
    rows = ~np.isnan(_values(frame, "x_0", cache))
    np.testing.assert_array_equal(~np.isnan(stored("features", 0)), rows)
    assert m.observed_rows == tuple(rows.sum(axis=1).tolist()) == tuple(len(d.stock) for d in days)
    assert m.universe_rows == tuple(stored("universe").sum(axis=1).tolist())
    assert sum(m.universe_rows) == int(frame["universe"].sum())
    by_day = frame.group_by("date").agg(pl.col("regime_volatility").first()).sort("date")
    np.testing.assert_array_equal(cache.regime[:, 0], by_day["regime_volatility"].to_numpy())
    want = frame.select("date", "code", "sector").filter(pl.col("sector").is_not_null())
    sector = stored("sector")
    assert (sector >= 0).sum() == len(want)
    day = {d: i for i, d in enumerate(m.dates)}
    stock = {c: i for i, c in enumerate(cache.codes)}
    assert all(m.sectors[sector[day[d], stock[c]]] == s for d, c, s in want.iter_rows())


def test_ranked_features_are_uniform_over_each_days_universe(make_panel: MakePanel, make_cache: Make) -> None:
    panel = make_panel(stocks=60)
    cache = make_cache(panel, rank=["x_[0-2]"], zscore=["x_3"])
    assert cache.manifest.scaling == ("rank", "rank", "rank", "zscore", "raw", "raw")
    for i in range(0, 80, 7):
        day = cache.day(i)
        inside = day.features[day.universe]
        np.testing.assert_allclose(inside[:, :4].mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(inside[:, :4].std(axis=0), 1, atol=2e-3)
        outside = ~day.universe
        assert np.isfinite(day.features[outside]).all()


@pytest.mark.parametrize("way", ["rank", "zscore"])
def test_a_feature_that_is_scaled_stays_what_it_is_in_its_other_roles(
    way: str, make_panel: MakePanel, make_cache: Make
) -> None:
    panel, several = make_panel(), ("return_1d", "exposure_size", "momentum_20d")
    plain = make_cache(panel)
    cache = make_cache(panel, schema=PanelSchema(features=["x_*", *several]), **{way: ["*"]})
    assert set(cache.manifest.features) > set(several) and "raw" not in cache.manifest.scaling
    for i in range(0, len(cache), 7):
        for field in ("return_1d", "exposure", "context", "target", "delayed_target"):
            np.testing.assert_array_equal(getattr(cache.day(i), field), getattr(plain.day(i), field), field)
    stocks = plain.day(60).ranked
    for got, want in zip(cache.graph(60, stocks), plain.graph(60, stocks), strict=True):
        np.testing.assert_array_equal(got, want)


def test_half_precision_keeps_the_order_of_features_and_raw_ones_whole(
    make_panel: MakePanel, make_cache: Make
) -> None:
    panel = make_panel()
    full = make_cache(panel, rank=["x_1", "x_2", "x_4"])
    half = make_cache(panel, rank=["x_1", "x_2", "x_4"], dtype="float16")
    assert half.day(5).half_features.shape[1] == 3
    stocks = np.flatnonzero(full.day(5).universe)
    a, b = (np.empty((len(stocks), 6), dtype=np.float32) for _ in range(2))
    full.read_features(5, stocks, a)
    half.read_features(5, stocks, b)
    np.testing.assert_allclose(a, b, atol=1e-3)
    np.testing.assert_array_equal(a[:, [0, 3, 5]], b[:, [0, 3, 5]])


@pytest.mark.parametrize("by_date", [True, False])
def test_a_duplicate_row_is_named(make_panel: MakePanel, make_cache: Make, by_date: bool) -> None:
    panel = make_panel()
    frame = pl.read_parquet(panel)
    double = pl.concat([frame, frame[500:501]])
    (double.sort("date") if by_date else double).write_parquet(panel)
    code, day = frame["code"][500], frame["date"][500]
    with pytest.raises(InputError, match=rf"duplicate rows, the first is \({day}, '{code}'\)"):
        make_cache(panel)


def test_infinite_cells_can_be_counted_as_missing(make_panel: MakePanel, make_cache: Make) -> None:
    panel = make_panel()
    frame = pl.read_parquet(panel)
    infinite = pl.when(pl.col("code") == "S003").then(-np.inf).otherwise(pl.col("x_0")).cast(pl.Float32)
    frame.with_columns(x_0=infinite).write_parquet(panel)
    cache = make_cache(panel, infinite_as_missing=True)
    rows = frame.filter(pl.col("code") == "S003").height
    assert cache.manifest.infinite == {"x_0": rows}
    assert np.isnan(cache.day(3).of_stocks("features", np.array([cache.codes.index("S003")]))[0, 0])


def test_days_of_a_gap_are_empty_and_what_straddles_it_is_unknown(
    make_panel: MakePanel, make_cache: Make
) -> None:
    panel = make_panel(missing=0.0, extra={"target_1d_lag1": _noise(1), "target_5d_lag1": _noise(2)})
    frame = pl.read_parquet(panel)
    whole = make_cache(panel, graph=None)
    gap = pl.col("date").is_between(date(2015, 3, 2), date(2015, 3, 13))
    frame.filter(~gap).write_parquet(panel)
    cache = make_cache(panel, graph=None, rank=["x_0"], zscore=["x_1"])
    manifest = cache.manifest
    assert manifest.dates == whole.manifest.dates
    assert manifest.calendar[0].startswith(
        "unknown across, gaps of more than 4 weekdays: 1, the first 2015-02-27"
    )
    inside = [i for i, d in enumerate(manifest.dates) if date(2015, 3, 2) <= d <= date(2015, 3, 13)]
    first, after = inside[0], inside[-1] + 1
    for day in inside:
        view = cache.day(day)
        assert view.features.shape == (0, len(manifest.features)) and view.target.shape == (0, 2)
        assert manifest.universe_rows[day] == manifest.observed_rows[day] == 0
        assert manifest.regime[day] == (None,)
    for day in set(range(len(cache))) - set(inside):
        got, want = cache.day(day), whole.day(day)
        for name, lag in (("target", 0), ("delayed_target", 1)):
            for place, horizon in enumerate((1, 5)):
                straddles = first - horizon - lag <= day < first
                expected = getattr(want, name)[:, place] * (np.nan if straddles else 1)
                np.testing.assert_array_equal(getattr(got, name)[:, place], expected)
        np.testing.assert_array_equal(got.return_1d, want.return_1d * (np.nan if day == after else 1))
        np.testing.assert_array_equal(got.context[:, 1:], want.context[:, 1:])


def test_a_day_left_out_leaves_the_cache_as_if_it_were_not_in_the_panel(
    make_panel: MakePanel, make_cache: Make
) -> None:
    panel = make_panel()
    frame = pl.read_parquet(panel)
    want = make_cache(panel)
    saturday = frame.filter(pl.col("date") == date(2015, 3, 6)).head(3).with_columns(date=date(2015, 3, 7))
    for rows in (pl.concat([frame, saturday]), pl.concat([frame, saturday]).sort("date", "code")):
        rows.write_parquet(panel)
        got = make_cache(panel, calendar={"rare_weekdays": "exclude"})
        assert got.path != want.path
        for key in ("days", "graph"):
            assert got.manifest.files[key].crcs == want.manifest.files[key].crcs
        assert got.manifest.observed_rows == want.manifest.observed_rows
        assert "left out, dates on Saturday" in got.manifest.calendar[0]


def _noise(seed: int) -> np.ndarray:
    return (0.02 * np.random.default_rng(seed).standard_normal(80 * 20)).astype(np.float32)


def test_a_column_of_more_sectors_than_a_market_has_is_named(tmp_path: Path, make_cache: Make) -> None:
    rows = 2**15
    panel = pl.DataFrame(
        {
            "date": [date(2015, 1, 5)] * rows,
            "code": [f"S{i:05d}" for i in range(rows)],
            "sector": [f"s{i}" for i in range(rows)],
            "x_0": np.arange(rows, dtype=np.float32),
            "target_1d": np.zeros(rows, dtype=np.float32),
        }
    )
    panel.write_parquet(tmp_path / "ids.parquet")
    with pytest.raises(InputError, match=r"'sector' names more than 32,767 sectors, .* or null"):
        make_cache(tmp_path / "ids.parquet", graph=None, horizons=(1,))
