from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from atft.data.folds import FoldOptions
from atft.data.split import Split, SplitOptions, count_folds, period_name, resolve_split, stock_floor
from atft.errors import InputError


def _calendar(count: int = 400) -> list[date]:
    return [date.fromordinal(date(2015, 1, 5).toordinal() + i) for i in range(count)]


CALENDAR = _calendar()


def _iso(first: int, last: int) -> list[str]:
    return [CALENDAR[first].isoformat(), CALENDAR[last].isoformat()]


def _split(options: SplitOptions, label: int = 5, lookback: int = 20) -> Split:
    return resolve_split(CALENDAR, options, label, lookback, [50] * len(CALENDAR))


def test_each_period_ends_before_its_labels_and_the_embargo_reach_the_next() -> None:
    days = _split(SplitOptions(_iso(0, 199), _iso(200, 299), _iso(300, 399), embargo_days=7))
    assert days.train.tolist() == list(range(19, 200 - 5 - 7))
    assert days.val.tolist() == list(range(200, 300 - 5 - 7))
    assert days.test.tolist() == list(range(300, 400))
    assert days.train[-1] + 5 < days.val[0]


def test_a_gap_that_the_dates_already_leave_is_not_taken_twice() -> None:
    days = _split(SplitOptions(_iso(0, 150), _iso(200, 299), embargo_days=7))
    assert days.train[-1] == 150
    assert len(days.test) == 0


def test_the_last_period_keeps_days_whose_labels_are_unknown() -> None:
    assert _split(SplitOptions(_iso(0, 150), _iso(200, 399))).val[-1] == 399


def test_no_label_ends_after_the_last_day_whose_prices_may_be_used() -> None:
    known_to = CALENDAR[243].isoformat()
    days = _split(SplitOptions(_iso(0, 150), _iso(200, 249), None, 7, known_to=known_to))
    assert days.val.tolist() == list(range(200, 239)) and days.known_to == 238 + 5
    with pytest.raises(
        InputError, match=r"data\.split\.test .* history and labels that end by known_to, 2015-"
    ):
        _split(SplitOptions(_iso(0, 150), _iso(200, 249), _iso(260, 399), 7, known_to=known_to))
    with pytest.raises(InputError, match=r"known_to must be an ISO date, got '2015-13-01'"):
        _split(SplitOptions(_iso(0, 150), _iso(200, 249), known_to="2015-13-01"))
    beyond = SplitOptions(_iso(0, 150), _iso(200, 399), None, 7, known_to="2050-01-01")
    assert _split(beyond).val[-1] == 399 - 5
    with pytest.raises(
        InputError, match=r"known_to is for the plain split; leave it or data\.split\.fold out"
    ):
        _split(SplitOptions(_iso(0, 150), _iso(200, 399), fold=0, known_to="2015-06-01"))


def test_days_without_enough_history_are_not_used() -> None:
    assert _split(SplitOptions(_iso(0, 150), _iso(200, 299)), lookback=60).train[0] == 59


def test_dates_off_the_calendar_take_the_days_inside() -> None:
    days = _split(SplitOptions(["2000-01-01", "2015-06-01"], ["2015-09-01", "2050-01-01"]))
    assert days.train[0] == 19
    assert days.val[-1] == 399


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (SplitOptions(_iso(0, 200), _iso(200, 299)), "before data.split.train ends .* without overlap"),
        (SplitOptions(_iso(200, 299), _iso(0, 100)), "before data.split.train ends"),
        (SplitOptions(_iso(0, 99), _iso(100, 299), _iso(250, 350)), "data.split.test starts"),
        (SplitOptions(_iso(0, 99), _iso(200, 299), _iso(120, 150)), "data.split.test starts"),
        (SplitOptions(["1990-01-01", "1991-01-01"], _iso(200, 299)), "data.split.train .* has no usable day"),
        (SplitOptions(_iso(0, 10), _iso(200, 299)), "needs 20 days of history"),
        (SplitOptions(_iso(190, 199), _iso(200, 299)), "25 days of labels and embargo before the next"),
        (SplitOptions(_iso(0, 99), ["2050-01-01", "2051-01-01"]), "data.split.val .* has no usable day"),
        (SplitOptions(["2015-01-05"], _iso(200, 299)), "two ISO dates"),
        (SplitOptions(["2015", "x"], _iso(200, 299)), "two ISO dates"),
        (SplitOptions(list(reversed(_iso(0, 99))), _iso(200, 299)), "after it ends"),
        (SplitOptions(_iso(0, 99), _iso(200, 299), embargo_days=-1), "embargo_days must be at least 0"),
    ],
)
def test_a_split_that_cannot_be_raises_in_one_line(options: SplitOptions, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        _split(options)
    assert "\n" not in str(caught.value)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_day_is_named_by_its_dates_as_the_split_that_uses_it(data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(60, 399), min_size=4, max_size=4, unique=True)))
    known = data.draw(st.none() | st.integers(min(cuts[2] + 6, 399), 399))
    assume(cuts[2] - cuts[0] > 15 and (known is None or known > cuts[2] + 5))
    options = SplitOptions(
        _iso(20, cuts[0]),
        _iso(cuts[0] + 1, cuts[2]),
        _iso(cuts[2] + 1, cuts[3]),
        data.draw(st.integers(0, 9)),
        known_to=None if known is None else CALENDAR[known].isoformat(),
    )
    days = _split(options)
    used = (
        dict.fromkeys(days.train, "train") | dict.fromkeys(days.val, "val") | dict.fromkeys(days.test, "test")
    )
    inside = range(20, cuts[3] + 1)
    begin = data.draw(st.integers(0, 200))  # a panel that begins later names its days alike
    for index in range(begin, 400):
        wanted = used.get(index, "gap") if index in inside else "live"
        assert period_name(CALENDAR[begin:], options, 5, CALENDAR[index]) == wanted, index


def test_days_of_too_few_stocks_are_left_out_of_every_period() -> None:
    rows = [50] * 400
    for thin in (50, 210, 211, 310):
        rows[thin] = 19
    rows[220] = 20
    options = SplitOptions(_iso(0, 99), _iso(200, 299), _iso(300, 399), embargo_days=0)
    days = resolve_split(CALENDAR, options, 5, 20, rows)
    whole = _split(options)
    assert days.min_stocks == 20
    for name in ("train", "val", "test"):
        assert getattr(days, name).tolist() == [i for i in getattr(whole, name) if rows[i] > 19]


def test_how_many_stocks_later_days_have_does_not_decide_which_days_train() -> None:
    rows = np.full(400, 20)
    rows[::3] = 9  # thin days, below half of the usual one
    options = SplitOptions(_iso(0, 199), _iso(200, 299), _iso(300, 399))
    few = resolve_split(CALENDAR, options, 5, 20, rows)
    rows[200:] //= 2
    many = resolve_split(CALENDAR, options, 5, 20, rows)
    assert few.min_stocks == many.min_stocks == 10
    assert few.train.tolist() == many.train.tolist()


def test_the_floor_is_half_of_the_usual_day_where_that_is_fewer_and_never_below_two() -> None:
    counts = [0] * 50 + [30] * 30 + [1]
    assert stock_floor(np.array(counts), 20) == 15
    assert stock_floor(np.array(counts), 5) == 5
    assert stock_floor(np.array([3, 3, 2]), 20) == 2
    assert stock_floor(np.array([0, 0]), 20) == 2


def test_a_training_day_that_knows_too_few_targets_of_every_horizon_does_not_train() -> None:
    known = np.full((400, 2), 50)
    known[50], known[51], known[52], known[210] = (19, 19), (19, 20), (20, 0), (0, 0)
    options = SplitOptions(_iso(0, 99), _iso(200, 299), _iso(300, 399), embargo_days=0)
    whole = _split(options)
    days = resolve_split(CALENDAR, options, 5, 20, [50] * 400, known)
    assert days.train.tolist() == [day for day in whole.train if day != 50]
    assert days.val.tolist() == whole.val.tolist() and days.test.tolist() == whole.test.tolist()
    # Where no day knows enough all stay: the check of the training days says so.
    none = resolve_split(CALENDAR, options, 5, 20, [50] * 400, np.full((400, 2), 19))
    assert none.train.tolist() == whole.train.tolist()


@pytest.mark.parametrize(("every", "count"), [(126, 2), (127, 1), (64, 2), (63, 3)])
def test_as_many_folds_are_counted_as_can_be_resolved(every: int, count: int) -> None:
    # Days 200 to 326 are scored: 5 days of labels and 3 of embargo would reach the test days from day 327.
    folds = FoldOptions(every=every, val_days=40, period=_iso(200, 330))
    asked = SplitOptions(_iso(0, 99), _iso(100, 199), _iso(335, 399), embargo_days=3, fold=0, folds=folds)
    assert count_folds(CALENDAR, asked, 5, 20) == count
    splits = [_split(replace(asked, fold=fold)) for fold in range(count)]
    assert [day for split in splits for day in split.test.tolist()] == list(range(200, 327))
    assert [split.fold for split in splits] == [f"fold {i} of {count} (walk_forward)" for i in range(count)]
    with pytest.raises(InputError, match=f"makes {count}: give 0 to {count - 1}"):
        _split(replace(asked, fold=count))
    assert _split(replace(asked, fold=None)).fold == ""


def test_a_period_may_be_one_day() -> None:
    days = _split(SplitOptions(_iso(0, 150), _iso(200, 200), _iso(250, 250)))
    assert (days.val.tolist(), days.test.tolist()) == ([200], [250])


def test_a_period_of_thin_days_alone_raises_in_one_line() -> None:
    rows = [50] * 200 + [3] * 100 + [50] * 100
    message = "data.split.val: none of its 100 days has 20 stocks in the universe.*data.split.min_stocks"
    with pytest.raises(InputError, match=message):
        resolve_split(CALENDAR, SplitOptions(_iso(0, 190), _iso(200, 299), embargo_days=0), 5, 20, rows)
    with pytest.raises(InputError, match=r"data\.split\.min_stocks must be at least 2, got 1"):
        _split(SplitOptions(_iso(0, 190), _iso(200, 299), min_stocks=1))
