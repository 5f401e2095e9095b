"""A stock's score explained, as data: what the text, the JSON file and the picture read.

Attributions are in the unit of the score, which differs from network to network. Only the order of a day's scores
has a meaning, so sizes are read against each other and against the difference that they sum to.
"""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class FeaturePart:
    """What one feature adds to the difference, over all days of the window."""

    name: str
    value: float | None
    """On the day, as the network reads it: a rank or z-score where the cache scaled it; None unknown."""
    median: float | None
    percentile: float | None
    """Of the value in the day's universe, 0 to 100."""
    attribution: float


@dataclass(frozen=True)
class DayPart:
    """What one day of the window adds, over all features."""

    date: date
    attribution: float
    attention: float | None
    """The network's weight of the day, mean over heads; the window's sum to 1."""


@dataclass(frozen=True)
class NeighbourPart:
    """A stock whose edge ends in the explained one."""

    code: str
    weight: float | None
    """Attention, mean over layers and heads; those of all neighbours sum to 1."""
    effect: float
    """The score minus that without the neighbour's edge."""
    correlation: float
    same_sector: bool


@dataclass(frozen=True)
class StockExplanation:
    """Why a stock has its score."""

    code: str
    date: date
    horizon: int
    rank: float
    """1 is the highest score of the day; mean rank of equal ones."""
    stocks: int
    """Of the day's universe."""
    score: float
    """Where a network is an ensemble, the mean of its members' scores."""
    median_score: float
    """Of the day's median stock in the stock's place."""
    gap: float
    """The difference of the two scores minus the sum of the features' attributions."""
    is_complete: bool
    """Whether the gap is small; see `atft.explain.integrated_gradients.Attribution`."""
    steps: int
    features: list[FeaturePart]
    """The largest attributions first."""
    days: list[DayPart]
    """Oldest first; empty where the network reads the last day only."""
    neighbours: list[NeighbourPart]
    """The largest weights (without weights: effects) first; empty where no neighbour is read."""
    left_out: list[str]
    """Which of these parts the network or the data lack, a sentence each."""

    @property
    def difference(self) -> float:
        """The stock's score minus the median stock's."""
        return self.score - self.median_score
