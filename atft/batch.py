"""What a network is given: a block of consecutive trading days, whole cross-sections, one stock order.

Edges, scores and targets all index the same ``stocks`` axis, so a graph cannot point at the wrong stock, and
days cannot be mixed into one cross-section: the shape does not allow it.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

EDGE_FEATURES = ("correlation", "same_sector")


class DayBatch(NamedTuple):
    """A block of ``days`` consecutive trading days with the history they read (``span = lookback + days - 1``).

    Row ``i`` of the days axis is the day whose window is ``features[i : i + lookback]``. The stocks are the
    union of the universes of the block's days, in the order of their codes.

    A block of training whose lookback is 1 may be *joined*: days from anywhere, each with the stocks of its own
    universe, first along the axis and then filled up. Column ``j`` is then another stock each day.
    """

    features: Tensor
    """float [span, stocks, features]; NaN where a value is unknown. Read once, shared by all days."""
    observed: Tensor
    """bool [span, stocks]; the stock has a row that day."""
    universe: Tensor
    """bool [days, stocks]; the stock may be ranked that day, its label known or not."""
    target: Tensor
    """float [days, stocks, horizons]; raw forward returns (fractions), NaN where unknown."""
    valid: Tensor
    """bool [days, stocks, horizons]; universe, and the label is known, as are those of enough stocks that day."""
    edge_index: Tensor
    """int64 [2, edges], source then destination, over node = day * stocks + stock."""
    edge_attr: Tensor
    """float [edges, len(EDGE_FEATURES)]."""
    stock: Tensor
    """int64 [stocks]; the row of each stock in the cache; -1 where the block is joined."""
    day: Tensor
    """int64 [days]; the day's index on the panel's calendar, ascending by one unless the block is joined."""
    sector: Tensor
    """int64 [days, stocks]; index into the cache's sector names, -1 for none."""
    exposure: Tensor
    """float [days, stocks, exposures]; NaN where unknown."""
    regime: Tensor
    """float [days, regimes]; market-wide columns known that day."""
    weight: Tensor
    """float [days]; share of its optimiser step's loss that each day carries; sums to 1 over the step."""
    closes_step: bool
    """True for the last block of an optimiser step: gradients are applied after it."""
    position: int = 0
    """Of the block in its epoch's plan."""
    joined: bool = False
    """Its days come from anywhere, each with stocks of its own."""
    max_neighbours: int = 0
    """Most edges that end in one stock-day, so that attention over them has a fixed shape; 0: not known."""

    @property
    def lookback(self) -> int:
        """Days of history that each day reads, itself included."""
        return self.features.shape[0] - self.universe.shape[0] + 1

    @property
    def rows(self) -> int:
        """Stock-days that may be ranked in this block."""
        return int(self.universe.sum())

    def part(self, start: int, stop: int) -> "DayBatch":
        """Days ``start`` to ``stop - 1`` of the block, with their history, their edges and all its stocks.

        Views, but for the edges. Only the part with the block's last day can close the step.
        """
        days, stocks = self.universe.shape
        edge_day = self.edge_index[1] // max(stocks, 1)
        inside = (edge_day >= start) & (edge_day < stop)
        span = slice(start, stop + self.lookback - 1)
        return self._replace(
            features=self.features[span],
            observed=self.observed[span],
            edge_index=self.edge_index[:, inside] - start * stocks,
            edge_attr=self.edge_attr[inside],
            closes_step=self.closes_step and stop == days,
            **{name: getattr(self, name)[start:stop] for name in BY_DAY},
        )

    def of_stocks(self, stocks: Tensor) -> "DayBatch":
        """Cut a block of one day to some of its stocks, int64 indices, ascending, and the edges between them."""
        if len(self.day) != 1:
            raise ValueError(f"a block of one day can be cut to stocks, got {len(self.day)} days")
        new_index = torch.full((self.universe.shape[1],), -1)
        new_index[stocks] = torch.arange(len(stocks))
        ends = new_index[self.edge_index]
        inside = (ends >= 0).all(0)
        return self._replace(
            edge_index=ends[:, inside],
            edge_attr=self.edge_attr[inside],
            stock=self.stock[stocks],
            **{name: getattr(self, name)[:, stocks] for name in BY_STOCK},
        )


BY_DAY = ("universe", "target", "valid", "day", "sector", "exposure", "regime", "weight")
"""Tensors whose first axis is the block's days."""
BY_STOCK: dict[str, float] = {
    "features": torch.nan,
    "observed": False,
    "universe": False,
    "target": torch.nan,
    "valid": False,
    "sector": -1,
    "exposure": torch.nan,
}
"""Tensors whose second axis is its stocks -> what they hold for a stock that only fills the axis up."""


class Forecast(NamedTuple):
    """What a network says of a block. Higher score is better; only the order within a day has meaning."""

    score: Tensor
    """float [days, stocks, horizons]; anything where the universe is False."""
    quantiles: Tensor | None = None
    """float [days, stocks, horizons, quantiles], ascending along the last axis; None without quantile heads."""
    members: Tensor | None = None
    """float [days, stocks, horizons, members]; scores of an ensemble that ``score`` averages. Where given, each
    member has its own loss, and the mean of their losses trains instead of that of ``score``."""

    def map(self, change: Callable[[Tensor], Tensor]) -> "Forecast":
        """The same forecast with each of its tensors changed."""
        quantiles, members = (None if part is None else change(part) for part in self[1:])
        return Forecast(change(self.score), quantiles, members)

    def detach(self) -> "Forecast":
        """The same numbers without the graph that made them, whose memory is then free."""
        return self.map(Tensor.detach)
