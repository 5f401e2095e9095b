"""Dates against the sessions of an exchange."""

import sys
from datetime import date, timedelta

import pytest

from atft.errors import InputError
from atft.features.exchange_sessions import session_line
from atft.features.options import FeatureOptions


def test_missing_sessions_and_dates_that_are_none_are_counted_and_named() -> None:
    week = [date(2024, 7, 1) + timedelta(days=i) for i in (0, 1, 3, 4)]  # 4 July is a holiday, the 3rd is not
    assert session_line(week, "XNYS") == (
        "calendar XNYS: 4 sessions from 2024-07-01 to 2024-07-05; without rows: 1 (2024-07-03); "
        "dates that are no session: 1 (2024-07-04)"
    )
    assert "without rows: 0; dates that are no session: 0" in session_line([date(2024, 7, 1)], "XNYS")


def test_dates_before_the_calendar_begins_do_not_count() -> None:
    line = session_line([date(1990, 1, 4), date(1997, 1, 6), date(1997, 1, 7)], "XTKS")
    assert "2 sessions from 1997-01-06 to 1997-01-07; without rows: 0; dates that are no session: 0" in line


def test_an_unknown_exchange_and_an_absent_package_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"^calendar 'XNYX': no such exchange; did you mean 'XNYS'\?$"):
        session_line([date(2024, 7, 1)], "XNYX")
    monkeypatch.setitem(sys.modules, "exchange_calendars", None)
    with pytest.raises(InputError, match=r"run: pip install 'atft\[calendars\]'$"):
        session_line([date(2024, 7, 1)], "XNYS")


def test_calendar_takes_rules_an_exchange_or_both() -> None:
    assert FeatureOptions().exchange is None
    alone = FeatureOptions(calendar="XNYS")
    both = FeatureOptions(calendar={"exchange": "XNYS", "gaps": "keep"})
    assert alone.exchange == both.exchange == "XNYS"
    assert alone.day_rules == {} and both.day_rules == {"gaps": "keep"}
