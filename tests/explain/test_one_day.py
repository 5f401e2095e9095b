"""What cannot be explained is one line that says what can."""

from typing import Any

import pytest

from atft.errors import InputError
from atft.explain.one_day import day_to_explain, days_to_explain, find_stock, horizon_index


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("soon", "date must be an ISO date such as 2017-06-30, got 'soon'"),
        (
            "2015-04-19",
            "no trading day of the panel, .* to 2015-04-24; the trading day before it is 2015-04-17",
        ),
        ("2014-01-06", r"no trading day of the panel, which runs 2015-01-05 to 2015-04-24$"),
        ("2015-01-07", "has 3 days of history, the network reads 6; the first day is 2015-01-12"),
    ],
)
def test_a_day_that_cannot_be_explained_names_one_that_can(text: str, message: str, tiny: Any) -> None:
    with pytest.raises(InputError, match=message):
        day_to_explain(tiny.data, text)


def test_a_day_is_read_whole_with_its_history(tiny: Any) -> None:
    index = day_to_explain(tiny.data, "2015-04-17")
    batch, manifest = tiny.data.block_of_day(index), tiny.data.open_cache().manifest
    assert batch.day.tolist() == [index] and str(manifest.dates[index]) == "2015-04-17"
    assert batch.universe.all() and batch.rows == manifest.universe_rows[index] and batch.lookback == 6


def test_days_of_a_period_are_evenly_spaced_from_its_first_to_its_last(tiny: Any) -> None:
    dates = tiny.data.open_cache().manifest.dates
    found = days_to_explain(tiny.data, ["2015-04-04", "2015-04-19"], 4)
    assert [str(dates[day]) for day in found] == ["2015-04-06", "2015-04-09", "2015-04-14", "2015-04-17"]
    assert [str(dates[d]) for d in days_to_explain(tiny.data, ["2014-01-01", "2015-01-13"], 9)] == [
        "2015-01-12",
        "2015-01-13",
    ], "days without history are left out"
    with pytest.raises(InputError, match="no day from 2016-01-01 to 2016-02-01 with 6 days of history; the"):
        days_to_explain(tiny.data, ["2016-01-01", "2016-02-01"], 9)
    with pytest.raises(InputError, match="the period of --from and --to must be"):
        days_to_explain(tiny.data, ["soon", "2016-02-01"], 9)


def test_a_stock_outside_the_universe_is_not_an_unknown_one() -> None:
    from datetime import date

    day = date(2015, 4, 17)
    assert find_stock("B", ["A", "B"], ("A", "B", "C"), day) == 1
    with pytest.raises(
        InputError, match="code C: not in the universe of 2015-04-17; name another day or stock"
    ):
        find_stock("C", ["A", "B"], ("A", "B", "C"), day)
    with pytest.raises(InputError, match="'S0': no stock of the panel; did you mean 'S01'"):
        find_stock("S0", ["A", "S01"], ("A", "S01"), day)
    for code in ("aapl", "APPL"):
        with pytest.raises(InputError, match=f"'{code}': no stock of the panel; did you mean 'AAPL'"):
            find_stock(code, ["AA", "ZZ"], ("AA", "AAPL", "ZZ"), day)
    with pytest.raises(InputError, match=r"'nothing': no stock of the panel$"):
        find_stock("nothing", ["A", "S01"], ("A", "S01"), day)


def test_the_horizon_is_one_of_the_networks(tiny: Any) -> None:
    assert [horizon_index(tiny.task, h) for h in (None, 1, 5)] == [0, 0, 1]
    with pytest.raises(InputError, match="horizon must be one of 1, 5, got 3"):
        horizon_index(tiny.task, 3)
