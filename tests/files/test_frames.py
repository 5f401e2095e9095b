"""A frame finds its file again, another frame never does, and what is no frame is an error of one line."""

import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from atft.errors import InputError
from atft.files.frames import arrow_table, frame_digest, write_frame
from atft.files.parquet import check_file

DAYS = [date(2020, 1, 1), date(2020, 1, 1), date(2020, 1, 2)]


def frame(**changes: Any) -> pl.DataFrame:
    columns: dict[str, Any] = {
        "date": DAYS,
        "code": ["a", "b", "a"],
        "x_0": [1.0, None, 3.0],
        "universe": [True, False, None],
        "sector": pl.Series(["s", "t", "s"], dtype=pl.Categorical),
    }
    return pl.DataFrame({**columns, **changes})


def digest_of(rows: Any) -> str:
    return frame_digest(arrow_table(rows))


def test_a_frame_of_qlib_has_the_last_levels_of_its_columns_and_the_levels_of_its_index() -> None:
    import pandas as pd

    index = pd.MultiIndex.from_product([pd.to_datetime(DAYS[1:]), ["a"]], names=["datetime", "instrument"])
    names = pd.MultiIndex.from_tuples([("feature", "KMID"), ("label", "LABEL0")])
    rows = pd.DataFrame([[1.0, 2.0], [3.0, 4.0]], index, names)
    assert arrow_table(rows).column_names == ["datetime", "instrument", "KMID", "LABEL0"]
    twice = rows.set_axis(pd.MultiIndex.from_tuples([("feature", "KMID"), ("label", "KMID")]), axis=1)
    with pytest.raises(InputError, match="Duplicate column names"):
        arrow_table(twice)


def test_the_same_values_have_one_digest_however_they_are_stored() -> None:
    whole = frame()
    parts = pl.concat([whole.head(1), whole.slice(1)], rechunk=False)
    garbage_under_the_null = whole.with_columns(x_0=pl.when(pl.col("x_0") > 0).then(pl.col("x_0")))
    for same in (frame(), parts, whole.lazy(), whole.to_arrow(), garbage_under_the_null):
        assert digest_of(same) == digest_of(whole)


@pytest.mark.parametrize(
    "changes",
    [
        {"x_0": [1.0, 3.0, None]},
        {"x_0": [1.0, None, 3.0000001]},
        {"x_0": [1.0, 0.0, 3.0]},
        {"code": ["a", "ba", ""]},
        {"universe": [True, None, False]},
        {"x_1": [1.0, None, 3.0]},
        {"x_0": [1, None, 3]},
    ],
)
def test_another_frame_has_another_digest(changes: dict[str, Any]) -> None:
    assert digest_of(frame(**changes)) != digest_of(frame())


def test_a_frame_is_written_once_and_whole(tmp_path: Path) -> None:
    path = write_frame(frame(), tmp_path / "cache")
    check_file(path)
    written = path.stat().st_mtime_ns
    assert write_frame(frame().lazy(), tmp_path / "cache") == path
    assert path.stat().st_mtime_ns == written
    assert pl.read_parquet(path)["x_0"].to_list() == [1.0, None, 3.0]
    assert write_frame(frame(x_0=[1.0, 2.0, 3.0]), tmp_path / "cache") != path
    assert len(list((tmp_path / "cache").iterdir())) == 2


def flipped(content: bytes) -> bytes:
    at = len(content) // 3
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@pytest.mark.parametrize(
    "damage", [flipped, lambda content: content[:-20], lambda content: bytes(len(content))]
)
def test_a_file_of_a_frame_that_is_damaged_is_written_again(damage: Any, tmp_path: Path) -> None:
    path = write_frame(frame(), tmp_path)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert write_frame(frame(), tmp_path) == path and path.read_bytes() == whole


def test_the_named_levels_of_a_pandas_index_are_columns() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    rows = pandas.DataFrame({"date": DAYS, "code": ["a", "b", "a"], "x_0": [1.0, 2.0, 3.0]})
    assert arrow_table(rows).column_names == ["date", "code", "x_0"]
    assert arrow_table(rows.set_index(["date", "code"])) == arrow_table(rows)
    with pytest.raises(InputError, match="already exists"):
        arrow_table(rows.set_index("date", drop=False))
    with pytest.raises(InputError, match="cannot be read as a table"):
        arrow_table(rows.assign(code=[1, "b", None]))
    with pytest.raises(InputError, match=r"cannot be read as a table .*too large"):
        arrow_table(rows.assign(code=[2**70, 1, 2]))


def test_an_index_without_names_is_asked_for_them_where_a_key_is_missing() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    rows = pandas.DataFrame({"date": DAYS, "code": ["a", "b", "a"], "x_0": [1.0, 2.0, 3.0]})
    keys = ["date", "code"]
    for indexed in (rows.set_index(keys).rename_axis([None, None]), rows.set_index("date").rename_axis(None)):
        with pytest.raises(
            InputError,
            match=r"no column 'date', and the index has no name; name its levels, such as frame.rename",
        ):
            arrow_table(indexed, keys=keys)
    # Row numbers are no column that somebody has forgotten to name.
    assert arrow_table(rows.drop(columns="code"), keys=keys).column_names == ["date", "x_0"]
    assert arrow_table(rows.set_index(rows["x_0"].rename(None)), keys=keys).column_names == [
        "date",
        "code",
        "x_0",
    ]


def test_levels_without_a_name_of_an_index_of_prices_are_asked_for_it() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    bars = pandas.DataFrame({"close": [1.0, 2.0, 3.0]}, index=pandas.Index(DAYS, name="date"))
    of_stocks = pandas.concat({"a": bars, "b": bars})
    for lost in (
        of_stocks,
        of_stocks.rename_axis([None, None]),
        of_stocks.swaplevel().rename_axis(["date", None]),
    ):
        with pytest.raises(InputError, match=r"a level of the index has no name; .* or drop them with"):
            arrow_table(lost, pairs=True)
    named = arrow_table(of_stocks.rename_axis(["code", "date"]), pairs=True)
    assert named.column_names == ["code", "date", "close"]
    # Row numbers of parts, as groupby leaves them, are no column that somebody has forgotten to name.
    rows = of_stocks.rename_axis(["code", "date"]).reset_index("date")
    parts = rows.groupby("code").apply(lambda of_code: of_code.reset_index(drop=True))
    assert arrow_table(parts, pairs=True).column_names == ["code", "level_1", "date", "close"]


def test_a_series_of_pandas_is_no_frame() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    for series in (pandas.Series([1.0], name="score"), pandas.Index([1])):
        with pytest.raises(InputError, match=r"scores: .* is no frame; give a Polars or pandas DataFrame"):
            arrow_table(series, "scores")


def test_neither_library_is_imported_with_the_module() -> None:
    program = "import sys, atft.files.frames; print({'polars', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("set()\n", "")


@pytest.mark.parametrize("no_frame", [None, [1, 2], {"date": DAYS}, "panel.parquet", pl.Series([1.0])])
def test_what_is_no_frame_is_an_error_of_one_line(no_frame: Any) -> None:
    with pytest.raises(InputError, match=r"^frame: .*"):
        arrow_table(no_frame)


def test_categories_that_are_intervals_are_an_error_that_names_the_column(tmp_path: Path) -> None:
    import pandas as pd

    frame = pd.DataFrame({"code": ["A", "B", "C"], "x_bin": pd.cut(pd.Series([1.0, 2.0, 3.0]), 2)})
    with pytest.raises(
        InputError, match=r"^frame: column 'x_bin' has categories of the type .*; cast it to text or numb"
    ):
        write_frame(frame, tmp_path)


def test_two_columns_of_one_name_are_an_error() -> None:
    column = pa.array([1.0])
    with pytest.raises(InputError, match="two columns are named 'x_0'"):
        arrow_table(pa.Table.from_arrays([column, column], names=["x_0", "x_0"]))
