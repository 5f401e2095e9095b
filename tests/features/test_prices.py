"""Reading prices: what is taken, what is refused, in which words."""

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft.errors import InputError
from atft.features.options import FeatureOptions
from atft.features.prices import PRICES, PriceGrid, read_prices


def small(**columns: list[object]) -> pl.DataFrame:
    """Two days of two stocks, sorted, with some columns replaced."""
    table: dict[str, list[object]] = {
        "date": [date(2015, 1, 5), date(2015, 1, 5), date(2015, 1, 6), date(2015, 1, 6)],
        "code": ["0050", "1301", "0050", "1301"],
        "open": [10.0, 20.0, 11.0, 21.0],
        "high": [12.0, 22.0, 12.0, 22.0],
        "low": [9.0, 19.0, 9.0, 19.0],
        "close": [11.0, 21.0, 10.0, 20.0],
        "volume": [100.0, 200.0, 100.0, 200.0],
        "sector": ["banks", None, "banks", "fish"],
    }
    return pl.DataFrame({n: v for n, v in (table | columns).items() if v is not None})


def read(
    tmp_path: Path, frame: pl.DataFrame, name: str = "p.parquet", **options: str
) -> tuple[PriceGrid, dict[str, int]]:
    path = tmp_path / name
    frame.write_csv(path) if path.suffix == ".csv" else frame.write_parquet(path)
    exclusions: dict[str, int] = {}
    return read_prices(path, FeatureOptions(**options), exclusions), exclusions


def refusal(tmp_path: Path, frame: pl.DataFrame, name: str = "p.parquet", **options: str) -> str:
    with pytest.raises(InputError) as caught:
        read(tmp_path, frame, name, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert name in message
    return message


def test_rows_land_on_the_grid_of_days_and_codes(tmp_path: Path) -> None:
    grid, _ = read(tmp_path, small().reverse())
    assert grid.calendar == [date(2015, 1, 5), date(2015, 1, 6)]
    assert grid.codes == ["0050", "1301"]
    assert np.array_equal(grid.close, [[11, 21], [10, 20]])
    assert grid.sectors == ["banks", "fish"]
    assert np.array_equal(grid.sector, [[0, -1], [0, 1]])
    assert grid.close.dtype == np.float32


def test_a_csv_gives_the_same_grid_as_the_parquet_file(tmp_path: Path, make_market, to_frame) -> None:
    frame = to_frame(make_market(days=30))
    (a, _), (b, _) = read(tmp_path, frame), read(tmp_path, frame, "p.csv")
    for name in (*PRICES, "sector"):
        assert np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True)
    assert (a.calendar, a.codes, a.sectors) == (b.calendar, b.codes, b.sectors)


def test_a_code_keeps_its_zeros_and_a_number_becomes_text(tmp_path: Path) -> None:
    assert read(tmp_path, small(), "p.csv")[0].codes == ["0050", "1301"]
    assert read(tmp_path, small(code=[50, 1301, 50, 1301]))[0].codes == ["1301", "50"]


def test_the_sector_is_optional(tmp_path: Path) -> None:
    grid, _ = read(tmp_path, small().drop("sector"))
    assert grid.sectors == []
    assert (grid.sector == -1).all()


def test_an_open_of_0_is_a_missing_open(tmp_path: Path) -> None:
    grid, exclusions = read(tmp_path, small(open=[0.0, 20.0, -1.0, None]))
    assert np.array_equal(grid.open, [[np.nan, 20], [np.nan, np.nan]], equal_nan=True)
    assert exclusions["non-positive close"] == 0


def test_a_range_that_does_not_hold_the_close_is_missing(tmp_path: Path) -> None:
    grid, _ = read(tmp_path, small(high=[0.0, 22.0, 12.0, 9.0]))
    assert np.array_equal(grid.high, [[np.nan, 22], [12, np.nan]], equal_nan=True)
    assert np.array_equal(grid.low, [[np.nan, 19], [9, np.nan]], equal_nan=True)


def test_an_open_on_another_basis_than_its_range_is_missing(tmp_path: Path) -> None:
    grid, _ = read(tmp_path, small(open=[100.0, 20.0, 11.0, 21.0]))
    assert np.isnan(grid.open[0, 0])


def test_a_close_a_shade_outside_its_range_stretches_it(tmp_path: Path) -> None:
    grid, _ = read(tmp_path, small(high=[10.9, 22.0, 12.0, 22.0]))
    assert grid.high[0, 0] == np.float32(11)


def test_a_close_that_is_not_above_0_is_left_out_and_counted_or_refused(tmp_path: Path) -> None:
    frame = small(close=[0.0, 21.0, None, 20.0])
    grid, exclusions = read(tmp_path, frame)
    assert exclusions["non-positive close"] == 2
    assert np.isnan(grid.close[:, 0]).all()
    message = refusal(tmp_path, frame, non_positive="error")
    assert "2 rows whose close is missing or not above 0, the first 0050 on 2015-01-05" in message
    assert "set non_positive to exclude" in message


def test_a_second_row_of_a_date_and_code_is_refused_or_left_out(tmp_path: Path) -> None:
    frame = pl.concat([small(), small(close=[11.5, 21.5, 10.5, 20.5]).head(1)])
    message = refusal(tmp_path, frame)
    assert "1 rows repeat a (date, code), the first 0050 on 2015-01-05; drop them" in message
    grid, exclusions = read(tmp_path, frame, duplicates="exclude")
    assert grid.close[0, 0] == 11
    assert exclusions["duplicate"] == 1


def test_dates_of_mixed_time_zones_are_refused_left_out_or_kept(tmp_path: Path) -> None:
    texts = [
        "2015-01-05T00:00:00+09:00",
        "2015-01-05T00:00:00+0900",
        "2015-01-06T00:00:00Z",
        "2015-01-06 00:00:00+09:00",
    ]
    for name in ("p.parquet", "p.csv"):
        frame = small(date=list(texts))
        message = refusal(tmp_path, frame, name)
        assert "dates of 2 time zones (+0000, +0900) in one column" in message
        grid, exclusions = read(tmp_path, frame, name, time_zones="exclude")
        assert exclusions["other time zone"] == 1
        assert np.isnan(grid.close[1, 0])
        grid, exclusions = read(tmp_path, frame, name, time_zones="keep")
        assert exclusions["other time zone"] == 0
        assert grid.calendar == [date(2015, 1, 5), date(2015, 1, 6)]


def test_a_date_with_and_one_without_an_offset_are_mixed(tmp_path: Path) -> None:
    texts: list[object] = ["2015-01-05", "2015-01-05", "2015-01-06", "2015-01-06T00:00:00+09:00"]
    assert "2 time zones (+0900, none)" in refusal(tmp_path, small(date=texts))


def test_timestamps_of_one_zone_count_as_their_local_days(tmp_path: Path) -> None:
    frame = small().with_columns(pl.col("date").cast(pl.Datetime("us")).dt.replace_time_zone("Asia/Tokyo"))
    assert read(tmp_path, frame)[0].calendar == [date(2015, 1, 5), date(2015, 1, 6)]


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (small().rename({"close": "Close"}), "no column 'close'; did you mean 'Close'?"),
        (small(volume=[True, False, True, True]), "column 'volume' is Boolean; it must be numeric"),
        (small(date=[1, 2, 3, 4]), "column 'date' is Int64; it must be a date, a timestamp or ISO text"),
        (small(date=["5.1.2015"] * 4), "date '5.1.2015' is not of the form 2015-01-31"),
        (small(date=[date(2015, 1, 5)] * 4, code=["a", "b", "c", "d"]), "only one trading day, 2015-01-05"),
        (small(code=["a", None, "c", "d"]), "1 rows have no code; fill or drop them"),
        (small().head(0), "no rows; give a file with prices"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(tmp_path: Path, frame: pl.DataFrame, said: str) -> None:
    assert said in refusal(tmp_path, frame)


def test_a_bad_number_in_a_csv_is_named(tmp_path: Path) -> None:
    frame = small(close=["11", "21", "ten", "20"])
    assert "ten" in refusal(tmp_path, frame, "p.csv")


def test_a_missing_or_broken_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file; give the Parquet or CSV file"):
        read_prices(tmp_path / "none.parquet", FeatureOptions(), {})
    whole = tmp_path / "p.parquet"
    small().write_parquet(whole)
    (tmp_path / "cut.parquet").write_bytes(whole.read_bytes()[:300])
    with pytest.raises(InputError, match=r"cut\.parquet: not readable as prices"):
        read_prices(tmp_path / "cut.parquet", FeatureOptions(), {})
