"""Codes, names, numbers and flags: one rule however a file stores them."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from atft.errors import InputError
from atft.files.cells import (
    CellRange,
    check_codes,
    find_sorted,
    read_codes,
    read_flags,
    read_names,
    read_numbers,
    read_sectors,
    sorted_texts,
)

PLACE = CellRange(Path("p.parquet"), "c")


def fault(read: Any, column: pa.Array, cells: CellRange = PLACE) -> str:
    with pytest.raises(InputError) as caught:
        read(column, cells)
    message = str(caught.value)
    assert message.startswith("p.parquet: column 'c'") and "\n" not in message and len(message) < 200
    return message


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["1301", " 9984 "]),
        pa.array(["1301.0", "9984.00"]),
        pa.array(["1301", "9984"], pa.large_string()),
        pa.array([Decimal(1301), Decimal(9984)], pa.decimal128(4, 0)).cast(pa.decimal32(4, 0)),
        pa.array([Decimal(1301), Decimal(9984)], pa.decimal128(6, 2)).cast(pa.decimal64(6, 2)),
        pa.array(["1301", "9984"], pa.string_view()),
        pa.array(["1301", "9984"]).dictionary_encode(),
        pa.array([1301, 9984]),
        pa.array([1301, 9984], pa.uint16()),
        pa.array([1301.0, 9984.0]),
        pa.array([1301.0, 9984.0], pa.float32()),
        pa.array([Decimal("1301.00"), Decimal("9984.00")]),
        pa.array([Decimal(1301), Decimal(9984)], pa.decimal256(40, 0)),
    ],
    ids=lambda c: str(c.type),
)
def test_a_whole_number_is_one_code_however_it_is_stored(column: pa.Array) -> None:
    for read in (read_codes, read_names):
        assert read(column, PLACE).to_pylist() == ["1301", "9984"]
        assert read(column, PLACE).type == pa.string()


def test_a_code_that_is_text_keeps_its_zeros() -> None:
    assert read_codes(pa.array(["0050", "BRK.B", "1.5"]), PLACE).to_pylist() == ["0050", "BRK.B", "1.5"]


@pytest.mark.parametrize("empty", [None, "", "  ", float("nan")])
def test_an_empty_cell_is_no_code_and_an_unknown_name(empty: Any) -> None:
    column = pa.array([1.0 if isinstance(empty, float) else "1", empty])
    assert "row 2: no code; fill it in or drop the row" in fault(read_codes, column)
    assert read_names(column, PLACE).to_pylist() == ["1", None]
    assert read_names(pa.nulls(2), PLACE).to_pylist() == [None, None]


def test_a_sector_that_stands_for_none_is_null() -> None:
    column = pa.array(["Banks", "n/a", "NA", " - ", "null", "", "33"])
    assert read_sectors(column, PLACE).to_pylist() == ["Banks", *[None] * 5, "33"]
    assert read_sectors(pa.array([33, None]), PLACE).to_pylist() == ["33", None]


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pa.array([1.0, 1301.5]), "row 2: 1301.5 must be a whole number below 9,007,199,254,740,992"),
        (pa.array([2.0**24], pa.float32()), "must be a whole number below 16,777,216; write it as text"),
        (pa.array([-(2.0**53)]), "row 1: -9007199254740992.0 must be a whole number below"),
        (pa.array(np.array([2047, 2048], np.float16)), "row 2: 2048.0 must be a whole number below 2,048"),
        (pa.array([float("inf")]), "row 1: inf must be a whole number"),
        (pa.array([Decimal("1.50")]), "row 1: 1.50 must be a whole number; write it as text"),
        (pa.array(["a", "b\x00"]), r"row 2: 'b\x00' has an unprintable character; remove it"),
        (pa.array([True]), "must hold text or whole numbers, it is bool; cast it"),
        (pa.array([b"a"]), "must hold text or whole numbers, it is binary"),
    ],
)
def test_what_is_no_code_raises_and_names_the_row(column: pa.Array, said: str) -> None:
    assert said in fault(read_codes, column)
    assert said in fault(read_names, column)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1.1, None, 1e9]),
        pa.array(["1.1", "", " 1e9"]),
        pa.array(["1.1", None, "1000000000"], pa.large_string()),
        pa.array(["1.1", "", "1e9"], pa.string_view()),
        pa.array(["1.1", None, "1e9"]).dictionary_encode(),
        pa.array([Decimal("1.1"), None, Decimal(10**9)]),
    ],
    ids=lambda c: str(c.type),
)
def test_a_number_is_the_same_float32_however_it_is_stored(column: pa.Array) -> None:
    numbers = read_numbers(column, PLACE)
    assert numbers.type == pa.float32()
    assert numbers.to_pylist() == [np.float32(1.1), None, np.float32(1e9)]


@pytest.mark.parametrize(
    "unknown", ["NA", "n/a", "#N/A", "#N/A N/A", "null", "None", "NaN", " - ", "--", "."]
)
def test_what_other_programs_write_for_an_unknown_number_is_null(unknown: str) -> None:
    assert read_numbers(pa.array(["1.5", unknown, ""]), PLACE).to_pylist() == [1.5, None, None]


def test_a_column_of_nulls_or_whole_numbers_is_a_column_of_numbers() -> None:
    assert read_numbers(pa.nulls(2), PLACE).to_pylist() == [None, None]
    assert read_numbers(pa.array([2**53 + 1]), PLACE).to_pylist() == [2.0**53]


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pa.array(["1", "", "ten", "x"]), "row 3: 'ten' is not a number; correct it"),
        (
            pa.array(["1,234.5"]),
            "row 1: '1,234.5' is not a number; write 1234.5, with a decimal point and no",
        ),
        (pa.array([True]), "must be numeric, it is bool; cast it"),
        (pa.array([[1.0]]), "must be numeric, it is list<"),
    ],
)
def test_what_is_no_number_raises_and_names_the_row(column: pa.Array, said: str) -> None:
    assert said in fault(read_numbers, column)


def test_a_flag_is_a_boolean_and_null_is_false() -> None:
    assert read_flags(pa.array([True, None, False]), PLACE).to_pylist() == [True, False, False]
    assert "must be boolean, it is int64; cast it" in fault(read_flags, pa.array([1, 0]))


def test_a_fault_counts_rows_from_the_beginning_of_the_file() -> None:
    cells = CellRange(PLACE.file, "c", first_row=999)
    assert "row 1,001:" in fault(read_codes, pa.array(["a", ""]), cells)


def test_a_code_of_its_own_for_each_row_raises_before_a_grid_is_made() -> None:
    check_codes(PLACE.file, codes=4_000, days=5_000, rows=3_000_000)
    check_codes(PLACE.file, codes=30_000, days=25_000, rows=100_000_000)
    check_codes(PLACE.file, codes=2, days=1_000, rows=2)
    with pytest.raises(InputError, match=r"p\.parquet: 1,000,000 codes in 1,000,000 rows on 1,000 days"):
        check_codes(PLACE.file, codes=1_000_000, days=1_000, rows=1_000_000)


def test_texts_are_numbered_in_ascending_order_across_chunks_and_null_is_minus_one() -> None:
    column = pa.chunked_array([["b", None, "a"], ["c", "a"]])
    for stored in (column, column.dictionary_encode()):
        texts, index = sorted_texts(stored)
        assert texts == ["a", "b", "c"]
        assert index.tolist() == [1, -1, 0, 2, 0]


@pytest.mark.parametrize("ascending", [[], [3], [1, 4, 9]])
def test_a_value_is_where_it_is_among_ascending_ones_or_is_not_there(ascending: list[int]) -> None:
    wanted = np.arange(11)
    index, there = find_sorted(np.array(ascending, dtype=np.int64), wanted)
    assert wanted[there].tolist() == ascending and index[there].tolist() == list(range(len(ascending)))
