"""The calendar's checks: planted days, holes and dates, each found; markets that really trade so, none."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from atft.errors import InputError
from atft.trading_days import (
    DAY_RULES,
    MAX_INSERTED,
    TradingDays,
    day_index,
    day_rules,
    find_trading_days,
    longest_usual_gap,
    missing_weekdays,
    thin_days,
    usual_weekdays,
)

TODAY = date(2026, 1, 5)
EXCLUDE = {"rare_weekdays": "exclude", "thin_days": "exclude"}


def every(weekdays: Sequence[int] = range(5), first: date = date(2014, 1, 1), days: int = 365) -> list[date]:
    """The dates of some weekdays in a stretch of calendar days."""
    span = (first + timedelta(days=i) for i in range(days))
    return [day for day in span if day.weekday() in weekdays]


def calendar_of(rows: dict[date, int], value: dict[date, float] | None = None, **more: Any) -> TradingDays:
    """The calendar of dates with their number of stocks and, by default, a traded value in proportion to it."""
    dates = sorted(rows)
    traded = np.array([(value or {}).get(d, 1e6 * rows[d]) for d in dates], dtype=np.float64)
    rules = {k: more.pop(k) for k in list(more) if k in DAY_RULES}
    options: dict[str, Any] = {"today": TODAY, "longest_label_days": 20, **more}
    return find_trading_days(dates, np.array([rows[d] for d in dates]), traded, rules, "p.parquet", **options)


def message_of(rows: dict[date, int], **more: Any) -> str:
    with pytest.raises(InputError) as caught:
        calendar_of(rows, **more)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 250
    return message


def usual(stocks: int = 80, **more: Any) -> dict[date, int]:
    return dict.fromkeys(every(**more), stocks)


@pytest.mark.parametrize(
    "weekdays",
    [range(5), [6, 0, 1, 2, 3], range(7), range(6), [4]],
    ids=["western", "Sunday to Thursday", "every day", "with Saturdays", "weekly"],
)
@pytest.mark.parametrize("days", [9, 40, 1500])
def test_a_market_keeps_the_weekdays_that_it_trades(weekdays: Sequence[int], days: int) -> None:
    rows = usual(weekdays=weekdays, days=days)
    found = calendar_of(rows)
    assert found.findings == ()
    assert found.calendar == tuple(rows)
    assert found.source.tolist() == list(range(len(rows)))


def test_a_panel_that_grows_from_a_few_stocks_is_clean() -> None:
    dates = every(days=1500)
    assert calendar_of({d: 3 + i for i, d in enumerate(dates)}).findings == ()
    assert calendar_of({d: 5 * 2 ** (i // 100) for i, d in enumerate(dates)}).findings == ()


def test_rows_on_one_saturday_raise_by_name_and_are_excluded_or_kept_as_told() -> None:
    rows = usual() | {date(2014, 5, 10): 3}
    message = message_of(rows)
    assert message == (
        "p.parquet: dates on Saturday, when this market rarely trades: 1, the first 2014-05-10 (3 stocks); "
        "correct them, or set calendar.rare_weekdays to exclude (no sessions) or keep (sessions)"
    )
    assert "set data.cache.calendar.rare_weekdays to" in message_of(rows, key="data.cache.calendar")
    out = calendar_of(rows, rare_weekdays="exclude")
    assert out.calendar == tuple(usual())
    assert rows.keys() - set(out.calendar) == {date(2014, 5, 10)}
    assert out.findings == (
        "left out, dates on Saturday, when this market rarely trades: 1, the first 2014-05-10 (3 stocks)",
    )
    kept = calendar_of(rows, rare_weekdays="keep")
    assert kept.calendar == tuple(sorted(rows))
    assert kept.findings[0].startswith("kept, dates on Saturday")


def test_whole_saturdays_in_half_of_the_weeks_and_a_coin_that_never_rests_are_rare() -> None:
    saturdays = every(weekdays=[5])
    assert "Saturday, when this market rarely trades: 28," in message_of(
        usual() | dict.fromkeys(saturdays[:28], 80)
    )
    assert "Saturday and Sunday" in message_of(usual() | dict.fromkeys(every(weekdays=[5, 6]), 1))
    coin = calendar_of(usual(81) | dict.fromkeys(every(weekdays=[5, 6]), 1), **EXCLUDE)
    assert coin.calendar == tuple(usual())


def weeks(weekday: int, of_weeks: int, present: int) -> dict[date, int]:
    """Full weeks from a Monday on, of seven days; one weekday is there in some of the weeks only."""
    days = every(range(7), date(2014, 1, 6), 7 * of_weeks)
    gone = {day for day in days[7 * present :] if day.weekday() == weekday}
    return {day: 80 for day in days if day not in gone}


@pytest.mark.parametrize(
    ("weekday", "of_weeks", "present", "rare"),
    [
        *((5, 20, 15, False), (5, 20, 14, True)),  # three quarters of the weeks
        *((0, 20, 5, False), (0, 20, 4, True)),  # a quarter
        *((5, 4, 2, False), (5, 4, 1, True), (6, 2, 0, False)),  # three weeks are missing at least
    ],
)
def test_a_weekday_is_rare_below_its_share_of_the_weeks(
    weekday: int, of_weeks: int, present: int, rare: bool
) -> None:
    rows = weeks(weekday, of_weeks, present)
    assert bool(calendar_of(rows, rare_weekdays="keep").findings) == rare


def test_a_file_of_twelve_days_has_saturday_once_and_monday_twice() -> None:
    rows = usual(weekdays=range(7), first=date(2014, 1, 6), days=12)
    assert calendar_of(rows).findings == ()


@pytest.mark.parametrize("day", [date(2026, 1, 7), date(9999, 12, 31)])
def test_a_date_in_the_future_raises_under_every_option(day: date) -> None:
    message = message_of(usual() | {day: 1}, rare_weekdays="keep", thin_days="keep", gaps="keep")
    assert f"1 date in the future, the last {day} (today is 2026-01-05); correct or remove" in message

    assert f"1 date in the future, the last {day} (today is 2026-01-05); correct or remove" in message
    assert ": 1 date in the future" in message_of(usual() | {TODAY: 80, day: 80}, gaps="keep")
    # Tokyo's tomorrow is New York's today.
    assert calendar_of(usual() | {date(2026, 1, 6): 80}).calendar[-1] == date(2026, 1, 6)


def test_thin_days_are_counted_named_and_left_out_of_nothing_but_the_calendar() -> None:
    thin = every()[30:230:20]
    rows = usual() | dict.fromkeys(thin, 2)
    message = message_of(rows)
    assert "days with less than half of the usual stocks: 10, the first 2014-02-12 (2 stocks), 20" in message
    assert "set calendar.thin_days to exclude (no sessions) or keep (sessions)" in message
    assert set(usual()) - set(calendar_of(rows, thin_days="exclude").calendar) == set(thin)
    assert calendar_of(rows, thin_days="keep").calendar == tuple(usual())


def test_a_day_without_any_stock_is_thin_wherever_it_stands() -> None:
    for day in (every()[0], every()[3], every()[100]):
        assert f"{day} (0 stocks)" in message_of(usual(stocks=4) | {day: 0})


def test_a_holiday_bar_without_trades_is_thin_and_a_half_day_is_not() -> None:
    day = date(2014, 7, 4)
    message = message_of(usual(), value={day: 0.0})
    assert "days with less than 5% of the usual traded value: 1, the first 2014-07-04 (0)" in message
    assert calendar_of(usual(), value={day: 0.0}, thin_days="exclude").calendar == tuple(
        d for d in usual() if d != day
    )
    assert calendar_of(usual(), value={date(2014, 12, 24): 0.2 * 80e6}).findings == ()
    assert calendar_of(usual(), value=dict.fromkeys(usual(), 0.0)).findings == ()


def test_few_stocks_are_not_compared_with_half_of_themselves_or_their_value() -> None:
    day = every()[100]
    assert calendar_of(usual(stocks=4) | {day: 1}, value={day: 0.0}).findings == ()


@pytest.mark.parametrize(
    ("usual_stocks", "stocks", "before", "few"),
    [
        *((80, 39, 60, True), (80, 40, 60, False)),  # half of the usual ones
        *((80, 2, 5, True), (80, 2, 4, False)),  # after five sessions
        *((10, 4, 60, True), (9, 4, 60, False)),  # of ten or more
    ],
)
def test_a_day_is_thin_below_half_of_the_sessions_before_it(
    usual_stocks: int, stocks: int, before: int, few: bool
) -> None:
    counts = np.array([usual_stocks] * before + [stocks, usual_stocks])
    found, idle = thin_days(counts, 1e6 * counts, np.ones(len(counts), dtype=bool))
    assert np.flatnonzero(found).tolist() == [before] * few and not idle.any()


def test_thin_days_that_are_not_in_a_row_never_become_usual() -> None:
    stocks = np.array([80] * 10 + [80, 20, 80] * 200)
    few, _ = thin_days(stocks, np.zeros(610), np.ones(610, dtype=bool))
    assert np.array_equal(few, stocks == 20)
    value = np.repeat([1e6, 1e4, 1e6], [100, 119, 100])
    few, idle = thin_days(np.full(319, 80), value, np.ones(319, dtype=bool))
    assert not few.any() and np.array_equal(idle, value == 1e4)


def test_a_day_without_a_stock_is_thin_where_others_have_some_and_it_is_a_session() -> None:
    session = np.array([True, False, True])
    for stocks, few in (([5, 0, 0], [False, False, True]), ([0, 0, 0], [False] * 3)):
        assert thin_days(np.array(stocks), np.zeros(3), session)[0].tolist() == few
    assert calendar_of(usual(stocks=0)).findings == ()


def test_thin_days_are_found_by_the_days_before_them() -> None:
    rng = np.random.default_rng(0)
    stocks = rng.integers(20, 90, 300)
    value = rng.lognormal(0, 2, 300)
    session = rng.random(300) < 0.9
    whole = thin_days(stocks, value, session)
    for cut in (10, 100, 250):
        part = thin_days(stocks[:cut], value[:cut], session[:cut])
        assert all(np.array_equal(a[:cut], b) for a, b in zip(whole, part, strict=True))


def test_a_lasting_change_becomes_usual_after_half_a_year() -> None:
    stocks = np.repeat([80, 20], 200)
    few, _ = thin_days(stocks, np.zeros(400), np.ones(400, dtype=bool))
    assert np.flatnonzero(few).tolist() == list(range(200, 320))


def test_a_summer_without_rows_becomes_days_on_which_nothing_is_observed() -> None:
    rows = {d: 80 for d in usual(days=730) if not date(2014, 6, 1) <= d <= date(2014, 8, 31)}
    found = calendar_of(rows)
    inserted = [d for d, i in zip(found.calendar, found.source, strict=True) if i < 0]
    assert inserted == [d for d in every() if date(2014, 6, 1) <= d <= date(2014, 8, 31)]
    assert list(found.calendar) == sorted(found.calendar)
    assert [list(rows)[i] for i in found.source if i >= 0] == list(rows)
    assert found.source.min() == -1
    assert found.findings == (
        "unknown across, gaps of more than 4 weekdays: 1, the first 2014-05-30 to 2014-09-01 (65 missing)",
    )
    assert "complete the file, or set calendar.gaps to unknown or keep" in message_of(rows, gaps="error")
    kept = calendar_of(rows, gaps="keep")
    assert kept.calendar == tuple(rows)
    assert kept.findings[0].startswith("kept, gaps")


def test_a_gap_of_decades_costs_no_more_days_than_windows_and_labels_reach() -> None:
    old, new = every(first=date(1850, 1, 1), days=300), every()
    found = calendar_of(dict.fromkeys([*old, *new], 80))
    assert len(found.calendar) == len(old) + MAX_INSERTED + len(new)
    assert found.calendar[len(old) + MAX_INSERTED - 1] == date(2013, 12, 31)
    longer = calendar_of(dict.fromkeys([*old, *new], 80), longest_label_days=400)
    assert len(longer.calendar) == len(old) + 400 + len(new)


def test_holidays_of_each_market_are_no_gap() -> None:
    def without(*holidays: tuple[int, int, int]) -> dict[date, int]:
        """Seven years without ``length`` weekdays from a day of a month on."""
        out = usual(days=7 * 365)
        for year in range(2014, 2021):
            for month, day, length in holidays:
                from_there = [d for d in out if d >= date(year, month, day)][:length]
                out = {d: n for d, n in out.items() if d not in from_there}
        return out

    rows = without((9, 11, 4))
    assert calendar_of(rows).findings == () and calendar_of(rows).calendar == tuple(rows)
    assert calendar_of(without((2, 1, 5), (10, 1, 5))).findings == ()
    assert calendar_of(without((4, 29, 3), (12, 31, 4))).findings == ()
    # One year's golden week was a day longer, another time a fortnight is missing.
    golden = without((2, 1, 5), (10, 1, 5))
    assert calendar_of({d: n for d, n in golden.items() if d != date(2016, 10, 10)}).findings == ()
    lost = {d: n for d, n in golden.items() if not date(2016, 6, 6) <= d <= date(2016, 6, 17)}
    assert "2016-06-03 to 2016-06-20 (10 missing)" in calendar_of(lost).findings[0]


def test_six_weekdays_missing_in_all_years_but_one_are_no_holiday() -> None:
    rows = usual(days=7 * 365)
    for year in range(2014, 2020):
        missing = [d for d in rows if d >= date(year, 6, 2)][:6]
        rows = {d: n for d, n in rows.items() if d not in missing}
    assert "gaps of more than 4 weekdays: 6, the first" in calendar_of(rows).findings[0]


def test_one_week_missing_from_a_western_market_is_a_gap() -> None:
    rows = {d: 80 for d in usual() if not date(2014, 6, 2) <= d <= date(2014, 6, 6)}
    assert "2014-05-30 to 2014-06-09 (5 missing)" in calendar_of(rows).findings[0]


def test_a_file_with_one_date_a_month_has_no_gaps() -> None:
    months = [date(2010 + m // 12, m % 12 + 1, 26) for m in range(120)]
    assert calendar_of(dict.fromkeys(months, 80)).findings == ()


def test_the_parts_say_what_they_count() -> None:
    week = np.arange(7)
    assert usual_weekdays(week, np.full(7, 10)).tolist() == [True] * 7
    assert (
        usual_weekdays(np.repeat(week, 20), np.repeat([9, 9, 9, 9, 9, 1, 0], 20)).tolist()
        == [True] * 5 + [False] * 2
    )
    days = [date(2014, 1, 3), date(2014, 1, 6), date(2014, 1, 8)]
    assert missing_weekdays(days, np.array([True] * 5 + [False] * 2)).tolist() == [0, 1]
    assert missing_weekdays(days, np.array([True] * 7)).tolist() == [2, 1]
    assert longest_usual_gap(np.array([], dtype=np.int64), 0.0) == 4
    assert longest_usual_gap(np.array([5, 5, 0, 0, 0, 0, 0]), 1.0) == 6
    assert longest_usual_gap(np.array([65, 60, 0, 0, 0, 0, 0]), 2.0) == 8
    assert longest_usual_gap(np.array([9, 8, 5, 0, 0, 0, 0]), 2.1) == 6
    assert longest_usual_gap(np.array([7]), 0.1) == 18 and longest_usual_gap(np.full(12, 21), 1.0) == 46


@pytest.mark.parametrize("fault", list(DAY_RULES))
def test_a_rule_takes_its_own_values_only(fault: str) -> None:
    with pytest.raises(InputError, match=f"data.cache.calendar.{fault} must be one of .*, got 'drop'$"):
        day_rules({fault: "drop"}, "data.cache.calendar")


def test_rules_are_completed_with_the_defaults_and_an_unknown_one_is_named() -> None:
    assert day_rules({"thin_days": "keep"}, "calendar") == {
        "rare_weekdays": "error",
        "thin_days": "keep",
        "gaps": "unknown",
    }
    with pytest.raises(InputError, match="calendar has no 'thin'; did you mean 'thin_days'"):
        day_rules({"thin": "keep"}, "calendar")


def test_days_are_found_from_either_side() -> None:
    calendar = [date(2020, 1, 2), date(2020, 1, 3), date(2020, 1, 6)]
    assert [day_index(calendar, date(2020, 1, d), "from") for d in (1, 4, 7)] == [0, 2, 3]
    assert [day_index(calendar, date(2020, 1, d), "to") for d in (1, 4, 6)] == [-1, 1, 2]
