"""What a baseline is fitted on: the stocks of some days, whose features are read day by day.

No matrix of all rows is ever made: 2.6 M rows of 170 features are 1.8 GB.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float32, Int64
from numpy.typing import NDArray

from atft.cross_section import average_ranks, spearman
from atft.errors import InputError


class Baseline(Protocol):
    """A fitted model that scores each stock by its last day's features."""

    @property
    def market_columns(self) -> bool:
        """Whether the day's market-wide columns follow the features that it reads."""

    def score(
        self, features: Float32[np.ndarray, "stocks features"], columns: slice = ...
    ) -> Float32[np.ndarray, "stocks columns"]:
        """Score some stocks of a day, one column for each horizon in ``columns``; higher is better."""

    def facts(self) -> dict[str, Any]:
        """Settings, and what came of the fit, for a receipt."""


@dataclass(frozen=True)
class StockDays:
    """Rows of some days, day after day: the stocks of each day's universe."""

    sizes: Int64[np.ndarray, " days"]
    """Stocks of each day."""
    target: Float32[np.ndarray, "rows horizons"]
    """Forward returns, as fractions; NaN where a row is not to count."""
    read: Callable[[int], NDArray[np.float32]]
    """Features ``[stocks, features]`` of a day, by its index among the days; NaN where unknown."""
    market_columns: bool = False
    """Whether the day's market-wide columns are the last of the features, the same for all its stocks."""

    @cached_property
    def bounds(self) -> NDArray[np.int64]:
        """First row of each day, and the number of rows at the end, ``[days + 1]``."""
        return np.concatenate([[0], np.cumsum(self.sizes)]).astype(np.int64)

    def rows(self, day: int) -> slice:
        """Rows of a day, by its index among the days."""
        return slice(int(self.bounds[day]), int(self.bounds[day + 1]))

    def __iter__(self) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Features and targets of each day."""
        for day in range(len(self.sizes)):
            yield self.read(day), self.target[self.rows(day)]

    def ranks(self) -> NDArray[np.float32]:
        """Rank of each target in its day and horizon, ``(rank - 1/2) / n - 1/2``, so -0.5 to 0.5.

        Equal returns share the mean of their ranks. NaN where the target is; 0 for a day's only known one.
        """
        ranks = np.empty_like(self.target)
        for day in range(len(self.sizes)):
            target = torch.from_numpy(self.target[self.rows(day)].T.copy())
            known = target.isfinite()
            share = (average_ranks(target, known) - 0.5) / known.sum(-1, keepdim=True).clamp_min(1)
            ranks[self.rows(day)] = torch.where(known, share - 0.5, torch.nan).T.numpy()
        return ranks

    def rank_ic(self, score: NDArray[np.float32]) -> NDArray[np.float64]:
        """Mean over days of the rank correlation of scores ``[rows, horizons]`` and targets, ``[horizons]``.

        Days that cannot be ranked are left out; a horizon without any is NaN.
        """
        daily = np.empty((len(self.sizes), self.target.shape[1]))
        for day in range(len(self.sizes)):
            scores, target = (torch.from_numpy(a[self.rows(day)].T.copy()) for a in (score, self.target))
            daily[day] = spearman(scores, target, target.isfinite()).numpy()
        known = np.isfinite(daily)
        count = known.sum(axis=0)
        return np.where(count > 0, np.where(known, daily, 0).sum(axis=0) / np.maximum(count, 1), np.nan)


def check_targets(train: StockDays, val: StockDays) -> None:
    """Check that every horizon has known targets to fit and to stop on; raises InputError."""
    for name, days in (("training", train), ("validation", val)):
        if not np.isfinite(days.target).any(axis=0).all():
            raise InputError(f"baseline: no {name} day has known targets at every horizon; move data.split")
