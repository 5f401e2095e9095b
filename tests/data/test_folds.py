"""Folds: no training label meets a day or a label that validates or tests, and every day is scored as promised."""

from datetime import date
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from atft.data.folds import FoldOptions, fold_count, fold_days, scored_stretches, validation_stretch
from atft.data.split import (
    Split,
    SplitOptions,
    count_folds,
    period_days,
    resolve_split,
)
from atft.errors import InputError


def weekdays(count: int) -> list[date]:
    days: list[date] = np.busday_offset("2014-01-01", np.arange(count)).tolist()
    return days


CALENDAR = weekdays(400)
LABEL, LOOKBACK = 5, 10


def iso(first: int, last: int, calendar: list[date] = CALENDAR) -> list[str]:
    return [calendar[first].isoformat(), calendar[last].isoformat()]


def options(fold: int | None = 0, embargo_days: int = 3, test: Any = "end", **folds: Any) -> SplitOptions:
    """Folds that score the days 200 to 399, or those of their ``period``; training may start at day 0."""
    dates = {"train": iso(0, 99), "val": iso(100, 199), "test": iso(200, 399) if test == "end" else test}
    return SplitOptions(**dates, embargo_days=embargo_days, fold=fold, folds=FoldOptions(**folds))


def resolved(asked: SplitOptions) -> Split:
    return resolve_split(CALENDAR, asked, LABEL, LOOKBACK, [50] * len(CALENDAR))


def span(first: int, last: int) -> list[int]:
    return list(range(first, last + 1))


# -- examples by hand; the gap is 5 days of labels and 3 of embargo


def test_walk_forward_trains_on_all_days_before_its_validation_which_is_right_before_the_scored_days() -> (
    None
):
    for fold, scored in enumerate((200, 270, 340)):
        split = resolved(options(fold, every=70, val_days=40))
        val = scored - 8 - 40
        assert split.test.tolist() == span(scored, min(scored + 70, 400) - 1)
        assert split.val.tolist() == span(val, val + 39)
        assert split.train.tolist() == span(LOOKBACK - 1, val - 9)
        assert split.causal


def test_a_rolling_walk_forward_trains_on_its_latest_days() -> None:
    split = resolved(options(1, every=100, val_days=40, train_days=60))
    assert split.train.tolist() == span(300 - 8 - 40 - 8 - 60, 300 - 8 - 40 - 9)


def test_k_fold_trains_on_both_sides_of_the_days_it_validates_and_tests_on() -> None:
    split = resolved(options(1, scheme="k_fold", n=4, val_days=20))
    assert split.test.tolist() == span(250, 299)
    assert split.val.tolist() == span(222, 241)
    assert split.train.tolist() == span(9, 213) + span(308, 399)
    assert not split.causal
    assert split.fold == "fold 1 of 4 (k_fold), causal: false (trains on later days)"
    last = resolved(options(3, scheme="k_fold", n=4, val_days=20))
    assert last.causal and last.train[-1] < last.val[0]


def test_a_fold_that_begins_with_scored_days_validates_after_them() -> None:
    split = resolved(options(0, scheme="k_fold", n=4, val_days=20, period=iso(0, 199), test=None))
    # Nothing before day 9 has its history; the parts divide the days that can be scored.
    assert split.test.tolist() == span(9, 56)
    assert split.val.tolist() == span(65, 84)
    assert split.train.tolist() == span(93, 199)
    assert not split.causal


def test_combinatorial_scores_every_choice_of_parts() -> None:
    first, second = (resolved(options(i, scheme="combinatorial", n=4, n_test=2, val_days=20)) for i in (0, 1))
    assert first.test.tolist() == span(200, 299) and second.test.tolist() == span(200, 249) + span(300, 349)
    assert first.val.tolist() == second.val.tolist() == span(172, 191)
    assert first.train.tolist() == span(9, 163) + span(308, 399)
    assert second.train.tolist() == span(9, 163) + span(258, 291) + span(358, 399)
    assert not first.causal


def test_without_validation_days_the_folds_own_days_validate_and_none_is_scored() -> None:
    split = resolved(options(1, every=100, val_days=None))
    assert split.val.tolist() == span(300, 399) and not len(split.test)
    assert split.train.tolist() == span(9, 291) and split.causal


def test_test_days_after_the_period_are_in_no_fold_and_no_label_reaches_them() -> None:
    asked = options(0, scheme="k_fold", n=2, val_days=20, period=iso(100, 199))
    split = resolved(asked)
    assert split.test.tolist() == span(100, 145)  # of 100 .. 191: 8 days before the test days are left out
    assert split.train[-1] == 191
    walk = resolved(options(1, every=60, val_days=20, period=iso(100, 199)))
    assert walk.test.tolist() == span(160, 191)


def test_validation_goes_between_scored_stretches_where_there_is_room_only_there() -> None:
    test = [range(10), range(40, 50)]
    assert validation_stretch(test, range(50), 3, 10) == range(27, 37)
    assert validation_stretch(test, range(50), 3, 25) is None
    assert validation_stretch(test, range(90), 3, 25) == range(53, 78)


# -- over all pairs of days


def drawn(data: st.DataObject) -> tuple[list[date], SplitOptions, int, int, list[int]]:
    """A calendar, folds, the longest label, the lookback, and stocks a day, some days thin."""
    count, seed = data.draw(st.integers(60, 260)), data.draw(st.integers(0, 99))
    rng = np.random.default_rng(seed)
    calendar = [day for day in weekdays(2 * count) if rng.random() < 0.9][:count]
    cuts = sorted(data.draw(st.lists(st.integers(1, count - 2), min_size=3, max_size=3, unique=True)))
    scheme = data.draw(st.sampled_from(["walk_forward", "k_fold", "combinatorial"]))
    folds: dict[str, Any] = {
        "scheme": scheme,
        "val_days": data.draw(st.one_of(st.none(), st.integers(1, 25))),
    }
    if scheme == "walk_forward":
        folds |= {"every": data.draw(st.integers(5, 60))}
        folds |= {"train_days": data.draw(st.one_of(st.none(), st.integers(5, 60)))}
    else:
        folds |= {"n": data.draw(st.integers(2, 6))}
    if scheme == "combinatorial":
        folds |= {"n_test": data.draw(st.integers(1, folds["n"] - 1))}
    if data.draw(st.booleans()):
        folds |= {"period": iso(*sorted(data.draw(st.tuples(*[st.integers(0, count - 1)] * 2))), calendar)}
    asked = SplitOptions(
        iso(0, cuts[0], calendar),
        iso(cuts[0] + 1, cuts[1], calendar),
        iso(cuts[1] + 1, count - 1, calendar),
        data.draw(st.integers(0, 8)),
        folds=FoldOptions(**folds),
    )
    rows = np.where(rng.random(count) < 0.03, 3, 50).tolist()
    return calendar, asked, data.draw(st.integers(1, 12)), data.draw(st.integers(1, 20)), rows


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_over_all_pairs_no_label_window_of_one_use_meets_a_day_or_label_of_another(
    data: st.DataObject,
) -> None:
    calendar, asked, label, lookback, rows = drawn(data)
    try:
        count = count_folds(calendar, asked, label, lookback)
    except InputError:
        assume(False)
    assume(count <= 30)
    folds = asked.folds
    assert folds is not None
    scored: list[int] = []
    whole = 0
    for fold in range(count):
        of_fold = SplitOptions(**{**vars(asked), "fold": fold})
        try:
            split = resolve_split(calendar, of_fold, label, lookback, rows)
        except InputError as error:
            assert "\n" not in str(error) and len(str(error)) < 250
            continue
        whole += 1
        uses = {"train": split.train, "val": split.val, "test": split.test}
        for a, b in combinations(uses.values(), 2):
            # A window is its day and the days that its label reaches: every pair, the earlier one's end first.
            earlier, later = np.minimum.outer(a, b), np.maximum.outer(a, b)
            assert (earlier + label + asked.embargo_days < later).all()
        assert min(map(int, np.concatenate(list(uses.values())))) >= lookback - 1
        # Causal or not is said of all days of a fold, those of too few stocks included.
        of_past = [
            used["train"][-1] < used["val"][0]
            and (not len(used["test"]) or used["val"][-1] < used["test"][0])
            for used in (split.whole, uses)
        ]
        assert split.causal == of_past[0] and split.causal <= of_past[1]
        assert split.causal or folds.scheme != "walk_forward"
        assert len(np.unique(split.train)) == len(split.train) and (np.diff(split.train) > 0).all()
        if folds.train_days:
            assert len(period_days(calendar, of_fold, label, lookback)["train"]) == folds.train_days
        scored += (split.test if folds.val_days else split.val).tolist()
    times = 1 if folds.scheme != "combinatorial" else comb(folds.n - 1, folds.n_test - 1)
    counts = np.bincount(scored, minlength=len(calendar))
    assert set(counts.tolist()) <= {*range(times + 1)}
    if whole == count:
        # Every day of the period that can be scored is, the same number of times.
        days = np.flatnonzero(counts)
        inside = [d for d in range(int(days[0]), int(days[-1]) + 1) if rows[d] == 50]
        assert days.tolist() == inside and (counts[days] == times).all()


# -- other libraries


def test_combinatorial_folds_are_those_of_skfolio_where_nothing_is_embargoed() -> None:
    """skfolio has no validation days; its embargo, as Lopez de Prado's, is after test days, ours on both sides.

    Its last part takes the days that n does not divide, ours the first ones: 60 days in 6 parts have none.
    """
    from skfolio.model_selection import CombinatorialPurgedCV

    asked = FoldOptions("combinatorial", n=6, n_test=2, val_days=None)
    for purge, embargo in ((0, 0), (3, 0), (3, 2)):
        folds = CombinatorialPurgedCV(6, 2, purged_size=purge, embargo_size=embargo).split(np.zeros((60, 1)))
        for fold, (train, test) in enumerate(folds):
            days = fold_days(fold, asked, range(60), range(60), purge + embargo)
            assert days["val"].tolist() == np.concatenate(test).tolist()
            assert set(days["train"]) <= set(train)
            # What only we leave out is right before a scored stretch.
            before = {
                s.start - purge - 1 - i
                for s in scored_stretches(fold, asked, range(60))
                for i in range(embargo)
            }
            assert set(train) - set(days["train"]) <= before
        assert fold + 1 == fold_count(asked, 60) == 15


def test_purged_folds_are_those_of_purgedcv_where_nothing_is_embargoed() -> None:
    """Its windows are half open, so a label of 4 days ends at day t + 5; its embargo is after test days only."""
    import pandas as pd
    from purgedcv import CombinatorialPurgedCV, PurgedKFold

    start = pd.Series(pd.date_range("2020-01-01", periods=62))
    times = {"prediction_times": start, "evaluation_times": start + pd.Timedelta(days=5)}
    cases: list[tuple[Any, FoldOptions]] = [
        (PurgedKFold(n_splits=5, **times), FoldOptions("k_fold", n=5, val_days=None)),
        (
            CombinatorialPurgedCV(n_splits=6, n_test_groups=2, **times),
            FoldOptions("combinatorial", n=6, n_test=2, val_days=None),
        ),
    ]
    for theirs, asked in cases:
        for fold, (train, test) in enumerate(theirs.split(np.zeros((62, 1)))):
            days = fold_days(fold, asked, range(62), range(62), 4)
            assert days["val"].tolist() == sorted(test.tolist()) and days["train"].tolist() == train.tolist()
        assert fold + 1 == fold_count(asked, 62)
    embargoed = PurgedKFold(n_splits=5, embargo_observations=7, **times).split(np.zeros((62, 1)))
    for fold, (train, _) in enumerate(embargoed):
        ours = fold_days(fold, FoldOptions("k_fold", n=5, val_days=None), range(62), range(62), 4)["train"]
        assert set(train) <= set(ours)


# -- errors


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (options(4, every=50), "data.split.fold is 4, data.split.folds makes 4: give 0 to 3"),
        (options(-1, every=50), "data.split.fold is -1, data.split.folds makes 4"),
        (SplitOptions(iso(0, 99), iso(100, 199), fold=0), "data.split.fold needs data.split.folds"),
        (options(test=None), "folds.period is null and there is no data.split.test"),
        (options(val_days=150), "fold 0 has 25 training days, fewer than the 150 it needs.*lower val_days"),
        (options(val_days=100, train_days=200), "fold 0 has 75 training days, fewer than the 100 it needs"),
        (
            options(val_days=40, train_days=200),
            "has 135 training days, fewer than data.split.folds.train_days, 200",
        ),
        (options(val_days=None, period=iso(20, 399), every=20), "has 3 training days.*lower every"),
        (options(period=["2031-01-01", "2032-01-01"]), r"folds.period \[2031.*has no usable day"),
        (options(period=["2015", "x"]), "data.split.folds.period must be"),
        (options(scheme="k_fold", val_days=170), "fold 0 has .* training days|no 170 days in a row"),
        (options(scheme="k_fold", n=2, val_days=90, period=iso(0, 199), test=None), "no 90 days in a row"),
        (options(scheme="k_fold", n=500), "data.split.folds.n is 500, more than the 200 trading days"),
        (
            options(scheme="k_fold", every=20),
            "folds.every is read by walk_forward only, the scheme is k_fold",
        ),
        (options(n=3), "folds.n is read by k_fold and combinatorial only"),
        (options(scheme="combinatorial", n=3, n_test=3), "n_test must be less than n, got 3 of 3"),
        (options(scheme="purged"), "scheme must be one of walk_forward, k_fold, combinatorial, got 'purged'"),
        (options(every=0), "folds.every must be at least 1, got 0"),
        (options(val_days=0), "folds.val_days must be at least 1, got 0"),
        (options(None, every=0), "folds.every must be at least 1, got 0"),
        (options(None, scheme="k_fold", every=20), "folds.every is read by walk_forward only"),
        (options(val_days=40, train_days=20), "train_days is 20, fewer than val_days, 40; raise the first"),
    ],
)
def test_folds_that_cannot_be_are_an_error_in_one_line(asked: SplitOptions, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        resolved(asked)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 220
