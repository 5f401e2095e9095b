"""Folds: which days train, validate and test when one split becomes many.

Each column is a stretch of days: T trains, v validates (selects the checkpoint), S is scored, ``.`` is purged and
embargoed (days of different use are further apart than the longest label plus the embargo), blank is unused.

    walk_forward (expanding)     walk_forward (train_days)     k_fold, n 4        combinatorial, n 4, n_test 2
    T T T.v.S                    T T T.v.S                     S.v.T T T T T      S S S S.v.T T
    T T T T T.v.S                    T T T.v.S                 v.S S.T T T T      S S.v.S S.T T
    T T T T T T T.v.S                    T T T.v.S             T.v.S S.T T T      ...
                                                               T T T.v.S S.T

``walk_forward`` trains on the past alone, so it is causal: what a user would have had on that day. The other two
train on days after those that they score: more training days and more tests, and a result that no one could have
traded; `Split.causal` is False and every output says so.

Validation days are the ``val_days`` right before the first scored stretch that has room for them in front of it;
where none has (a fold that begins with scored days), right after the first that has room behind it. They are taken
from training, and purged and embargoed on both sides.

Everything here counts positions on the calendar; `atft.data.split` knows the dates.
"""

from dataclasses import dataclass, fields
from itertools import combinations, islice, pairwise
from math import ceil, comb
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from atft.errors import InputError
from atft.option_types import check_least, check_option_types

READ_BY = {
    "every": ("walk_forward",),
    "train_days": ("walk_forward",),
    "n": ("k_fold", "combinatorial"),
    "n_test": ("combinatorial",),
}
"""Options that not every scheme reads."""


@dataclass(frozen=True)
class FoldOptions:
    """How folds divide the days.

    Args:
        scheme: walk_forward trains on the past only; k_fold and combinatorial also on days after the scored ones.
        period: first and last date that folds score; null: those of ``test``. No fold uses a ``test`` after it.
            Folds train from the first date of ``train`` on; k_fold and combinatorial to the end of ``val`` or of
            this period.
        every: trading days that a fold of walk_forward scores before the next is trained; the last has the rest.
        train_days: number of latest trading days that a fold of walk_forward trains on; null: all since the first
            date of ``train``.
        val_days: trading days that select the checkpoint. Null, for tuning: the fold's own days validate, and none
            is scored as a test day.
        n: number of equal parts that k_fold and combinatorial divide the period into.
        n_test: parts that a fold of combinatorial scores; each choice of them is a fold.
    """

    scheme: Literal["walk_forward", "k_fold", "combinatorial"] = "walk_forward"
    period: list[str] | None = None
    every: int = 252
    train_days: int | None = None
    val_days: int | None = 252
    n: int = 5
    n_test: int = 2

    def __post_init__(self) -> None:
        check_option_types("data.split.folds", self, but=("scheme", "period"))


def check_folds(options: FoldOptions) -> None:
    """Check that each option is in its range and read by the scheme; raises InputError."""
    usual = {field.name: field.default for field in fields(FoldOptions)}
    schemes = ("walk_forward", "k_fold", "combinatorial")
    if options.scheme not in schemes:
        raise InputError(
            f"data.split.folds.scheme must be one of {', '.join(schemes)}, got {options.scheme!r}"
        )
    check_least("data.split.folds.", options, every=1, train_days=1, val_days=1, n=2, n_test=1)
    for name, readers in READ_BY.items():
        if getattr(options, name) != usual[name] and options.scheme not in readers:
            raise InputError(
                f"data.split.folds.{name} is read by {' and '.join(readers)} only, the scheme is {options.scheme}; "
                f"leave it out"
            )
    if options.train_days is not None and options.train_days < (options.val_days or 0):
        raise InputError(
            f"data.split.folds.train_days is {options.train_days}, fewer than val_days, {options.val_days}; raise "
            f"the first or lower the second"
        )
    if options.scheme == "combinatorial" and options.n_test >= options.n:
        raise InputError(
            f"data.split.folds.n_test must be less than n, got {options.n_test} of {options.n}; one part must train"
        )


def fold_count(options: FoldOptions, scored_days: int) -> int:
    """Count the folds that ``scored_days`` trading days make.

    Raises:
        InputError: fewer days than parts.
    """
    if options.scheme == "walk_forward":
        return ceil(scored_days / options.every)
    if scored_days < options.n:
        raise InputError(
            f"data.split.folds.n is {options.n}, more than the {scored_days} trading days of its period; lower it"
        )
    return options.n if options.scheme == "k_fold" else comb(options.n, options.n_test)


def scored_stretches(fold: int, options: FoldOptions, scored: range) -> list[range]:
    """Give the stretches of days that a fold scores, ascending; neighbours stay apart, with no day between them.

    Args:
        fold: from 0; walk_forward counts forward in time, combinatorial in the order of `itertools.combinations`.
    """
    if options.scheme == "walk_forward":
        start = scored.start + fold * options.every
        return [range(start, min(start + options.every, scored.stop))]
    # Sizes as in scikit-learn's KFold: the first parts are longer by a day where n does not divide.
    parts = [range(int(p[0]), int(p[-1]) + 1) for p in np.array_split(np.array(scored), options.n)]
    chosen = 1 if options.scheme == "k_fold" else options.n_test
    return list(next(islice(combinations(parts, chosen), fold, None)))


def validation_stretch(test: list[range], usable: range, gap: int, val_days: int) -> range | None:
    """Find ``val_days`` days ``gap`` away from every scored stretch: before the first that has room, else after.

    None where no stretch has room on either side.
    """
    before = [range(s.start - gap - val_days, s.start - gap) for s in test]
    after = [range(s.stop + gap, s.stop + gap + val_days) for s in test]
    for days in (*before, *after):
        inside = usable.start <= days.start and days.stop <= usable.stop
        if inside and all(days.stop + gap <= s.start or s.stop + gap <= days.start for s in test):
            return days
    return None


def fold_days(
    fold: int, options: FoldOptions, usable: range, scored: range, gap: int
) -> dict[str, NDArray[np.int64]]:
    """Give the training, validation and test days of one fold, ascending.

    Args:
        usable: days that may train; the scored ones are among them.
        scored: days that all folds together score.
        gap: days that are between any two days of different use: the longest label plus the embargo.

    Returns:
        By name: train, val, test. Days of test are empty where ``val_days`` is null.

    Raises:
        InputError: there is no such fold, no room for its validation days, or fewer training days than
            ``train_days`` or than validation days.
    """
    count = fold_count(options, len(scored))
    if not 0 <= fold < count:
        raise InputError(f"data.split.fold is {fold}, data.split.folds makes {count}: give 0 to {count - 1}")
    test = scored_stretches(fold, options, scored)
    val = test if options.val_days is None else [_validation(fold, options, test, usable, gap)]
    test = [] if options.val_days is None else test
    trains = np.zeros(usable.stop, dtype=bool)
    trains[usable.start :] = True
    for stretch in (*val, *test):
        after = None if options.scheme == "walk_forward" else stretch.stop + gap
        trains[max(0, stretch.start - gap) : after] = False
    train = np.flatnonzero(trains)[-(options.train_days or 0) :]
    _check_enough(fold, options, len(train), sum(map(len, val)))
    return {"train": train, "val": _days_of(val), "test": _days_of(test)}


def _validation(fold: int, options: FoldOptions, test: list[range], usable: range, gap: int) -> range:
    val_days = options.val_days or 0
    if options.scheme == "walk_forward":
        # Where it would begin before the first day, no day is left to train on.
        return range(test[0].start - gap - val_days, test[0].start - gap)
    stretch = validation_stretch(test, usable, gap, val_days)
    if stretch is None:
        raise InputError(
            f"data.split.fold {fold} has no {val_days} days in a row to validate on, {gap} away from those it "
            f"scores; lower data.split.folds.val_days or n"
        )
    return stretch


def _check_enough(fold: int, options: FoldOptions, train: int, val: int) -> None:
    """Check that a fold has the training days asked for, and as many as it validates on."""
    walks = options.scheme == "walk_forward"
    remedy = "start data.split.folds.period later" if walks else "lower data.split.folds.n"
    wanted = options.train_days or 0
    # Parts of combinatorial that validate may be more than those left to train; without any the fold is no fold.
    least = val if walks or options.val_days else 1
    if train < least:
        shorter = "val_days" if options.val_days else "every" if walks else "n_test"
        what, shorter = f"the {least} it needs at least", f"lower {shorter}"
    elif train < wanted:
        what, shorter = f"data.split.folds.train_days, {wanted}", "lower train_days"
    else:
        return
    raise InputError(
        f"data.split.fold {fold} has {train} training days, fewer than {what}; {remedy}, or {shorter}"
    )


def _days_of(stretches: list[range]) -> NDArray[np.int64]:
    return np.array([day for stretch in stretches for day in stretch], dtype=np.int64)


def is_causal(days: dict[str, NDArray[np.int64]]) -> bool:
    """Say whether every training day is before every validation day, and those before every test day."""
    used = [index for index in days.values() if len(index)]
    return all(a[-1] < b[0] for a, b in pairwise(used))
