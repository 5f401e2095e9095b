"""Prices on a grid: which files are accepted, what raises, what each check of a row leaves out and counts."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft.errors import InputError
from atft.features.options import FeatureOptions
from atft.features.price_dialects import PRICES
from atft.features.prices import read_prices
from small_prices import error_of, read, small


def test_rows_land_on_the_grid_of_days_and_codes(tmp_path: Path) -> None:
    grid = read(tmp_path, small().reverse())
    assert grid.calendar == [date(2015, 1, 5), date(2015, 1, 6)]
    assert grid.codes == ["0050", "1301"]
    assert np.array_equal(grid.close, [[11, 21], [10, 20]])
    assert grid.sectors == ["banks", "fish"]
    assert np.array_equal(grid.sector, [[0, -1], [0, 1]])
    assert grid.close.dtype == np.float32


def test_the_sector_is_optional(tmp_path: Path) -> None:
    grid = read(tmp_path, small().drop("sector"))
    assert grid.sectors == []
    assert (grid.sector == -1).all()


def test_names_of_columns_are_matched_without_case(tmp_path: Path) -> None:
    capital = small().rename({n: n.upper() for n in small().columns})
    assert np.array_equal(read(tmp_path, capital).close, read(tmp_path, small()).close)
    both = small().with_columns(CLOSE=pl.lit("x"), Date=pl.lit("x"))
    assert np.array_equal(read(tmp_path, both, "p.csv").close, read(tmp_path, small()).close)


def test_an_open_of_0_is_a_missing_open(tmp_path: Path) -> None:
    grid = read(tmp_path, small(open=[0.0, 20.0, -1.0, None]))
    assert np.array_equal(grid.open, [[np.nan, 20], [np.nan, np.nan]], equal_nan=True)
    assert grid.exclusions["non-positive close"] == 0


def test_a_range_that_does_not_hold_the_close_is_missing(tmp_path: Path) -> None:
    grid = read(tmp_path, small(high=[0.0, 22.0, 12.0, 9.0]))
    assert np.array_equal(grid.high, [[np.nan, 22], [12, np.nan]], equal_nan=True)
    assert np.array_equal(grid.low, [[np.nan, 19], [9, np.nan]], equal_nan=True)


def test_an_open_on_another_basis_than_its_range_is_missing(tmp_path: Path) -> None:
    grid = read(tmp_path, small(open=[100.0, 20.0, 11.0, 21.0]))
    assert np.isnan(grid.open[0, 0])


def test_a_close_a_shade_outside_its_range_stretches_it(tmp_path: Path) -> None:
    grid = read(tmp_path, small(high=[10.9, 22.0, 12.0, 22.0]))
    assert grid.high[0, 0] == np.float32(11)


def test_a_close_that_is_not_above_0_is_left_out_and_counted(tmp_path: Path) -> None:
    grid = read(tmp_path, small(close=[0.0, 21.0, None, 20.0]))
    assert grid.exclusions["non-positive close"] == 2
    assert np.isnan(grid.close[:, 0]).all()


def test_a_second_row_of_a_date_and_code_raises_or_is_left_out(tmp_path: Path) -> None:
    frame = pl.concat([small(), small(close=[11.5, 21.5, 10.5, 20.5]).head(1)])
    message = error_of(tmp_path, frame)
    assert "1 row with the (date, code) of another, the first 0050 on 2015-01-05; drop them" in message
    grid = read(tmp_path, frame, duplicates="exclude")
    assert grid.close[0, 0] == 11
    assert grid.exclusions["duplicate"] == 1


def test_a_csv_gives_the_same_grid_as_the_parquet_file(tmp_path: Path, make_market, to_frame) -> None:
    frame = to_frame(make_market(days=30))
    a, b = read(tmp_path, frame), read(tmp_path, frame, "p.csv")
    for name in (*PRICES, "sector"):
        assert np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True)
    assert (a.calendar, a.codes, a.sectors) == (b.calendar, b.codes, b.sectors)


def test_codes_that_differ_in_zeros_or_case_only_are_warned_of(tmp_path: Path) -> None:
    alike = read(tmp_path, small(code=["0050", "1301", "50", "1301"]))
    assert alike.notes == ("WARNING codes that differ in leading zeros or case only: 1: 0050 and 50",)
    assert "1: AA and aa" in read(tmp_path, small(code=["AA", "B", "aa", "B"])).notes[0]
    assert not read(tmp_path, small()).notes


def test_a_code_keeps_its_zeros_and_a_number_becomes_text(tmp_path: Path) -> None:
    assert read(tmp_path, small(), "p.csv").codes == ["0050", "1301"]
    assert read(tmp_path, small(code=[50, 1301, 50, 1301])).codes == ["1301", "50"]


WAYS: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "timestamps of the exchange": lambda d: d.cast(pl.Datetime("us")).dt.replace_time_zone(
        "America/New_York"
    ),
    "text with winter and summer offsets": lambda d: (
        d.cast(pl.Datetime("us"))
        .dt.replace_time_zone("America/New_York")
        .dt.to_string("%Y-%m-%d %H:%M:%S%:z")
    ),
    "text": lambda d: d.cast(pl.String),
    "naive midnights": lambda d: d.cast(pl.Datetime("ns")),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["p.parquet", "p.csv"])
def test_a_year_of_winter_and_summer_dates_gives_the_grid_of_the_plain_dates(
    tmp_path: Path, make_market, to_frame, way: str, name: str
) -> None:
    frame = to_frame(make_market(days=260))
    plain = read(tmp_path, frame)
    grid = read(tmp_path, frame.with_columns(WAYS[way](pl.col("date"))), name)
    assert (grid.calendar, grid.codes) == (plain.calendar, plain.codes)
    for price in PRICES:
        assert np.array_equal(getattr(grid, price), getattr(plain, price), equal_nan=True)


@pytest.mark.parametrize("name", ["p.parquet", "p.csv"])
def test_tokyo_midnights_stored_in_utc_raise_and_name_the_zone(tmp_path: Path, name: str) -> None:
    tokyo = pl.col("date").cast(pl.Datetime("us")).dt.replace_time_zone("Asia/Tokyo")
    stored = tokyo.dt.convert_time_zone("UTC")
    if name == "p.csv":
        stored = stored.dt.to_string("%Y-%m-%dT%H:%M:%S%z")
    message = error_of(tmp_path, small().with_columns(stored), name)
    assert "column 'date', row 1: 2015-01-04 15:00" in message
    assert "is midnight in Asia/Tokyo; if that is the exchange's zone, convert the column to it" in message


def test_offsets_of_two_exchanges_raise(tmp_path: Path) -> None:
    texts: list[object] = ["2015-01-05T00:00+09:00"] * 3 + ["2015-01-06T00:00-05:00"]
    assert "row 4: UTC-05:00, where the first row has UTC+09:00" in error_of(tmp_path, small(date=texts))


@pytest.mark.parametrize("name", ["p.parquet", "p.csv"])
def test_codes_that_are_floats_or_decimals_are_the_codes_of_whole_numbers(tmp_path: Path, name: str) -> None:
    whole = read(tmp_path, small(code=[50, 1301, 50, 1301]))
    for kind in (pl.Float64, pl.Decimal(10, 2)):
        grid = read(tmp_path, small(code=[50, 1301, 50, 1301]).with_columns(pl.col("code").cast(kind)), name)
        assert grid.codes == whole.codes
        assert np.array_equal(grid.close, whole.close)


@pytest.mark.parametrize("name", ["p.parquet", "p.csv"])
def test_an_empty_code_raises(tmp_path: Path, name: str) -> None:
    for empty in ("", " ", None):
        frame = small(code=["a", empty, "c", "d"])
        assert "column 'code', row 2: no code; fill it in or drop the row" in error_of(tmp_path, frame, name)


@pytest.mark.parametrize("kind", [pl.String, pl.Decimal(12, 3), pl.Float64])
def test_prices_of_any_type_are_the_same_float32(tmp_path: Path, kind: pl.DataType) -> None:
    frame = small(close=[11.1, 21.7, 10.3, 20.9])
    plain = read(tmp_path, frame.with_columns(pl.col("close").cast(pl.Float32)))
    grid = read(tmp_path, frame.with_columns(pl.col("close").cast(kind)))
    assert np.array_equal(grid.close, plain.close)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (
            small().drop("close"),
            "no column 'close'; name it, --columns '{close: NAME}' (in Python FeatureOptions(columns=...)); "
            "its columns are code, date",
        ),
        (small(volume=[True, False, True, True]), "column 'volume' must be numeric, it is bool; cast it"),
        (
            small(date=[1, 2, 3, 4]),
            "column 'date', row 1: '1' is not an ISO date; write dates like 2015-01-31",
        ),
        (small(date=["5.1.2015"] * 4), "row 1: '5.1.2015' is not an ISO date; write dates like 2015-01-31"),
        (small(date=[date(1, 1, 1)] * 4), "row 1: 0001-01-01 is not between 1900-01-01 and"),
        (small().head(0), "no rows; give a file with prices"),
    ],
)
def test_what_cannot_be_used_raises_in_one_line(tmp_path: Path, frame: pl.DataFrame, said: str) -> None:
    assert said in error_of(tmp_path, frame)


def test_a_bad_number_in_a_csv_is_named(tmp_path: Path) -> None:
    frame = small(close=["11", "21", "ten", "20"])
    assert "column 'close', row 3: 'ten' is not a number" in error_of(tmp_path, frame, "p.csv")


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (
            lambda text: text.replace("sector", "close", 1),
            "two columns are named 'close'; rename or drop one",
        ),
        (
            lambda text: text.replace(",12.0", "", 1),
            "Expected 8 columns, got 7",
        ),
        (lambda text: text.replace("banks", "b\xe4nks"), "not readable as CSV (In CSV column #7"),
        (
            lambda text: text.replace("date", "d\xe4te"),
            "neither UTF-8 text (plain or gzipped) nor Parquet; write it",
        ),
        (lambda text: text.split("\n")[0] + "\n", "no rows; give a file with prices"),
        (lambda text: "", "no rows; give a file with prices"),
        (lambda text: "\x00" * 100, "neither UTF-8 text (plain or gzipped) nor Parquet; write it"),
    ],
)
def test_a_damaged_csv_is_one_line(tmp_path: Path, edit: Callable[[str], str], said: str) -> None:
    small().write_csv(tmp_path / "p.csv")
    text = edit((tmp_path / "p.csv").read_text())
    (tmp_path / "p.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError) as caught:
        read_prices(tmp_path / "p.csv", FeatureOptions())
    assert said in str(caught.value) and str(caught.value).isprintable()


def test_a_missing_or_broken_file_raises(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file; give the Parquet or CSV file"):
        read_prices(tmp_path / "none.parquet", FeatureOptions())
    whole = tmp_path / "p.parquet"
    small().write_parquet(whole)
    (tmp_path / "cut.parquet").write_bytes(whole.read_bytes()[:300])
    with pytest.raises(InputError, match=r"cut\.parquet: not a readable Parquet file"):
        read_prices(tmp_path / "cut.parquet", FeatureOptions())
