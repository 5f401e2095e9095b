"""What of an evaluation one chart shows: a horizon of each file, its name and colour, and its numbers."""

from collections.abc import Sequence
from math import isfinite
from typing import NamedTuple

import numpy as np

from atft.day_series import Series
from atft.drawing.page import LegendKey
from atft.drawing.palette import FILES, ROLES
from atft.evaluation.figures import FIGURES
from atft.evaluation.intervals import Interval
from atft.evaluation.result import Dates, Evaluation, HorizonEvaluation

MAX_FILES = len(FILES)
UNKNOWN = "–"


class Entry(NamedTuple):
    """One file at one horizon."""

    name: str
    role: str
    """Of the palette: the file's colour on the whole page."""
    measured: HorizonEvaluation

    @property
    def colour(self) -> str:
        """The colour that a chart is drawn with; the page turns it into its role's."""
        return ROLES[self.role].light


class Part(NamedTuple):
    """A section of the page; left out where it has no content."""

    title: str
    note: str = ""
    content: tuple[object, ...] = ()


def entries_of(evaluation: Evaluation, horizon: int) -> list[Entry]:
    """The files that have a ranked day of a horizon, in their order."""
    return [
        Entry(file.name, FILES[i % MAX_FILES], file.horizons[horizon])
        for i, file in enumerate(evaluation.files)
        if horizon in file.horizons and file.horizons[horizon].days
    ]


def all_horizons(evaluation: Evaluation) -> list[int]:
    """Horizons of which a file has a ranked day, ascending."""
    return sorted({h for file in evaluation.files for h, measured in file.horizons.items() if measured.days})


def legend_of(entries: Sequence[Entry], shape: str = "line") -> tuple[LegendKey, ...]:
    """Which colour is which file; nothing to say about a single one."""
    return tuple(LegendKey(e.role, e.name, shape) for e in entries) if len(entries) > 1 else ()


def figure_text(name: str, value: float) -> str:
    """A figure in its unit, with a sign where it may be negative; a dash where it is not known."""
    kind = FIGURES[name]
    if not isfinite(value):
        return UNKNOWN
    scaled = kind.in_unit(value)
    if abs(scaled) >= 1e6:
        return f"{scaled / 1e6:,.2f} M"
    sign = "+" if kind.zero_is_chance else ""
    return f"{scaled:{sign},.{kind.digits}f}"


def interval_text(name: str, interval: Interval) -> str:
    """The 95 % interval of a figure: ``+0.0123 to +0.0456``; empty where it is not known."""
    if not (isfinite(interval.low) and isfinite(interval.high)):
        return ""
    return f"{figure_text(name, interval.low)} to {figure_text(name, interval.high)}"


def plotted_days(dates: Dates) -> Series:
    """Dates as matplotlib counts them: days since 1970."""
    return np.asarray(dates).astype("datetime64[D]").astype(np.int64).astype(np.float64)


def trailing_mean(values: Series, days: int) -> Series:
    """Mean of the known values of the last ``days`` days; NaN before half of a window is known."""
    known = np.isfinite(values)
    total, count = (
        np.concatenate([[0.0], np.cumsum(part, dtype=np.float64)])
        for part in (np.where(known, values, 0), known)
    )
    last = np.arange(1, len(values) + 1)
    first = np.maximum(last - days, 0)
    number = count[last] - count[first]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (total[last] - total[first]) / number
    return np.where(2 * number >= min(days, len(values)), mean, np.nan)
