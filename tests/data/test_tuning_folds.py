"""A sweep's folds walk forward, are purged, end with the configured split, and never see a test day."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from atft.data.folds import FoldOptions
from atft.data.split import Split, SplitOptions, resolve_split
from atft.data.tuning_folds import tuning_folds
from atft.errors import InputError

CALENDAR = [date(2014, 1, 1) + timedelta(days=i) for i in range(400)]
LABEL, LOOKBACK = 5, 10


def _iso(first: int, last: int) -> list[str]:
    return [CALENDAR[first].isoformat(), CALENDAR[last].isoformat()]


def _resolved(asked: SplitOptions) -> Split:
    return resolve_split(CALENDAR, asked, LABEL, LOOKBACK, [50] * len(CALENDAR))


def test_a_sweeps_folds_walk_forward_and_the_last_one_is_the_configured_split_itself() -> None:
    plain = SplitOptions(_iso(0, 239), _iso(240, 299), _iso(300, 399), embargo_days=3, fold=2)
    whole = _resolved(replace(plain, fold=None))
    splits = [_resolved(asked) for asked in tuning_folds(CALENDAR, plain, LABEL, LOOKBACK, 3)]
    for split in splits:
        assert split.train[0] == whole.train[0] and split.train[-1] == split.val[0] - LABEL - 3 - 1
        assert len(split.val) == len(whole.val) and not len(split.test) and split.causal
    assert splits[-1].train.tolist() == whole.train.tolist() and splits[-1].val.tolist() == whole.val.tolist()
    # Validations follow one another without a gap, and the last label of all ends before the first test day.
    assert [f.val[0] for f in splits[1:]] == [f.val[-1] + 1 for f in splits[:-1]]
    assert splits[-1].val[-1] + LABEL < whole.test[0]
    with pytest.raises(
        InputError, match=r"folds: 5 validations of 52 days leave 15 training days .*lower folds"
    ):
        tuning_folds(CALENDAR, plain, LABEL, LOOKBACK, 5)


def test_a_sweep_takes_the_folds_of_the_configuration_where_it_has_them() -> None:
    folds = FoldOptions(every=100, val_days=40, period=_iso(200, 399))
    asked = SplitOptions(_iso(0, 99), _iso(100, 199), embargo_days=3, folds=folds)
    splits = tuning_folds(CALENDAR, asked, LABEL, LOOKBACK, 2)
    assert splits == [replace(asked, fold=0), replace(asked, fold=1)]
    before = replace(asked, test=_iso(390, 399), folds=replace(folds, period=_iso(200, 389)))
    assert [split.fold for split in tuning_folds(CALENDAR, before, LABEL, LOOKBACK, 2)] == [0, 1]
    with pytest.raises(InputError, match=r"folds is 3, data\.split\.folds makes 2; set folds to 2"):
        tuning_folds(CALENDAR, asked, LABEL, LOOKBACK, 3)


@pytest.mark.parametrize("period", [None, _iso(200, 300)])
def test_folds_of_the_configuration_that_reach_its_test_days_are_an_error(period: list[str] | None) -> None:
    asked = SplitOptions(_iso(0, 239), _iso(240, 299), _iso(300, 399), folds=FoldOptions(period=period))
    with pytest.raises(InputError, match=r"a sweep never looks at test days.*before 2014-10-28"):
        tuning_folds(CALENDAR, asked, LABEL, LOOKBACK, 1)
