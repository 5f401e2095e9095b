"""The days of each run of a registry are those of a run of that day, whatever the panel holds later."""

from datetime import date

import pytest

from atft.daily.retrain_plan import DatedRun, RetrainPlan, dated_run, due_dates, make_plan
from atft.data.split import SplitOptions, resolve_split
from atft.errors import InputError
from tests.conftest import trading_days

CALENDAR = trading_days(300)
SPLIT = SplitOptions(
    train=[CALENDAR[0].isoformat(), CALENDAR[99].isoformat()],
    val=[CALENDAR[100].isoformat(), CALENDAR[149].isoformat()],
    test=[CALENDAR[200].isoformat(), CALENDAR[249].isoformat()],
    embargo_days=3,
)
REACH, LOOKBACK = 20, 10


def days_of(calendar: list[date], plan: RetrainPlan, day: date) -> list[list[int]]:
    """Training and validation days of the run of a date."""
    run = dated_run(calendar, SPLIT, REACH, plan, day)
    split = resolve_split(calendar, run.split_options(SPLIT), REACH, LOOKBACK, [50] * len(calendar))
    assert len(split.test) == 0
    return [split.train.tolist(), split.val.tolist()]


def test_the_first_run_has_the_configurations_own_days_once_all_their_labels_are_known() -> None:
    plan = make_plan(CALENDAR, SPLIT, REACH, 63, None)
    assert plan == RetrainPlan(63, CALENDAR[149 + REACH].isoformat(), 50)
    own = resolve_split(CALENDAR, SplitOptions(SPLIT.train, SPLIT.val, None, 3), REACH, LOOKBACK, [50] * 300)
    assert days_of(CALENDAR, plan, CALENDAR[169]) == [own.train.tolist(), own.val.tolist()]


def test_no_label_of_a_run_ends_after_its_date_and_a_shorter_panel_gives_the_same_days() -> None:
    plan = make_plan(CALENDAR, SPLIT, REACH, 20, None)
    dates, _ = due_dates(CALENDAR, plan, [])
    assert dates == CALENDAR[169::20]
    for day in dates:
        train, val = days_of(CALENDAR, plan, day)
        known = CALENDAR.index(day)
        assert val[-1] + REACH == known and len(val) == 50 and train[-1] + REACH + 3 < val[0]
        assert days_of(CALENDAR[: known + 1], plan, day) == [train, val]


def test_dates_are_counted_from_the_newest_run_that_is_there() -> None:
    plan = RetrainPlan(20, CALENDAR[100].isoformat(), 50)
    assert due_dates(CALENDAR[:120], plan, []) == ([CALENDAR[100]], 1)
    assert due_dates(CALENDAR[:121], plan, [CALENDAR[100]]) == ([CALENDAR[100], CALENDAR[120]], 20)
    there = [CALENDAR[121], CALENDAR[100]]  # in any order
    assert due_dates(CALENDAR[:145], plan, there) == ([CALENDAR[100], CALENDAR[121], CALENDAR[141]], 17)
    # A day that a correction has removed keeps its run, and counts as the trading day before it.
    assert due_dates(CALENDAR[:118], plan, [date(2015, 5, 24)]) == ([date(2015, 5, 24)], 2)
    assert CALENDAR[99] == date(2015, 5, 22)
    later = [day for day in CALENDAR if day != CALENDAR[110]]
    dates, _ = due_dates(later[:121], plan, [CALENDAR[100]])
    assert dates == [CALENDAR[100], CALENDAR[121]]


def test_a_run_validates_on_the_last_days_whose_labels_are_known_and_trains_on_all_before() -> None:
    plan, day = RetrainPlan(20, CALENDAR[169].isoformat(), 50), [day.isoformat() for day in CALENDAR]
    run = dated_run(CALENDAR, SPLIT, REACH, plan, CALENDAR[169])
    assert run == DatedRun(CALENDAR[169], (day[0], day[99]), (day[100], day[149]))
    saturday = date(2015, 8, 29)
    later = SplitOptions(["2015-01-10", day[99]], SPLIT.val)  # begins on a Saturday
    assert dated_run(CALENDAR, later, REACH, plan, saturday).train == ("2015-01-12", day[99])
    assert dated_run(CALENDAR, later, REACH, plan, saturday).val == (day[100], day[149])
    one_day = dated_run(CALENDAR, SPLIT, REACH, plan, CALENDAR[70])
    assert one_day.train == (day[0], day[0]) and one_day.val == (day[1], day[50])
    with pytest.raises(InputError, match="has no day to train on"):
        dated_run(CALENDAR, SPLIT, REACH, plan, CALENDAR[69])


def test_validation_days_may_be_named_by_the_weekends_around_them() -> None:
    around = SplitOptions(SPLIT.train, ["2015-05-23", "2015-08-02"])
    assert make_plan(CALENDAR, around, REACH, 63, None) == make_plan(CALENDAR, SPLIT, REACH, 63, None)


def test_a_date_to_begin_with_is_the_first_trading_day_from_it_on() -> None:
    saturday = date(2015, 8, 1)
    assert make_plan(CALENDAR, SPLIT, REACH, 63, saturday).first == "2015-08-03"


def test_what_has_no_days_is_one_line() -> None:
    with pytest.raises(InputError, match=r"leave data\.split\.fold out"):
        make_plan(CALENDAR, SplitOptions(SPLIT.train, SPLIT.val, fold=1), REACH, 63, None)
    with pytest.raises(
        InputError, match="the first run needs prices 20 days after 2015-07-31, the panel ends"
    ):
        make_plan(CALENDAR[:160], SPLIT, REACH, 63, None)
    with pytest.raises(InputError, match="the first run needs prices from 2050-01-01 on"):
        make_plan(CALENDAR, SPLIT, REACH, 63, date(2050, 1, 1))
    with pytest.raises(
        InputError, match=r"data\.split\.val ends 2015-07-31, the panel 2015-07-30; end it within"
    ):
        make_plan(CALENDAR[:149], SPLIT, REACH, 63, CALENDAR[140])
    plan = RetrainPlan(20, CALENDAR[60].isoformat(), 50)
    with pytest.raises(InputError, match="has no day to train on: its 50 validation days begin before"):
        dated_run(CALENDAR, SPLIT, REACH, plan, CALENDAR[60])
