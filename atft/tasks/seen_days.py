"""Days that a checkpoint has learned from: no forecast, scored by it or by a training that begins with it.

A checkpoint carries its dates: of a fold each stretch, else the first and last day that trained and that selected
it; of a pretraining the last day. One that carries none (made by a trainer without day data) is not checked.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from atft.data.fold_dates import read_fold_dates
from atft.errors import InputError, one_line

if TYPE_CHECKING:
    from atft.tasks.day_data import DayData

Stretches = Sequence[tuple[date, date]]


class SeenDays(NamedTuple):
    """First and last date of each stretch of days that a checkpoint knows."""

    train: Stretches
    val: Stretches = ()
    """Those that selected it."""
    unseen: Stretches = ()
    """Days inside of ``train`` that it does not know."""
    pretrained: bool = False
    """It has seen features only, no label."""

    def trained(self, dates: Sequence[date]) -> NDArray[np.bool_]:
        """Which of the dates it has been trained on."""
        return _inside(dates, self.train) & ~_inside(dates, self.unseen)

    def selected(self, dates: Sequence[date]) -> NDArray[np.bool_]:
        """Which of the dates have selected it."""
        return _inside(dates, self.val)


def seen_days(entries: Mapping[str, Any], file: str) -> SeenDays | None:
    """Read the days from the part ``atft`` of a checkpoint; None where it carries none.

    Raises:
        InputError: they are no dates; ``file`` is named.
    """
    try:
        fold = read_fold_dates(entries["fold"]).stretches if "fold" in entries else {}
        if "pretrained" in entries:
            until = entries["pretrained"].get("until", "")
            scored = (*fold.get("val", ()), *fold.get("test", ()))
            return SeenDays([(date.min, date.fromisoformat(until))], (), scored, True) if until else None
        if fold:
            return SeenDays(fold["train"], fold["val"])
        if "days" not in entries:
            return None
        first, last, *val = (
            date.fromisoformat(d) for n in ("train", "val") for d in entries["days"][n].split()
        )
        return SeenDays([(first, last)], [(val[0], val[1])])
    except (KeyError, ValueError, IndexError) as error:
        raise InputError(
            f"{file}: its training days are no dates ({one_line(error)}); name another one"
        ) from error


def check_unseen(entries: Mapping[str, Any], file: str, data: "DayData") -> None:
    """Check that a training that begins with a checkpoint, or resumes from it, scores no day that it knows.

    Where the days of ``data`` are causal the checkpoint is of their past, its labels included. In other folds,
    which train after days that they score, it has learned from none that this one scores, nor from a label that
    reaches them; and the days that selected it are no test days.

    Raises:
        InputError: it has seen days that the split scores, or its days are no dates.
    """
    seen = seen_days(entries, file)
    if seen is None:
        return
    manifest, split = data.open_cache().manifest, data.split
    dates, reach = manifest.dates, 0 if seen.pretrained else manifest.longest_label_days
    scored = np.sort(np.concatenate([split.whole["val"], split.whole["test"]]))
    first, until = dates[scored[0]], max(last for _, last in seen.train)
    verb = "pretrained" if seen.pretrained else "trained"
    advice = "pretrain with its data.split, and its fold" if seen.pretrained else "train with its data.split"
    if split.causal:
        # Also where those days are not on the calendar of this panel.
        known = sum(day <= until for day in dates) + reach > scored[0]
    else:
        trained = np.flatnonzero(seen.trained(dates))
        # Two days whose labels have a day in common are as close as that label is long.
        before = np.searchsorted(trained, scored - reach)
        near = before < np.searchsorted(trained, scored + reach, side="right")
        known, first = bool(near.any()), dates[scored[near.argmax()]]
    if known:
        labels = ", and their labels reach on" if reach and until < first else ""
        raise InputError(
            f"{file}: {verb} on days to {until}{labels}, this run scores days from {first}; {advice}"
        )
    if seen.selected(dates)[split.whole["test"]].any():
        raise InputError(f"{file}: selected by days that this run tests; {advice}, or test later days")


def seen_lines(
    entries: Mapping[str, Any], file: str, dates: Sequence[date], selects: bool = False
) -> list[str]:
    """A line where a checkpoint has learned from some of the dates that it scores, and is to forecast.

    Days that validate may have selected it: ``selects``.
    """
    seen = seen_days(entries, file)
    if seen is None:
        return []
    known = seen.trained(dates) if selects else seen.trained(dates) | seen.selected(dates)
    many = int(known.sum())
    line = f"{many:,} of {len(dates):,} days are no forecasts: the checkpoint has learned from them"
    return [line] if many else []


def _inside(dates: Sequence[date], stretches: Stretches) -> NDArray[np.bool_]:
    return np.array([any(first <= day <= last for first, last in stretches) for day in dates], dtype=bool)
