"""Which days each run of a registry trains on: a new run every so many trading days, each as if it were that day.

A run of a date uses prices up to that date only. Its validation days are the last whose labels are known then, as
many as the configuration has; all days before them train, from the configuration's first one on. Nothing of it
depends on what the panel holds later: a run that is trained years afterwards has the days of one of that day.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import NamedTuple

from atft.data.split import SplitOptions, periods
from atft.errors import InputError
from atft.trading_days import day_index


class DatedRun(NamedTuple):
    """The run of one date."""

    known_on: date
    """Last day whose prices it uses."""
    train: tuple[str, str]
    """First and last date that may train: the purge shortens it."""
    val: tuple[str, str]
    """First and last date that validates."""

    @property
    def name(self) -> str:
        """Folder of the run: ``2017-06-30``."""
        return self.known_on.isoformat()

    @property
    def before(self) -> None:
        """None: each run starts from random weights."""

    def split_options(self, split: SplitOptions) -> SplitOptions:
        """The configuration's ``split`` with the days of this run."""
        dates = {"train": list(self.train), "val": list(self.val), "known_to": self.name}
        return replace(split, test=None, **dates)  # type: ignore[arg-type]


@dataclass(frozen=True)
class RetrainPlan:
    """What stays the same over the life of a registry.

    Args:
        every: trading days from one run to the next.
        first: ISO date of the first run.
        val_days: trading days that validate each run.
    """

    every: int
    first: str
    val_days: int


def make_plan(
    calendar: Sequence[date], split: SplitOptions, longest_label_days: int, every: int, first: date | None
) -> RetrainPlan:
    """Plan the registry of a configuration.

    Args:
        first: date of the first run; None: the day on which the configuration's own validation labels are known.

    Raises:
        InputError: a fold is named, or the panel ends before the first run, or before the validation days do.
    """
    if split.fold is not None:
        raise InputError("retrain plans the days of each run itself; leave data.split.fold out")
    start, stop = periods(split)["val"]
    begin, end = day_index(calendar, start, "from"), day_index(calendar, stop, "to")
    known = end + longest_label_days if first is None else day_index(calendar, first, "from")
    if begin > end or known >= len(calendar):
        when = f"from {first} on" if first is not None else f"{longest_label_days} days after {stop}"
        raise InputError(
            f"the first run needs prices {when}, the panel ends {calendar[-1]}; move data.split.val or --from"
        )
    if stop > calendar[-1]:
        raise InputError(
            f"data.split.val ends {stop}, the panel {calendar[-1]}; end it within the panel: each run validates on "
            f"as many days as it has"
        )
    return RetrainPlan(every, calendar[known].isoformat(), end - begin + 1)


def due_dates(calendar: Sequence[date], plan: RetrainPlan, there: Sequence[date]) -> tuple[list[date], int]:
    """Dates of all runs up to the calendar's end, and the trading days that are left until the next one.

    Args:
        there: dates of the runs that the registry has, from the newest of which the days are counted.
    """
    dates = sorted(there)
    if not dates:
        dates = [date.fromisoformat(plan.first)]
    following = day_index(calendar, dates[-1], "to") + plan.every
    while following < len(calendar):
        dates.append(calendar[following])
        following += plan.every
    return dates, following - len(calendar) + 1


def dated_run(
    calendar: Sequence[date], split: SplitOptions, longest_label_days: int, plan: RetrainPlan, day: date
) -> DatedRun:
    """The run of a date, with the days that train and validate it.

    Raises:
        InputError: no day before its validation days is left to train on.
    """
    last = day_index(calendar, day, "to") - longest_label_days
    first = last - plan.val_days + 1
    start = day_index(calendar, periods(split)["train"][0], "from")
    if first <= start:
        raise InputError(
            f"the run of {day} has no day to train on: its {plan.val_days} validation days begin before "
            f"data.split.train; start later with --from, or shorten data.split.val"
        )
    days = [calendar[index].isoformat() for index in (start, first - 1, first, last)]
    return DatedRun(day, (days[0], days[1]), (days[2], days[3]))
