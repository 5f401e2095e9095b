"""Planted calendar faults in price files: one line by default, and right to the bit where days are excluded."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft.errors import InputError
from atft.features.build import build_panel
from atft.features.calendar import count_dates, move_to_calendar, trading_days
from atft.features.options import FeatureOptions
from atft.features.price_dialects import PRICES
from atft.features.prices import PriceGrid, read_prices

TODAY = date(2026, 1, 5)
SATURDAY, HOLIDAY = date(2014, 5, 10), date(2014, 7, 4)
EXCLUDE = FeatureOptions(calendar={"rare_weekdays": "exclude", "thin_days": "exclude"})


def on_trading_days(prices: PriceGrid, options: FeatureOptions, today: date) -> PriceGrid:
    return move_to_calendar(prices, trading_days(count_dates(prices), options, prices.path, today))


def grid(frame: pl.DataFrame, folder: Path, options: FeatureOptions = EXCLUDE) -> PriceGrid:
    frame.write_parquet(folder / "prices.parquet")
    return on_trading_days(read_prices(folder / "prices.parquet", options), options, TODAY)


def same(one: PriceGrid, two: PriceGrid) -> bool:
    names = (*PRICES, "sector")
    return one.calendar == two.calendar and all(
        np.array_equal(getattr(one, n), getattr(two, n), equal_nan=True) for n in names
    )


@pytest.fixture(scope="module")
def clean() -> pl.DataFrame:
    """A year of 80 stocks."""
    rng = np.random.default_rng(1)
    days = [d for i in range(364) if (d := date(2014, 1, 1) + timedelta(days=i)).weekday() < 5]
    close = 20 * np.exp(np.cumsum(0.015 * rng.standard_normal((len(days), 80)), axis=0))
    volume = 1e5 * np.exp(0.3 * rng.standard_normal(close.shape))
    day, stock = np.divmod(np.arange(close.size), 80)
    prices = {"open": close, "high": 1.01 * close, "low": 0.99 * close, "close": close, "volume": volume}
    return pl.DataFrame(
        {
            "date": [days[d] for d in day],
            "code": [f"{1000 + s}" for s in stock],
            **{n: v.ravel().astype(np.float32) for n, v in prices.items()},
        }
    )


def moved(rows: pl.DataFrame, to: date) -> pl.DataFrame:
    return rows.with_columns(date=pl.lit(to))


def saturdays(frame: pl.DataFrame) -> pl.DataFrame:
    """All stocks' rows of 28 Fridays again on the Saturdays after them."""
    fridays = frame["date"].unique().sort().to_list()
    days = [d for d in fridays if d.weekday() == 4][:28]
    again = frame.filter(pl.col("date").is_in(days)).with_columns(pl.col("date").dt.offset_by("1d"))
    return again.with_columns((pl.col(n) * 1.01).cast(pl.Float32) for n in PRICES)


def coin(frame: pl.DataFrame) -> pl.DataFrame:
    row = frame.head(1).with_columns(code=pl.lit("COIN"))
    days = [date(2014, 1, 1) + timedelta(days=i) for i in range(364)]
    return pl.concat(
        [
            moved(row, d).with_columns(close=pl.col("close") * (1 + 0.001 * (i % 7)))
            for i, d in enumerate(days)
        ]
    )


def planted(way: str, frame: pl.DataFrame) -> pl.DataFrame:
    """The file with days that are no session."""
    holiday = frame.filter(pl.col("date") == date(2014, 7, 3))
    before = frame.filter(pl.col("date") != HOLIDAY)
    if way == "three rows on a Saturday":
        return pl.concat([frame, moved(frame.head(3), SATURDAY)])
    if way == "28 Saturdays":
        return pl.concat([frame, saturdays(frame)])
    if way == "a coin":
        return pl.concat([frame, coin(frame).filter(pl.col("date").dt.weekday() > 5)])
    if way == "null prices":
        empty = [pl.lit(None, pl.Float32).alias(n) for n in PRICES]
        return pl.concat([before, moved(holiday, HOLIDAY).with_columns(empty)])
    if way == "a bar without volume":
        return pl.concat([before, moved(holiday, HOLIDAY).with_columns(volume=pl.lit(0, pl.Float32))])
    if way == "a bar filled in":
        return pl.concat([before, moved(holiday, HOLIDAY)])
    assert way == "two stocks"
    return pl.concat([before, moved(holiday.head(2), HOLIDAY)])


WAYS = {
    "three rows on a Saturday": "dates on Saturday, when this market rarely trades: 1, the first 2014-05-10 (3 st",
    "28 Saturdays": "dates on Saturday, when this market rarely trades: 28, the first 2014-01-04 (80 stocks w",
    "a coin": "dates on Saturday and Sunday, when this market rarely trades: 104, the first 2014-01-04 (1 st",
    "null prices": "days with less than half of the usual stocks: 1, the first 2014-07-04 (0 stocks with new",
    "a bar without volume": "days with less than 5% of the usual traded value: 1, the first 2014-07-04 (0)",
    "a bar filled in": "days with less than half of the usual stocks: 1, the first 2014-07-04 (1 stock with new",
    "two stocks": "days with less than half of the usual stocks: 1, the first 2014-07-04 (1 stock with new",
}


@pytest.mark.parametrize("way", WAYS)
def test_a_day_that_is_no_session_is_one_line_or_as_if_it_were_not_in_the_file(
    way: str, clean: pl.DataFrame, tmp_path: Path
) -> None:
    frame = planted(way, clean)
    with pytest.raises(InputError) as caught:
        grid(frame, tmp_path, FeatureOptions())
    message = str(caught.value)
    assert WAYS[way] in message
    assert "to exclude (no sessions) or keep (sessions)" in message
    assert "\n" not in message
    found = grid(frame, tmp_path)
    expected = clean if "Saturday" in way or way == "a coin" else clean.filter(pl.col("date") != HOLIDAY)
    want = grid(expected, tmp_path)
    if way == "a coin":
        assert found.codes.pop() == "COIN"
        others = {n: getattr(found, n)[:, :-1] for n in (*PRICES, "sector")}
        found = replace(found, **others)
    assert same(found, want)


def test_a_kept_day_stays_and_is_named(clean: pl.DataFrame, tmp_path: Path) -> None:
    frame = planted("three rows on a Saturday", clean)
    found = grid(frame, tmp_path, FeatureOptions(calendar={"rare_weekdays": "keep"}))
    assert SATURDAY in found.calendar
    assert found.notes[0].startswith("kept, dates on Saturday")


def test_rows_left_out_are_counted(clean: pl.DataFrame, tmp_path: Path) -> None:
    planted("28 Saturdays", clean).write_parquet(tmp_path / "prices.parquet")
    found = on_trading_days(read_prices(tmp_path / "prices.parquet", EXCLUDE), EXCLUDE, TODAY)
    assert found.exclusions["not a trading day"] == 28 * 80
    assert found.notes[0].startswith("left out, dates on Saturday")


def test_a_row_of_tomorrow_is_today_somewhere_and_later_ones_raise(
    clean: pl.DataFrame, tmp_path: Path
) -> None:
    last = clean["date"].max()
    assert isinstance(last, date)
    clean.write_parquet(tmp_path / "prices.parquet")
    prices = read_prices(tmp_path / "prices.parquet", EXCLUDE)
    for today in (last, last - timedelta(days=1)):
        found = on_trading_days(prices, EXCLUDE, today)
        assert found.calendar[-1] == last and not found.notes
    with pytest.raises(InputError, match=f"2 dates in the future, the last {last}"):
        on_trading_days(prices, EXCLUDE, last - timedelta(days=2))


def test_a_clean_file_is_left_as_it_is_without_a_copy(clean: pl.DataFrame, tmp_path: Path) -> None:
    clean.write_parquet(tmp_path / "prices.parquet")
    prices = read_prices(tmp_path / "prices.parquet", EXCLUDE)
    found = on_trading_days(prices, FeatureOptions(), TODAY)
    assert found.close is prices.close
    assert found.notes == ()


def test_a_row_counts_if_its_prices_are_its_own(clean: pl.DataFrame, tmp_path: Path) -> None:
    prices = grid(clean, tmp_path)
    for name in PRICES:
        getattr(prices, name)[10, :5] = getattr(prices, name)[9, :5]
    prices.volume[10, :2] = prices.volume[9, :2] = 0
    prices.close[20, :7] = np.nan
    _, stocks, value, _ = count_dates(prices)
    assert stocks[[9, 10, 20]].tolist() == [80, 77, 73]
    np.testing.assert_allclose(value[9], np.sum(prices.close[9].astype(float) * prices.volume[9]), rtol=1e-6)
    for name in PRICES:
        getattr(prices, name)[:] = getattr(prices, name)[0]
    assert count_dates(prices).stocks[:3].tolist() == [80, 1, 1]
    prices.close[2] = np.nan
    assert count_dates(prices).stocks[2] == 0


def test_counts_of_later_dates_go_on_from_the_last_rows(clean: pl.DataFrame, tmp_path: Path) -> None:
    prices = grid(clean, tmp_path)
    for name in PRICES:
        getattr(prices, name)[100, :5] = getattr(prices, name)[99, :5]
    # Bars that share some prices or the volume with the day before have traded.
    prices.open[100, 5:20] = prices.open[99, 5:20]
    prices.volume[100, 10:30] = prices.volume[99, 10:30]
    prices.high[99:101, 3] = np.nan
    prices.close[99, 7] = np.nan
    prices.volume[100, 8] = np.nan
    whole = count_dates(prices)
    first, rest = (
        replace(
            prices,
            calendar=prices.calendar[days],
            **{name: values[days] for name, values in prices.grids().items()},
        )
        for days in (slice(0, 100), slice(100, None))
    )
    later = count_dates(rest, count_dates(first).last)
    assert whole.stocks[100] == 75 == later.stocks[0]
    assert np.isfinite(whole.value).all()
    for of_whole, of_rest in zip(whole[:3], later[:3], strict=True):
        assert np.array_equal(of_whole[100:], of_rest)
    assert np.array_equal(whole.last, later.last, equal_nan=True)


def test_what_straddles_a_missing_summer_is_unknown_and_the_rest_keeps_its_bits(
    make_market: Callable[..., dict[str, np.ndarray]], to_frame: Callable[..., pl.DataFrame], tmp_path: Path
) -> None:
    whole = to_frame(make_market(days=520, stocks=16, missing=0.0))
    first, last = date(2015, 5, 29), date(2015, 9, 1)
    cut = whole.filter((pl.col("date") <= first) | (pl.col("date") >= last))
    options = FeatureOptions(min_history_days=60, min_close=0.5, min_traded_value=1e4)
    panels = []
    for frame in (whole, cut):
        frame.write_parquet(tmp_path / "prices.parquet")
        report = build_panel(tmp_path / "prices.parquet", tmp_path / "panel.parquet", options, today=TODAY)
        panels.append(pl.read_parquet(tmp_path / "panel.parquet"))
    assert (
        "unknown across, gaps of more than 4 weekdays: 1, the first 2015-05-29 to 2015-09-01 (66 missing)"
        in (report.lines())
    )
    want, got = panels[0].filter(pl.col("date").is_in(cut["date"].implode())), panels[1]
    days = got["date"].unique().sort().to_list()
    hole = days.index(last)
    for horizon in (1, 5, 10, 20):
        for lag, name in ((0, f"target_{horizon}d"), (1, f"target_{horizon}d_lag1")):
            over = pl.col("date").is_in(days[hole - horizon - lag : hole])
            assert got.filter(over)[name].is_null().all()
            assert got.filter(~over)[name].equals(want.filter(~over)[name], null_equal=True)
            assert want.filter(~over)[name].null_count() < want.height
    assert got.filter(pl.col("date") == last)["return_1d"].is_null().all()
    assert got.filter(pl.col("date") != last)["return_1d"].equals(
        want.filter(pl.col("date") != last)["return_1d"], null_equal=True
    )
    assert got.filter(pl.col("date") == days[hole + 2])["x_return_5d"].is_null().all()
    # Sixty-six weekdays are missing: a return over more of them is between two known closes.
    after = pl.col("date") == days[hole + 2]
    assert want.filter(after)["x_return_120d"].null_count() < want.filter(after).height
    assert got.filter(after)["x_return_120d"].equals(want.filter(after)["x_return_120d"], null_equal=True)
    before = pl.col("date") < last
    features = [n for n in got.columns if not n.startswith("target_")]
    assert got.filter(before).select(features).equals(want.filter(before).select(features), null_equal=True)


def test_gaps_can_be_an_error_or_kept_in_prices(clean: pl.DataFrame, tmp_path: Path) -> None:
    cut = clean.filter(~pl.col("date").is_between(date(2014, 6, 1), date(2014, 8, 31)))
    with pytest.raises(
        InputError, match=r"2014-05-30 to 2014-09-01 \(65 missing\); complete the file, or set calendar.gaps"
    ):
        grid(cut, tmp_path, FeatureOptions(calendar={"gaps": "error"}))
    kept = grid(cut, tmp_path, FeatureOptions(calendar={"gaps": "keep"}))
    assert kept.calendar == cut["date"].unique().sort().to_list()
    unknown = grid(cut, tmp_path, FeatureOptions())
    assert unknown.calendar == clean["date"].unique().sort().to_list()
    hole = [i for i, d in enumerate(unknown.calendar) if date(2014, 6, 1) <= d <= date(2014, 8, 31)]
    known = np.setdiff1d(np.arange(len(unknown.calendar)), hole)
    assert list(unknown.inserted) == hole
    assert all(np.array_equal(unknown.grids()[name][known], values) for name, values in kept.grids().items())
    assert np.isnan(unknown.close[hole]).all()
    assert (unknown.sector[hole] == -1).all()


def test_the_sessions_of_an_exchange_are_one_more_line(clean: pl.DataFrame, tmp_path: Path) -> None:
    clean.write_parquet(tmp_path / "prices.parquet")
    prices = read_prices(tmp_path / "prices.parquet", EXCLUDE)
    found = on_trading_days(prices, FeatureOptions(calendar="XNYS"), TODAY)
    (line,) = found.notes
    assert line.startswith("calendar XNYS: ") and "dates that are no session: " in line
    assert found.close is prices.close


@pytest.mark.parametrize(
    ("days_later", "said"),
    [(-1, "WARNING dates from Sunday to Thursday"), (0, None), (1, "WARNING dates from Tuesday to Saturday")],
)
def test_dates_that_are_all_a_day_early_or_late_are_warned_of(
    days_later: int, said: str | None, clean: pl.DataFrame, tmp_path: Path
) -> None:
    notes = grid(clean.with_columns(pl.col("date").dt.offset_by(f"{days_later}d")), tmp_path).notes
    assert [note.startswith(said) for note in notes] == [True] if said else not notes
