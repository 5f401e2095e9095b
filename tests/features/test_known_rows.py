"""Rows of a file in the order in which they were known."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft.errors import InputError
from atft.features.known_rows import JoinOptions, month_end_warning, read_known_rows
from atft.files.dates import as_day_numbers

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


def test_na_is_an_unknown_number_and_a_code(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text(
        "code,published,eps\nNA,2015-01-05,NA\nnan,2015-01-05,\nRY,2015-01-05,null\n"
    )
    rows = read_known_rows(tmp_path / "f.csv", JoinOptions())
    assert rows.codes == ("NA", "nan", "RY") and rows.values["x_eps"].to_pylist() == [None] * 3
    (tmp_path / "f.csv").write_text("code,published,eps\n,2015-01-05,1\n")
    with pytest.raises(InputError, match="column 'code', row 1: no code; fill it in"):
        read_known_rows(tmp_path / "f.csv", JoinOptions())


def test_columns_may_be_chosen_and_named(tmp_path: Path) -> None:
    ROWS.write_parquet(tmp_path / "f.parquet")
    rows = read_known_rows(tmp_path / "f.parquet", JoinOptions(columns=["b*"], prefix="exposure_"))
    assert list(rows.values) == ["exposure_book"]


def test_days_of_which_nine_in_ten_end_a_month_are_warned_of() -> None:
    ends = [date(2015 + m // 12, m % 12 + 1, 1) for m in range(1, 31)]
    last = np.sort(as_day_numbers(ends)) - 1

    def warning(month_ends: int, others: int) -> str:
        # The last but one day of a month is no end; many rows of a day count once.
        days = np.concatenate([last[:month_ends], last[month_ends : month_ends + others] - 1])
        return month_end_warning(np.repeat(days, 3), "published")

    assert warning(9, 1).startswith("90% of the days in 'published' are the last of a month")
    assert warning(8, 0).startswith("100% of the days") and warning(7, 0) == ""
    assert warning(8, 1) == warning(0, 20) == ""


def test_decimals_are_numbers_and_names_of_a_csv_file_are_unique(tmp_path: Path) -> None:
    decimals = ROWS.with_columns(eps=pl.Series([Decimal("3.5"), Decimal("1.25"), None]))
    decimals.write_parquet(tmp_path / "f.parquet")
    rows = read_known_rows(tmp_path / "f.parquet", JoinOptions())
    assert rows.values["x_eps"].to_pylist() == [None, 3.5, 1.25] and rows.skipped == ("quarter",)
    (tmp_path / "f.csv").write_text("code,published,eps,eps\nA,2015-01-05,1,2\n")
    with pytest.raises(InputError, match="eps"):
        read_known_rows(tmp_path / "f.csv", JoinOptions())


def test_keys_are_named_and_a_value_may_last_a_day() -> None:
    assert JoinOptions(max_age_days=1).max_age_days == 1 and JoinOptions(on="day").keys == ["day"]
    for on in ("", ",code", "date,", "a,b,c"):
        with pytest.raises(InputError, match="on must name the day and the code"):
            JoinOptions(on=on)
    with pytest.raises(InputError, match="max_age_days must be at least 1, got 0"):
        JoinOptions(max_age_days=0)
