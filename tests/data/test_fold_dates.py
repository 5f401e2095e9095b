"""The dates of a fold name days alike on every calendar, and a checkpoint keeps them as words."""

from datetime import date, timedelta

import numpy as np
import pytest

from atft.data.fold_dates import FoldDates, read_fold_dates
from atft.data.folds import FoldOptions, fold_days

CALENDAR = [date(2014, 1, 6) + timedelta(days=7 * (i // 5) + i % 5) for i in range(400)]
DAYS = fold_days(1, FoldOptions("k_fold", n=4, val_days=20), range(9, 400), range(200, 400), 8)
FOLD = FoldDates.of_days(1, DAYS, CALENDAR)


def test_a_day_is_named_by_the_fold_that_uses_it() -> None:
    names = [FOLD.period_of(CALENDAR[n]) for n in (0, 9, 213, 214, 222, 245, 250, 299, 300, 308, 399)]
    assert names == [
        *("live", "train", "train", "gap", "val", "gap", "test", "test", "gap", "train", "train"),
    ]
    assert FOLD.period_of(date(2031, 1, 1)) == "live" and FOLD.fold == 1


@pytest.mark.parametrize("first", [0, 230, 300])
def test_a_panel_that_begins_later_has_the_same_scored_days_as_far_as_it_has_them(first: int) -> None:
    scored = [first + day for day in FOLD.scored(CALENDAR[first:])]
    assert scored == [*range(max(222, first), 242), *range(max(250, first), 300)]


def test_a_fold_is_causal_where_it_trains_and_selects_on_the_past_alone() -> None:
    assert not FOLD.causal
    for train, val, test, causal in (
        ([1, 2], [5], [9], True),
        ([1, 2], [5], [], True),
        ([1, 2], [9], [5], False),
        ([1, 7], [5], [9], False),
    ):
        days = {"train": train, "val": val, "test": test}
        fold = FoldDates.of_days(0, {n: np.array(d, dtype=np.int64) for n, d in days.items()}, CALENDAR)
        assert fold.causal == causal


def test_the_words_of_a_checkpoint_are_read_back_and_others_are_an_error() -> None:
    words = FOLD.texts()
    assert words["val"] == f"{CALENDAR[222]} {CALENDAR[241]}" and read_fold_dates(words) == FOLD
    for broken in ({"val": ""}, {"val": "2014-01-06"}, {"val": "soon later"}, {"fold": "first"}):
        with pytest.raises(ValueError, match=r".+"):
            read_fold_dates(words | broken)
    with pytest.raises(KeyError):
        read_fold_dates({"fold": "1"})
