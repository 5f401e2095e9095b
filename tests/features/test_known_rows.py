"""Rows of a file in the order in which they were known."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from atft.features.known_rows import JoinOptions, read_known_rows

ROWS = pl.DataFrame(
    {
        "code": ["0050", "1301", "0050"],
        "published": [date(2015, 2, 2), date(2015, 1, 5), date(2015, 1, 6)],
        "quarter": ["Q4", "Q3", "Q3"],
        "eps": [3.0, 1.0, None],
        "book": [30, 10, 20],
    }
)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_and_a_parquet_file_have_the_same_rows(tmp_path: Path, delimiter: str) -> None:
    ROWS.write_csv(tmp_path / "f.csv", separator=delimiter)
    ROWS.write_parquet(tmp_path / "f.parquet")
    text, table = (read_known_rows(tmp_path / name, JoinOptions()) for name in ("f.csv", "f.parquet"))
    assert text.codes == table.codes == ("0050", "1301")
    assert text.code.tolist() == table.code.tolist() == [0, 0, 1]
    assert text.known.tolist() == table.known.tolist()
    assert list(text.values) == list(table.values) == ["x_eps", "x_book"], "numbers only"
    for rows in (text, table):
        assert rows.values["x_eps"].to_pylist() == [None, 3.0, 1.0]
        assert rows.values["x_book"].to_pylist() == [20.0, 30.0, 10.0]


def test_columns_may_be_chosen_and_named(tmp_path: Path) -> None:
    ROWS.write_parquet(tmp_path / "f.parquet")
    rows = read_known_rows(tmp_path / "f.parquet", JoinOptions(columns=["b*"], prefix="exposure_"))
    assert list(rows.values) == ["exposure_book"]
