"""Prices as they come: every layout gives the grid, and the panel, of the plain file of the same prices."""

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft.errors import InputError
from atft.features.build import build_panel
from atft.features.options import FeatureOptions
from atft.features.price_dialects import PRICES
from atft.features.prices import PriceGrid, read_prices
from price_layouts import CODES, FULL, a_file_a_price, closes, market, plain, yfinance_long

SHORT = FeatureOptions(min_history_days=5, min_traded_value=0, horizons=[1])


def read(path: Path, **options: dict[str, str]) -> PriceGrid:
    return read_prices(path, FeatureOptions(**options))


def fault(path: Path, **options: dict[str, str]) -> str:
    with pytest.raises(InputError) as caught:
        read(path, **options)
    message = str(caught.value)
    assert "\n" not in message and len(message.replace(str(path.parent), "")) < 220
    return message.replace(f"{path.parent}/", "")


def same(a: PriceGrid, b: PriceGrid) -> bool:
    return a.calendar == b.calendar and all(
        np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True) for name in PRICES
    )


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    return market()


@pytest.fixture(scope="module")
def sound(frame: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    frame.write_parquet(folder / "prices.parquet")
    build_panel(folder / "prices.parquet", folder / "panel.parquet", SHORT)
    return folder


@pytest.mark.parametrize("layout", FULL)
def test_every_layout_becomes_the_panel_of_the_plain_prices(
    layout: str, frame: pl.DataFrame, sound: Path, tmp_path: Path
) -> None:
    (tmp_path / "files").mkdir()
    beginning, write = FULL[layout]
    path = write(frame, tmp_path / "files")
    report = build_panel(path, tmp_path / "panel.parquet", SHORT)
    assert same(report.prices, read(sound / "prices.parquet"))
    line = report.lines()[0]
    assert line.startswith(f"{path}: {beginning}") and line.isprintable()
    panel, expected = pl.read_parquet(tmp_path / "panel.parquet"), pl.read_parquet(sound / "panel.parquet")
    if layout == "Stooq":
        expected = expected.with_columns(pl.col("code") + ".US")
    assert panel.equals(expected)


def test_the_line_says_what_was_taken_for_what_and_what_was_not_read(
    frame: pl.DataFrame, tmp_path: Path
) -> None:
    stacked = frame.rename({"code": "Symbol", "volume": "Vol"}).with_columns(note=pl.lit("x"), vwap=1.0)
    stacked.write_csv(tmp_path / "p.csv")
    line = read(tmp_path / "p.csv").layout
    assert line.endswith("p.csv: daily bars; code = Symbol, volume = Vol; not read: note, vwap")


def test_files_of_a_folder_that_are_not_read_are_named(frame: pl.DataFrame, tmp_path: Path) -> None:
    plain(frame, tmp_path)
    for name in ("_SUCCESS", ".prices.csv.crc", "MSFT.csv.zip", "README.md"):
        (tmp_path / name).write_text("x")
    assert read(tmp_path).layout.endswith("; 2 files of another format not read: MSFT.csv.zip, README.md")
    assert "another format" not in read(tmp_path / "prices.csv").layout


def test_an_adjusted_close_adjusts_the_whole_bar_and_the_volume_the_other_way(
    frame: pl.DataFrame, tmp_path: Path
) -> None:
    half = pl.when(pl.col("code") == "AAPL").then(0.5).otherwise(1.0)
    table = frame.with_columns((pl.col("close") * half).alias("adj_close"))
    table.write_csv(tmp_path / "p.csv")
    grid, whole = read(tmp_path / "p.csv"), read(plain(frame, tmp_path))
    stock = grid.codes.index("AAPL")
    for name in ("open", "high", "low", "close"):
        np.testing.assert_allclose(
            getattr(grid, name)[:, stock], getattr(whole, name)[:, stock] / 2, rtol=1e-6
        )
    np.testing.assert_allclose(grid.volume[:, stock], whole.volume[:, stock] * 2, rtol=1e-6)
    others = [i for i in range(len(CODES)) if i != stock]
    for name in PRICES:
        assert np.array_equal(getattr(grid, name)[:, others], getattr(whole, name)[:, others])
    assert "open, high, low times adj_close / close, volume divided by it" in grid.layout


def test_columns_name_what_no_layout_has_and_a_close_that_is_adjusted_adjusts_the_bar(
    frame: pl.DataFrame, tmp_path: Path
) -> None:
    foreign = frame.rename({"code": "Security", "close": "Last"})
    foreign.write_csv(tmp_path / "p.csv")
    grid = read(tmp_path / "p.csv", columns={"close": "LAST", "code": "security"})
    assert same(grid, read(plain(frame, tmp_path)))
    assert "code = Security, close = Last" in grid.layout
    stacked = yfinance_long(frame.with_columns(pl.col("close")), tmp_path)
    rows = pl.read_csv(stacked).with_columns(pl.col("Adj Close") / 2)
    rows.write_csv(stacked)
    by_name, recognised = read(stacked, columns={"close": "adj close"}), read(stacked)
    assert same(by_name, recognised)


def test_a_wide_table_of_closes_has_no_features_of_the_other_prices(
    frame: pl.DataFrame, tmp_path: Path
) -> None:
    report = build_panel(closes(frame, tmp_path), tmp_path / "panel.parquet", SHORT)
    grid, lines = report.prices, report.lines()
    assert grid.missing == ("open", "high", "low", "volume")
    assert lines[0].endswith(
        "prices.csv: wide table; 3 codes of the headers with close; no open, high, low, volume"
    )
    assert "no volume: the universe has no least traded value" in lines
    names = set(pl.read_parquet_schema(tmp_path / "panel.parquet"))
    assert {"x_return_1d", "x_volatility_20d", "exposure_beta", "target_1d"} <= names
    assert not {"x_gap_1d", "x_parkinson_5d", "x_illiquidity_20d", "exposure_size", "traded_value"} & names
    assert report.prices.universe.any()


def test_wide_tables_join_by_date_and_code_and_need_closes(frame: pl.DataFrame, tmp_path: Path) -> None:
    a_file_a_price(frame, tmp_path)
    later = pl.read_csv(tmp_path / "Volume.csv").with_columns(pl.lit(7.0).alias("NEW"))
    later.tail(5).write_csv(tmp_path / "Volume.csv")
    grid = read(tmp_path)
    assert grid.codes == [*CODES, "NEW"]
    assert np.isnan(grid.volume[:-5]).all() and not np.isnan(grid.volume[-5:, :3]).any()
    assert grid.exclusions["non-positive close"] == 5
    (tmp_path / "Close.csv").unlink()
    assert "no file has closes, by their names they have high, low, open, volume; add close.csv" in fault(
        tmp_path
    )


def test_a_cell_twice_in_wide_tables_raises(frame: pl.DataFrame, tmp_path: Path) -> None:
    a_file_a_price(frame, tmp_path)
    (tmp_path / "more").mkdir()
    pl.read_csv(tmp_path / "Open.csv").head(1).write_csv(tmp_path / "more" / "Open.csv")
    assert "two cells are the open of AAPL on 2015-03-02; drop one" in fault(tmp_path)


def test_two_wide_tables_of_one_price_are_no_duplicate_rows(frame: pl.DataFrame, tmp_path: Path) -> None:
    closes(frame, tmp_path).rename(tmp_path / "PX_LAST.csv")
    (tmp_path / "market_cap.csv").write_bytes((tmp_path / "PX_LAST.csv").read_bytes())
    assert "two cells are the close of AAPL on 2015-03-02; drop one, or name each file by its" in fault(
        tmp_path
    )


def test_a_folder_partitioned_by_code_is_read_as_its_rows(frame: pl.DataFrame, tmp_path: Path) -> None:
    frame.write_parquet(tmp_path / "whole.parquet")
    for (code,), rows in frame.group_by("code"):
        folder = tmp_path / "parts" / f"code={code}"
        folder.mkdir(parents=True)
        rows.drop("code").write_parquet(folder / "part-0.parquet")
    parts, whole = read(tmp_path / "parts"), read(tmp_path / "whole.parquet")
    assert parts.codes == whole.codes and same(parts, whole)
    assert "code = the folder's name" in parts.layout


def test_files_of_two_kinds_raise(frame: pl.DataFrame, tmp_path: Path) -> None:
    plain(frame, tmp_path)
    frame.with_columns(pl.col("close").alias("adj close")).write_csv(tmp_path / "q.csv")
    assert "q.csv: yfinance of open, high, low, close, volume, adjusted_close, but" in fault(tmp_path)


def test_rows_of_several_stocks_without_a_known_code_raise(frame: pl.DataFrame, tmp_path: Path) -> None:
    frame.rename({"code": "Security"}).write_csv(tmp_path / "prices.csv")
    message = fault(tmp_path / "prices.csv")
    assert message == (
        "prices.csv: no column of codes is known, and 3 rows are of 2015-03-02; "
        "name it, --columns '{code: NAME}' (in Python FeatureOptions(columns=...))"
    )


@pytest.mark.parametrize("codes", [[1301, 1305], ["A", "B"]], ids=["numbers", "words"])
def test_a_panel_of_features_is_no_wide_table_of_closes(codes: list[object], tmp_path: Path) -> None:
    names = ["size", "value", "momentum", "ret_1d", "ret_5d"]
    days = [date(2015, 3, 2), date(2015, 3, 3)]
    rows = [{"Date": day, "Code": code} | dict.fromkeys(names, 0.5) for day in days for code in codes]
    pl.DataFrame(rows).write_parquet(tmp_path / "panel.parquet")
    assert fault(tmp_path / "panel.parquet") == (
        "panel.parquet: read as wide table with a row a day, but 2 rows are of 2015-03-02; "
        "where they are of several codes, --columns '{code: NAME, close: NAME}' "
        "(in Python FeatureOptions(columns=...))"
    )


def test_prices_of_other_periods_than_days_raise(tmp_path: Path) -> None:
    head = "<TICKER>,<PER>,<DATE>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>\n"
    (tmp_path / "p.txt").write_text(head + "A,D,20150302,1,1,1,1,1\nA,60,20150303,1,1,1,1,1\n")
    assert fault(tmp_path / "p.txt") == (
        "p.txt: column '<PER>', row 2: '60' is no daily price (D); drop such rows"
    )


def test_a_row_that_a_file_of_one_stock_repeats_is_a_duplicate(frame: pl.DataFrame, tmp_path: Path) -> None:
    one = frame.filter(pl.col("code") == "AAPL").drop("code")
    pl.concat([one, one.tail(1)]).write_csv(tmp_path / "AAPL.csv")
    assert "1 row with the (date, code) of another, the first AAPL on 2015-04-24" in fault(tmp_path)
    grid = read_prices(tmp_path, FeatureOptions(duplicates="exclude"))
    assert grid.codes == ["AAPL"] and grid.exclusions["duplicate"] == 1


def test_a_whole_number_of_a_header_is_the_code_that_it_is_in_a_column(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("date,1301.0,0050\n2015-03-02,1,2\n2015-03-03,1,2\n")
    assert read(tmp_path / "p.csv").codes == ["0050", "1301"]
    (tmp_path / "q.csv").write_text("date,1301.0,1301\n2015-03-02,1,2\n2015-03-03,1,2\n")
    assert fault(tmp_path / "q.csv") == "q.csv: two columns are named '1301'; rename or drop one"


def test_a_word_in_a_wide_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("date,AAPL,MSFT\n2015-03-02,1,x\n2015-03-03,1,1\n")
    assert fault(tmp_path / "p.csv") == "p.csv: column 'MSFT', row 1: 'x' is not a number; correct it"
