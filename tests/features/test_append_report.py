"""The report of an append: a fact a line."""

from datetime import date
from pathlib import Path

from atft.features.append_report import AppendReport

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
