"""The report of an append: a fact a line."""

from datetime import date
from pathlib import Path

import numpy as np

from atft.features.append_report import AppendReport, report_append
from atft.features.options import FeatureOptions
from atft.features.row_checks import check_rows
from small_prices import grid_of

OUT, FIRST, LAST = Path("panels/mine"), date(2020, 1, 2), date(2020, 1, 3)


def test_the_report_names_the_new_days_and_what_was_made_again() -> None:
    one = AppendReport(OUT, LAST, (LAST,), None, 1234, 1, ("a note",))
    assert one.lines() == ["panels/mine: 1 new day (2020-01-03), 1,234 rows; 1 in the universe", "a note"]
    two = AppendReport(OUT, LAST, (FIRST, LAST), FIRST, 2, 2, ())
    assert two.lines() == [
        "panels/mine: 2 new days (2020-01-02 to 2020-01-03), 2 rows; 2 in the universe",
        "built again from 2020-01-02 on: past prices or the calendar have changed",
    ]


def test_prices_without_a_new_day_are_said_to_have_none() -> None:
    none = AppendReport(OUT, LAST, (), None, 0, 0, ("a note",))
    assert none.lines() == ["panels/mine: no new day in the prices; nothing to append", "a note"]
    corrected = AppendReport(OUT, LAST, (), LAST, 0, 0, ())
    assert corrected.lines()[0] == "panels/mine: 0 new days, 0 rows; 0 in the universe"


def test_codes_that_begin_or_end_with_the_new_days_are_named() -> None:
    nan = np.nan
    prices = check_rows(grid_of([[1, 2, 3, 4], [1, 2, nan, nan], [1, nan, 3, nan]]), FeatureOptions())
    renamed = report_append(OUT, prices, prices.calendar[:2], None, ("a note",))
    assert renamed.notes == ("a note", "codes without a row on the new days: 1: s1")
    begun = check_rows(grid_of([[1, nan, nan], [1, 2, 3]]), FeatureOptions())
    assert report_append(OUT, begun, begun.calendar[:1], None, ()).notes == ("codes that are new: 2: s1, s2",)
    assert report_append(OUT, begun, begun.calendar, None, ()).notes == ()
