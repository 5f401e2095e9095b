"""Folds walk forward, are purged, end with the configured split, and never see a test day."""

from datetime import date, timedelta
from typing import Any

import pytest

from atft.data.split import SplitOptions, resolve_split
from atft.errors import InputError
from atft.search.question.folds import fold_splits

CALENDAR = [date(2020, 1, 1) + timedelta(days=i) for i in range(200)]
LABEL, LOOKBACK = 5, 10
ROWS = [50] * len(CALENDAR)


def options(**changes: Any) -> SplitOptions:
    days = [d.isoformat() for d in CALENDAR]
    plain = {"train": [days[0], days[119]], "val": [days[120], days[159]], "test": [days[160], days[199]]}
    return SplitOptions(**{**plain, "embargo_days": 3, **changes})


def test_each_fold_is_purged_and_the_last_one_is_the_split_itself() -> None:
    asked = options()
    split = resolve_split(CALENDAR, asked, LABEL, LOOKBACK, ROWS)
    folds = fold_splits(CALENDAR, split, asked, 3)
    resolved = [resolve_split(CALENDAR, SplitOptions(**f), LABEL, LOOKBACK, ROWS) for f in folds]
    for dates, fold in zip(folds, resolved, strict=True):
        used = [CALENDAR[days[i]].isoformat() for days in (fold.train, fold.val) for i in (0, -1)]
        assert used[1:] == [dates["train"][1], *dates["val"]]  # nothing is purged a second time
        assert fold.train[-1] + LABEL + asked.embargo_days < fold.val[0]
        assert len(fold.val) == len(split.val)
        assert fold.train[0] == split.train[0] and not len(fold.test)
    assert list(resolved[-1].train) == list(split.train) and list(resolved[-1].val) == list(split.val)
    # Validations follow one another without a gap, and the last label of all ends before the first test day.
    assert [f.val[0] for f in resolved[1:]] == [f.val[-1] + 1 for f in resolved[:-1]]
    assert resolved[-1].val[-1] + LABEL < split.test[0]


def test_folds_that_leave_too_little_to_train_on_are_an_error() -> None:
    asked = options()
    split = resolve_split(CALENDAR, asked, LABEL, LOOKBACK, ROWS)
    with pytest.raises(InputError, match=r"leave 7 training days to the first.*lower folds"):
        fold_splits(CALENDAR, split, asked, 4)
