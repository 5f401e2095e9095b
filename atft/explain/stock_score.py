"""The score of one stock on one day as a function of its own window; all else of the day stays as it is.

Each step of an attribution is a forward and a backward pass. So the block is cut to the stocks that the score
depends on: the stock alone, its neighbours, theirs, and so on, until the network gives the score of the whole
cross-section. Networks that compare all stocks keep all. Copies of a block that was cut stand beside each other in
one block, each with another window of the stock: the network scores many windows at once.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from atft.batch import BY_STOCK, DayBatch, Forecast
from atft.explain.integrated_gradients import MAX_STEPS
from atft.tasks.ranking import RankingTask

MAX_STOCKS = 512
"""Of a block with copies."""
MAX_WORK, FEWEST = 1 << 13, 64
"""Stocks times points of a path that an attribution may cost, and points that it may have in any case."""
SAME_SCORE = 1e-5
"""Two scores are the same up to this share of the standard deviation of the day's."""


class StockScore:
    """The score of a stock of a one-day block at one horizon.

    Args:
        task: in evaluation; see `evaluating`.
        batch: a block of one day, its features in the order of the data.
        stock: its index among the block's.
        horizon: its index among the network's.
    """

    def __init__(self, task: RankingTask, batch: DayBatch, stock: int, horizon: int) -> None:
        self.task, self.horizon = task, horizon
        with torch.no_grad():
            scores = differentiable_score(task(batch))[0, :, horizon]
        self.block, self.stock, self.is_cut = batch, stock, False
        self.tolerance = SAME_SCORE * max(scores.std().nan_to_num().item(), scores[stock].abs().item())
        for stocks in neighbourhoods(batch, stock):
            cut = batch.of_stocks(stocks)
            inside = int((stocks == stock).nonzero())
            # A network may have no score for so few stocks: it raises, as topk does, or gives what is no number.
            try:
                with torch.no_grad():
                    score = differentiable_score(task(cut))[0, inside, horizon]
            except (RuntimeError, ValueError, IndexError):
                continue
            if abs(score - scores[stock]) <= self.tolerance:
                self.block, self.stock, self.is_cut = cut, inside, True
                break

    @property
    def window(self) -> Float[Tensor, "lookback features"]:
        """The stock's own rows, oldest first."""
        return self.block.features[:, self.stock]

    @property
    def at_once(self) -> int:
        """Windows that can be scored at once: one where other stocks would read the copies."""
        return max(1, MAX_STOCKS // self._stocks) if self.is_cut else 1

    @property
    def max_steps(self) -> int:
        """Points that the path of an attribution may have."""
        return min(MAX_STEPS, max(FEWEST, MAX_WORK // self._stocks))

    @property
    def _stocks(self) -> int:
        return self.block.universe.shape[1]

    def __call__(self, windows: Float[Tensor, "points lookback features"]) -> Float[Tensor, " points"]:
        """Score the stock with other windows instead of its own; at most `at_once`."""
        others = self.block.features[:, None].expand(-1, len(windows), -1, -1)
        window = windows.transpose(0, 1)[:, :, None]
        features = torch.cat((others[:, :, : self.stock], window, others[:, :, self.stock + 1 :]), dim=2)
        block = copies_of_block(self.block, len(windows))._replace(features=features.flatten(1, 2))
        score: Tensor = differentiable_score(self.task(block))
        return score[0, self.stock :: self._stocks, self.horizon]

    def without_edges(self, edges: Bool[Tensor, " edges"]) -> float:
        """Score the stock in a graph without some of the block's edges."""
        block = self.block
        cut = block._replace(edge_index=block.edge_index[:, ~edges], edge_attr=block.edge_attr[~edges])
        with torch.no_grad():
            return float(differentiable_score(self.task(cut))[0, self.stock, self.horizon])


def differentiable_score(forecast: Forecast) -> Float[Tensor, "days stocks horizons"]:
    """Scores that change smoothly with the features: of an ensemble the mean of its members' scores.

    An evaluated ensemble may order stocks by its members' ranks, which have no gradient.
    """
    return forecast.score if forecast.members is None else forecast.members.mean(-1)


@contextmanager
def evaluating(task: RankingTask) -> Iterator[None]:
    """Evaluate without dropout and ask for no gradient of parameters; both are as before afterwards."""
    training, asked = task.training, [p for p in task.parameters() if p.requires_grad]
    task.eval()
    for parameter in asked:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        task.train(training)
        for parameter in asked:
            parameter.requires_grad_(True)


def copies_of_block(batch: DayBatch, copies: int) -> DayBatch:
    """A one-day block of several copies of a block's stocks, with no edge between one copy and another."""
    first = batch.universe.shape[1] * torch.arange(copies)
    by_stock = {name: getattr(batch, name) for name in BY_STOCK}
    return batch._replace(
        edge_index=(batch.edge_index[:, None] + first[:, None]).flatten(1),
        edge_attr=batch.edge_attr.repeat(copies, 1),
        stock=batch.stock.repeat(copies),
        **{name: part.repeat(1, copies, *[1] * (part.ndim - 2)) for name, part in by_stock.items()},
    )


def neighbourhoods(batch: DayBatch, stock: int) -> Iterator[Int[Tensor, " chosen"]]:
    """Growing sets of the stocks of a one-day block, below half of them: a stock, then one step of edges more."""
    source, destination = batch.edge_index
    inside = torch.zeros(batch.universe.shape[1], dtype=torch.bool)
    inside[stock] = True
    while 2 * int(inside.sum()) <= len(inside):
        yield inside.nonzero()[:, 0]
        grown = inside.clone()
        grown[source[inside[destination]]] = True
        if torch.equal(grown, inside):
            return
        inside = grown
