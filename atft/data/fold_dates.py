"""The dates of a fold, which a checkpoint carries: folds are counted on a calendar, and a later panel has another.

So a day keeps the name of the period that it had in training, and scores of days after it are `live`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import numpy as np

from atft.data.split import Days

PERIODS = ("train", "val", "test")


@dataclass(frozen=True)
class FoldDates:
    """Which fold it is, and first and last date of each of its stretches of days, by period."""

    fold: int
    stretches: Mapping[str, tuple[tuple[date, date], ...]]

    @classmethod
    def of_days(cls, fold: int, days: Mapping[str, Days], calendar: Sequence[date]) -> "FoldDates":
        """The dates of a fold's days, indices on the calendar by period."""
        runs = {name: np.split(d, np.flatnonzero(np.diff(d) != 1) + 1) for name, d in days.items()}
        stretches = {n: tuple((calendar[r[0]], calendar[r[-1]]) for r in runs[n] if len(r)) for n in PERIODS}
        return cls(fold, stretches)

    @property
    def causal(self) -> bool:
        """Every training day is before every validation day, and those before every test day."""
        used = [stretches for stretches in self.stretches.values() if stretches]
        return all(earlier[-1][1] < later[0][0] for earlier, later in pairwise(used))

    def period_of(self, day: date) -> str:
        """Name the period of a date: train, val, test; gap between those, where labels reach; else live."""
        for name, stretches in self.stretches.items():
            if any(first <= day <= last for first, last in stretches):
                return name
        every = [end for stretches in self.stretches.values() for ends in stretches for end in ends]
        return "gap" if min(every) < day < max(every) else "live"

    def scored(self, calendar: Sequence[date]) -> Days:
        """Days of a calendar that validate or test, ascending; of another one than the fold's there may be none."""
        days = [i for i, day in enumerate(calendar) if self.period_of(day) in ("val", "test")]
        return np.array(days, dtype=np.int64)

    def texts(self) -> dict[str, str]:
        """The same as words that a checkpoint keeps, which `read_fold_dates` reads."""
        spans = {n: " ".join(d.isoformat() for ends in s for d in ends) for n, s in self.stretches.items()}
        return {"fold": str(self.fold), **spans}


def read_fold_dates(texts: Mapping[str, str]) -> FoldDates:
    """Read what `FoldDates.texts` wrote; raises ValueError or KeyError where it is anything else."""
    stretches = {}
    for name in PERIODS:
        ends = [date.fromisoformat(text) for text in texts[name].split()]
        stretches[name] = tuple(zip(ends[::2], ends[1::2], strict=True))
    if not stretches["train"] or not stretches["val"]:
        raise ValueError("a fold has training and validation days")
    return FoldDates(int(texts["fold"]), stretches)
