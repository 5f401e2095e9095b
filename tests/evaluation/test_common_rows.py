"""Rows that all files have: found by date and code, counted, with one target for all."""

import numpy as np
import pytest

from atft.errors import InputError
from atft.evaluation.common_rows import common_rows
from atft.evaluation.predictions import HorizonScores


def scored(
    dates: list[int], codes: str, score: list[list[float]], **columns: list[list[float]]
) -> HorizonScores:
    """A table of days in January 2020; a score of NaN is no row."""
    scores = np.array(score, dtype=np.float32)
    arrays = {"target": scores * 10} | {n: np.array(c, dtype=np.float32) for n, c in columns.items()}
    days = np.array([np.datetime64(f"2020-01-{day:02d}") for day in dates])
    return HorizonScores(5, days, list(codes), np.isfinite(scores), {"score": scores} | arrays)


def test_rows_are_matched_by_date_and_code_and_the_others_are_counted() -> None:
    nan = np.nan
    a = scored([1, 2, 3], "ABC", [[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    b = scored([2, 3, 4], "BCD", [[50, 60, 0], [nan, 90, 1], [1, 1, 1]])
    found = common_rows({"a": a, "b": b})
    assert [str(d) for d in found.table.dates] == ["2020-01-02", "2020-01-03"]
    assert found.table.codes == ["B", "C"] and found.table.horizon == 5
    assert found.table.present.tolist() == [[True, True], [False, True]]
    assert found.scores["a"][found.table.present].tolist() == [5, 6, 9]
    assert found.scores["b"][found.table.present].tolist() == [50, 60, 90]
    # Of a: 9 rows, 3 kept, and one whole day; of b: 8 rows, 3 kept, and one whole day.
    assert found.dropped == {"a": (6, 1), "b": (5, 1)}


def test_the_order_of_files_changes_the_names_and_no_row() -> None:
    a = scored([1, 2], "AB", [[1, 2], [3, 4]])
    b = scored([2, 3], "BA", [[1, 2], [3, 4]])
    b = HorizonScores(5, b.dates, ["A", "B"], b.present, b.columns)
    one, other = common_rows({"a": a, "b": b}), common_rows({"b": b, "a": a})
    np.testing.assert_array_equal(one.table.present, other.table.present)
    np.testing.assert_array_equal(one.scores["a"], other.scores["a"])


def test_columns_come_from_the_first_file_that_has_them_and_unknown_targets_from_the_next() -> None:
    nan = np.nan
    a = scored([1], "AB", [[1, 2]], target=[[nan, 0.02]])
    b = scored([1], "AB", [[2, 1]], target=[[0.01, 0.02]], return_1d=[[0.5, 0.6]])
    # A column without a value is none.
    empty = scored([1], "AB", [[1, 2]], target=[[nan, 0.02]], return_1d=[[nan, nan]])
    for first in (a, empty):
        found = common_rows({"a": first, "b": b})
        assert found.table.columns["target"].tolist() == [[np.float32(0.01), np.float32(0.02)]]
        assert found.table.columns["return_1d"].tolist() == [[0.5, np.float32(0.6)]]
        assert found.notes == []


def test_targets_that_differ_by_more_than_rounding_are_said() -> None:
    a = scored([1], "AB", [[1, 2]], target=[[0.01, 0.02]])
    b = scored([1], "AB", [[1, 2]], target=[[0.010001, 0.03]])
    found = common_rows({"a": a, "b": b})
    assert found.table.columns["target"][0, 1] == np.float32(0.02)
    (note,) = found.notes
    assert note.startswith("b: target differs on 1 of 2 rows of horizon 5 from that of a file before it")
    assert common_rows({"b": b, "a": a}).notes == [note.replace("b: ", "a: ")], "lower or higher"


def test_targets_written_with_as_many_digits_are_the_same_whatever_their_size() -> None:
    target = [[1000.0, -1000.0, 0.5]]
    a = scored([1], "ABC", [[1, 2, 3]], target=target)
    same = scored([1], "ABC", [[1, 2, 3]], target=[[1000.004, -1000.004, 0.500001]])
    other = scored([1], "ABC", [[1, 2, 3]], target=[[1000.03, -999.97, 0.50003]])
    assert common_rows({"a": a, "b": same}).notes == []
    (note,) = common_rows({"a": a, "b": other}).notes
    assert "differs on 3 of 3 rows" in note


def test_a_row_without_a_score_is_no_row() -> None:
    a = scored([1, 2], "AB", [[1, 2], [3, 4]])
    b = scored([1, 2], "AB", [[1, 2], [3, np.nan]], target=[[10, 20], [30, 40]])
    b = HorizonScores(5, b.dates, b.codes, np.ones((2, 2), bool), b.columns)
    found = common_rows({"a": a, "b": b})
    assert found.table.present.tolist() == [[True, True], [True, False]]
    assert found.dropped == {"a": (1, 0), "b": (0, 0)}


def test_files_without_a_common_row_raise_with_their_periods() -> None:
    a = scored([1, 2], "AB", [[1, 2], [3, 4]])
    for b in (scored([3], "AB", [[1, 2]]), scored([1], "CD", [[1, 2]])):
        with pytest.raises(
            InputError, match="no row of horizon 5 is in all files: a has 2 codes, 2020-01-01 to"
        ):
            common_rows({"a": a, "b": b})


def test_one_file_is_itself() -> None:
    a = scored([1, 2], "AB", [[1, 2], [3, 4]])
    found = common_rows({"a": a})
    np.testing.assert_array_equal(found.table.columns["score"], a.columns["score"])
    assert found.dropped == {"a": (0, 0)}
