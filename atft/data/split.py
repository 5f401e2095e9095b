"""Split the calendar into training, validation and test days so that no label reaches into a later period.

Day t's label ends ``longest horizon + lag`` trading days later. Each period therefore stops that many days, and
``embargo_days`` more, before the next one starts; the days in between belong to no period.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from atft.data.folds import FoldOptions, check_folds, fold_count, fold_days, is_causal
from atft.errors import InputError, counted
from atft.option_types import check_least, check_option_types
from atft.trading_days import day_index

Days = np.ndarray[tuple[int], np.dtype[np.int64]]
"""Indices on the calendar, ascending."""


@dataclass(frozen=True)
class SplitOptions:
    """Which calendar days train, validate and test. Dates are ISO strings, both ends included.

    Args:
        train: first and last training date.
        val: first and last validation date; after the training dates.
        test: first and last test date, after the validation dates; null for none.
        embargo_days: trading days left out before validation and test, in addition to those that labels reach.
        min_stocks: a day with fewer stocks neither trains nor is averaged, since its ranks are noise that would
            count in full. The limit is half of a median training day's stocks where that is fewer.
        fold: number of the fold that trains, from 0, among those that ``folds`` makes; null uses the dates above.
        folds: how folds divide the days; null for none.
        known_to: last date whose prices may be used. A label that ends later counts in no period, so a training
            today gives what a training on that date gave. Null for the panel's last date.
    """

    train: list[str]
    val: list[str]
    test: list[str] | None = None
    embargo_days: int = 20
    min_stocks: int = 20
    fold: int | None = None
    folds: FoldOptions | None = None
    known_to: str | None = None

    def __post_init__(self) -> None:
        check_option_types("data.split", self, (date,), ("train", "val", "test"))


@dataclass(frozen=True)
class Split:
    """Days of each period, ascending; ``test`` may be empty. Days of too few stocks are left out, and training days
    of too few known targets.

    Those of a fold may have holes, and training days on both sides of the days that validate or test.
    """

    train: Days
    val: Days
    test: Days
    min_stocks: int = 2
    """Stocks below which a day is left out, and below which a day's known targets do not count."""
    causal: bool = True
    """Every training day is before every validation day, and those before every test day."""
    whole: Mapping[str, Days] = field(default_factory=dict)
    """Days of train, val and test, those of too few stocks included."""
    fold: str = ""
    """Which fold it is, of how many, and that it is not causal where it is not; empty for the plain split."""
    known_to: int | None = None
    """Index of the last day whose prices may be used; None where there is no such limit."""


def resolve_split(
    calendar: Sequence[date],
    options: SplitOptions,
    longest_label_days: int,
    lookback: int,
    rows_per_day: Sequence[int],
    known_labels: NDArray[np.int64] | None = None,
) -> Split:
    """Turn dates into day indices: purged, embargoed, and without days of too few stocks.

    Labels reach ``longest_label_days`` (longest horizon + lag) past their day; a day needs ``lookback`` days of
    history, itself included; ``rows_per_day`` counts the stocks in the universe, ``known_labels`` the known targets
    of each day and horizon. A training day of too few of those at every horizon is left out too: it teaches
    nothing, and its loss of 0 would take its part in the mean over a step's days.

    Raises:
        InputError: a malformed or unordered period, an overlap, or a period without a usable day.
    """
    check_least("data.split.", options, embargo_days=0, min_stocks=2)
    if options.folds is not None:  # also where none of them is chosen
        check_folds(options.folds)
    known_to = last_known_day(calendar, options)
    whole = period_days(calendar, options, longest_label_days, lookback)
    days = dict(whole)
    rows = np.asarray(rows_per_day)
    min_stocks = stock_floor(rows[days["train"]], options.min_stocks)
    for name, index in days.items():
        days[name] = index[rows[index] >= min_stocks]
        if len(index) and not len(days[name]):
            raise InputError(
                f"data.split.{name}: none of its {len(index)} days has {min_stocks} stocks in the universe; "
                f"move its dates, widen the universe, or lower data.split.min_stocks"
            )
    if known_labels is not None:
        labelled = known_labels[days["train"]].max(axis=1) >= min_stocks
        # Where no day is labelled all stay, for `check_training_days` to say so.
        days["train"] = days["train"][labelled | ~labelled.any()]
    causal, fold = is_causal(whole), ""
    if options.fold is not None and options.folds is not None:
        count = count_folds(calendar, options, longest_label_days, lookback)
        fold = f"fold {options.fold} of {count} ({options.folds.scheme})"
        fold += "" if causal else ", causal: false (trains on later days)"
    return Split(days["train"], days["val"], days["test"], min_stocks, causal, whole, fold, known_to)


def last_known_day(calendar: Sequence[date], options: SplitOptions) -> int | None:
    """Index of the last day whose prices may be used; None without ``options.known_to``.

    Raises:
        InputError: it is no date, or stands beside a fold, whose days are not counted from it.
    """
    if options.known_to is None:
        return None
    if options.fold is not None:
        raise InputError("data.split.known_to is for the plain split; leave it or data.split.fold out")
    try:
        known_to = date.fromisoformat(str(options.known_to))
    except ValueError as error:
        raise InputError(f"data.split.known_to must be an ISO date, got {options.known_to!r:.40}") from error
    return day_index(calendar, known_to, "to")


def period_days(
    calendar: Sequence[date], options: SplitOptions, longest_label_days: int, lookback: int
) -> dict[str, Days]:
    """Days of train, val and test (may be empty), purged and embargoed, those of too few stocks included.

    The arguments, and the errors raised, are those of `resolve_split`.
    """
    gap = longest_label_days + options.embargo_days
    if options.fold is None:
        days = _dated_days(calendar, options, gap, lookback)
    else:
        usable, scored = fold_ranges(calendar, options, gap, lookback)
        days = fold_days(options.fold, _folds_of(options), usable, scored, gap)
    # Whatever made them, no label of a period reaches a day of another one, on either side.
    period = np.full(len(calendar), -1)
    for number, index in enumerate(days.values()):
        period[index] = number
    used = np.flatnonzero(period >= 0)
    changes = np.diff(period[used]) != 0
    assert (np.diff(used)[changes] > longest_label_days).all(), "a label reaches into another period"
    return days


def _dated_days(calendar: Sequence[date], options: SplitOptions, gap: int, lookback: int) -> dict[str, Days]:
    days: dict[str, Days] = {"test": np.arange(0, dtype=np.int64)}
    # From the last period to the first: each one ends where the labels would reach the next one's first day.
    following = len(calendar) + gap
    last_period = list(periods(options))[-1]
    if (known := last_known_day(calendar, options)) is not None:
        following = known + 1 + options.embargo_days  # the last label ends on that day
    for name, (start, stop) in reversed(periods(options).items()):
        first = max(day_index(calendar, start, "from"), lookback - 1)
        last = day_index(calendar, stop, "to")
        end = min(last, following - gap - 1)
        if end < first:
            reach = f" and {gap} days of labels and embargo before the next period" if end < last else ""
            if name == last_period and known is not None and end < last:
                reach = f" and labels that end by known_to, {options.known_to}"
            raise InputError(
                f"data.split.{name} [{start}, {stop}] has no usable day: the calendar runs {calendar[0]} to "
                f"{calendar[-1]} ({counted(len(calendar), 'day')}), a day needs {counted(lookback, 'day')} "
                f"of history{reach}; widen it"
            )
        days[name] = np.arange(first, end + 1, dtype=np.int64)
        following = first
    return {name: days[name] for name in ("train", "val", "test")}


def _folds_of(options: SplitOptions) -> FoldOptions:
    if options.folds is None:
        raise InputError(
            "data.split.fold needs data.split.folds, for instance {every: 252}: a new fold each 252 trading days"
        )
    check_folds(options.folds)
    return options.folds


def fold_ranges(
    calendar: Sequence[date], options: SplitOptions, gap: int, lookback: int
) -> tuple[range, range]:
    """Days that folds may use, and those among them that folds score; test days after these are in neither.

    ``gap`` is the longest label plus the embargo, which also keeps them from the test days.

    Raises:
        InputError: no folds, a malformed period, or one without a usable day.
    """
    folds, ranges = _folds_of(options), periods(options)
    if folds.period is None and "test" not in ranges:
        raise InputError(
            "data.split.folds.period is null and there is no data.split.test to take its place; set one of them"
        )
    period = ranges["test"] if folds.period is None else parse_period("data.split.folds.period", folds.period)
    first = max(day_index(calendar, ranges["train"][0], "from"), lookback - 1)
    last, end = (day_index(calendar, d, "to") for d in (max(period[1], ranges["val"][1]), period[1]))
    reach = ""
    if "test" in ranges and ranges["test"][0] > period[1]:
        unseen = day_index(calendar, ranges["test"][0], "from") - gap - 1
        reach = f" and {gap} days of labels and embargo before test" if unseen < end else ""
        last, end = min(last, unseen), min(end, unseen)
    start = max(day_index(calendar, period[0], "from"), first)
    if end < start:
        raise InputError(
            f"data.split.folds.period [{period[0]}, {period[1]}] has no usable day: the calendar runs "
            f"{calendar[0]} to {calendar[-1]}, a day needs {counted(lookback, 'day')} of history{reach}; widen it"
        )
    return range(first, last + 1), range(start, end + 1)


def count_folds(
    calendar: Sequence[date], options: SplitOptions, longest_label_days: int, lookback: int
) -> int:
    """Count the folds that ``options.folds`` makes of a calendar.

    Raises:
        InputError: there are no folds, or their options or period cannot be used.
    """
    _, scored = fold_ranges(calendar, options, longest_label_days + options.embargo_days, lookback)
    return fold_count(_folds_of(options), len(scored))


def stock_floor(stocks: NDArray[np.integer], most: int) -> int:
    """Stocks that a day must have to count: ``most``, or half of the median day where that is fewer; at least 2.

    ``most`` is ``split.min_stocks``; days without ``stocks`` do not count in the median.
    """
    return max(2, min(most, int(np.median(stocks[stocks > 0])) // 2)) if (stocks > 0).any() else 2


def periods(options: SplitOptions) -> dict[str, tuple[date, date]]:
    """First and last date of each period by its name, in order; overlapping periods raise."""
    named = {"train": options.train, "val": options.val, "test": options.test}
    ranges = {n: parse_period(f"data.split.{n}", dates) for n, dates in named.items() if dates is not None}
    for earlier, later in pairwise(ranges):
        if ranges[earlier][1] >= ranges[later][0]:
            raise InputError(
                f"data.split.{later} starts {ranges[later][0]}, before data.split.{earlier} ends "
                f"{ranges[earlier][1]}; periods must follow one another without overlap"
            )
    return ranges


def period_name(calendar: Sequence[date], options: SplitOptions, longest_label_days: int, day: date) -> str:
    """Name the period of a date: train, val or test; gap where its labels or the embargo reach the next; else live.

    A label that ends after ``options.known_to`` makes its day a gap too. Only dates count, so a panel of recent
    days, which no split can be resolved on, names them as the whole does.
    """
    ranges = periods(options)
    name = next((n for n, (first, last) in ranges.items() if first <= day <= last), "live")
    if name == "live":
        return name
    label_end = day_index(calendar, day, "from") + longest_label_days
    known = last_known_day(calendar, options)
    if known is not None and label_end > known:
        return "gap"
    later = next((first for first, _ in ranges.values() if first > day), None)
    if later is not None:
        start = day_index(calendar, later, "from")
        if start < len(calendar) and label_end + options.embargo_days >= start:
            return "gap"
    return name


def parse_period(key: str, dates: Sequence[str]) -> tuple[date, date]:
    """Read ``[from, to]``, two ISO dates in order, or raise; ``key`` is the option's name, for the message."""
    try:
        first, last = (date.fromisoformat(str(d)) for d in dates)
    except (ValueError, TypeError) as error:
        raise InputError(f"{key} must be [from, to], two ISO dates, got {dates}") from error
    if first > last:
        raise InputError(f"{key} starts {first} after it ends {last}")
    return first, last
