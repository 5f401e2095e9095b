"""An evaluation as data: what the tables, the JSON file, the tear sheet and `compare` read.

Plain dataclasses of numbers and arrays, made by `atft.evaluation.evaluate`. What could not be measured is absent,
never 0: an empty mapping, a None with a reason in ``notes``, or NaN inside of a series.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray

from atft.day_series import Series
from atft.evaluation.books import Books
from atft.evaluation.covered_shares import CoveredShare
from atft.evaluation.importance_file import Importance
from atft.evaluation.intervals import Interval
from atft.evaluation.options import EvaluateOptions

Dates = NDArray[Any]
"""datetime64[D] ``[days]``, ascending."""


@dataclass(frozen=True)
class FileCoverage:
    """What of a file was measured, and what was not, and why."""

    rows: int
    """Rows of the file."""
    split: str | None
    """The split that was measured, named or chosen; None: the file has none, all its rows were."""
    measured_rows: int
    """Rows with a known target, on days that count; all horizons."""
    dropped: dict[str, int]
    """Reason -> rows left out: ``other split``, ``no score``, ``no target``, ``thin``, ``constant target`` ..."""
    first: str
    last: str
    """Dates, ISO, of the days that were measured."""
    days: int
    """Days of the file, after the choice of the split."""
    codes: int
    stocks_per_day: Int[np.ndarray, " days"]
    """Stocks with a known target of each day, of the shortest horizon."""

    @property
    def mean_stocks(self) -> int:
        """Mean of the days that have any; 0 without one."""
        stocks = self.stocks_per_day[self.stocks_per_day > 0]
        return int(stocks.mean()) if len(stocks) else 0


class Decile(NamedTuple):
    """A tenth of each day's scores."""

    number: int
    """1 is the lowest scores, 10 the highest."""
    mean: Interval
    """Mean target in excess of the day's mean, a fraction per trade (``horizon`` days)."""


class GroupRow(NamedTuple):
    """A part of the days (a year, a regime) or of the stocks (a sector, a size)."""

    group: str
    days: int
    stocks: float
    """Mean number of stocks a day."""
    rank_ic: Interval


class DecayRow(NamedTuple):
    """The score of a day against the target of a later one."""

    lag: int
    """Trading days."""
    rank_ic: Interval


class ExtremeDay(NamedTuple):
    """A day with one of the best or worst RankICs, and the names that decided it."""

    date: str
    rank_ic: float
    spread: float
    top: list[tuple[str, float]]
    """Highest scores, each code with its target."""
    bottom: list[tuple[str, float]]
    """Lowest scores."""


@dataclass(frozen=True)
class Control:
    """A score that needs no model, on the same days and rows."""

    name: str
    figures: dict[str, Interval]
    """``rank_ic``, ``ic``, ``spread``, ``sharpe_annual``."""
    series: dict[str, Series]


@dataclass(frozen=True)
class HorizonEvaluation:
    """All figures of one horizon of one file."""

    horizon: int
    dates: Dates
    series: dict[str, Series]
    """Measures of each day, by name: see `atft.evaluation.day_measures.measure_table`; ``rank_ic_lag1`` too."""
    figures: dict[str, Interval]
    """Headline figures, by name: see `atft.evaluation.figures.FIGURES` for heading, unit and meaning."""
    days: int
    """Days that were ranked."""
    dropped_days: dict[str, int]
    """Reason -> days left out: ``thin``, ``constant target``, ``no target``, ``constant score``."""
    dropped_rows: dict[str, int]
    """The same in rows."""
    stocks: Int[np.ndarray, " days"]
    """Stocks that counted on each day."""
    deciles: list[Decile]
    monotonicity: float
    """Rank correlation of the decile's number and its mean: 1 rises at each step, -1 falls."""
    books: Books
    decay: list[DecayRow]
    groups: dict[str, list[GroupRow]]
    """``year``, ``sector``, ``size``, and one per regime column: absent without the column."""
    exposures: dict[str, Interval]
    """Exposure -> mean daily rank correlation with the score."""
    controls: list[Control]
    absent_controls: dict[str, str]
    """Control -> why it is absent."""
    band: dict[str, tuple[float, float]]
    """Figure -> the middle 95 % of what random scores reach on these days; see `random_band`."""
    best_days: list[ExtremeDay]
    worst_days: list[ExtremeDay]
    warnings: list[str]
    """Sentences that stand first: inside the random band, suspiciously high."""
    covered: list[CoveredShare] = field(default_factory=list)
    """What the file's prediction intervals covered; empty without any."""


@dataclass(frozen=True)
class FileEvaluation:
    """One predictions file."""

    name: str
    """How tables call it: the run's or the file's name, unique among the files."""
    path: str
    coverage: FileCoverage
    notes: list[str]
    """What was decided for the reader: the split, the horizon, how overlapping horizons are handled."""
    horizons: dict[int, HorizonEvaluation]
    causal: bool | None
    """False where a fold trained after the days it scored; None where the file does not say."""
    receipt: Mapping[str, Any] = field(default_factory=dict)
    """`receipt.json` beside the file, where there is one."""
    importance: Importance | None = None
    """What `python -m atft explain` found of the features of the run that wrote the file; None without."""


class Difference(NamedTuple):
    """A file minus the first one, paired by day on the rows that both have."""

    name: str
    against: str
    horizon: int
    figure: str
    days: int
    difference: Interval


@dataclass(frozen=True)
class Evaluation:
    """The whole: one or several files, and how they differ."""

    settings: EvaluateOptions
    files: list[FileEvaluation]
    differences: list[Difference]
