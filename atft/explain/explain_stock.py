"""One stock's score on one day, explained: features, days of the window, neighbours.

The score is compared with that of the day's median stock in the stock's place: same neighbours, same market. What
the network reads beside the stock's window (market-wide columns, graph, sector) is in both scores.
"""

from datetime import date

import torch
from torch import Tensor

from atft.batch import DayBatch
from atft.cross_section import average_ranks
from atft.explain.integrated_gradients import MIN_STEPS, Attribution, attribute
from atft.explain.median_stock import median_window, percentiles
from atft.explain.one_day import day_to_explain, find_stock, horizon_index
from atft.explain.stock_explanation import DayPart, FeaturePart, NeighbourPart, StockExplanation
from atft.explain.stock_score import StockScore, evaluating
from atft.network import Explainable, Explanation
from atft.tasks.day_data import DayData
from atft.tasks.part_inputs import check_network_inputs
from atft.tasks.ranking import RankingTask


def explain_stock(
    task: RankingTask, data: DayData, code: str, day: str | date, horizon: int | None = None
) -> StockExplanation:
    """Attribute a stock's score to its features, the days of its window, and its neighbours.

    Any network will do: attributions need its gradient with respect to the features only. On the CPU, some seconds
    where the score depends on a few stocks, minutes where it depends on all.

    Args:
        task: trained, or loaded by `RankingTask.load_from_checkpoint`; on the CPU.
        data: whose cache has the day.
        code: of the stock, in the day's universe.
        day: a trading day, as a date or its ISO text.
        horizon: trading days ahead; None: the shortest.

    Raises:
        InputError: the stock is not ranked that day, the day is not in the panel or lacks history, or captum is not
            installed.
    """
    check_network_inputs(task, data)
    task.match_data(data)
    column = horizon_index(task, horizon)
    index = day_to_explain(data, str(day))
    batch, cache = data.block_of_day(index), data.open_cache()
    names = [cache.codes[i] for i in batch.stock.tolist()]
    stock = find_stock(code, names, cache.codes, cache.manifest.dates[index])
    with evaluating(task):
        with torch.no_grad():
            scores = task(batch).score[0, :, column]
        # From here on in the smallest block in which the stock has its score.
        score = StockScore(task, batch, stock, column)
        baseline = median_window(batch)[:, 0]
        steps = (MIN_STEPS, score.max_steps)
        attribution = attribute(score, score.window, baseline, steps, score.at_once)
        looks = _looks(task, score.block)
        days, lack_of_days = _days(data, batch, attribution, looks, score.stock)
        neighbours, lack_of_neighbours = _neighbours(
            score, stock, batch, attribution.score, looks, cache.codes
        )
    ranks = average_ranks(-scores[None], torch.ones_like(scores[None], dtype=torch.bool))[0]
    return StockExplanation(
        code=code,
        date=cache.manifest.dates[index],
        horizon=task.network.horizons[column],
        rank=float(ranks[stock]),
        stocks=len(names),
        score=attribution.score,
        median_score=attribution.baseline_score,
        gap=attribution.gap,
        is_complete=attribution.is_complete,
        steps=attribution.steps,
        features=_features(data.features, batch, stock, attribution.parts.sum(0), baseline[-1]),
        days=days,
        neighbours=neighbours,
        left_out=[sentence for sentence in (lack_of_days, lack_of_neighbours) if sentence],
    )


def _looks(task: RankingTask, block: DayBatch) -> Explanation:
    """What the network says it looks at; nothing where it does not say."""
    if not isinstance(task.network, Explainable):
        return Explanation()
    with torch.no_grad():
        return task.network.explain(task.in_trained_order(block))


def _features(
    names: list[str], batch: DayBatch, stock: int, parts: Tensor, median: Tensor
) -> list[FeaturePart]:
    values, percentile = batch.features[-1, stock], percentiles(batch, stock)
    order = parts.abs().argsort(descending=True, stable=True).tolist()
    return [
        FeaturePart(names[i], _known(values[i]), _known(median[i]), _known(percentile[i]), float(parts[i]))
        for i in order
    ]


def _days(
    data: DayData, batch: DayBatch, attribution: Attribution, looks: Explanation, stock: int
) -> tuple[list[DayPart], str]:
    """Parts of the days of the window, and a sentence on what they lack, if anything."""
    by_day = attribution.parts.sum(1)
    if not attribution.parts[:-1].any():
        return [], "no days of the window: the score depends on the stock's last row only"
    attention = None if looks.attention is None else looks.attention[0, stock].mean(0)
    last = int(batch.day[0])
    dates = data.open_cache().manifest.dates[last - len(by_day) + 1 : last + 1]
    parts = [
        DayPart(day, float(part), None if attention is None else float(attention[i]))
        for i, (day, part) in enumerate(zip(dates, by_day, strict=True))
    ]
    return parts, "no attention of days: the network has none" if attention is None else ""


def _neighbours(
    score: StockScore,
    stock: int,
    batch: DayBatch,
    value: float,
    looks: Explanation,
    codes: tuple[str, ...],
) -> tuple[list[NeighbourPart], str]:
    """Parts of the neighbours, the largest first, and a sentence on what they lack, if anything."""
    block, arriving = score.block, score.block.edge_index[1] == score.stock
    if not (batch.edge_index[1] == stock).any():
        return [], "no neighbours: no edge of a graph ends in the stock on that day"
    weight = None if looks.neighbours is None else looks.neighbours.mean((0, 2))
    # A network without explain may read the graph all the same: what its edges change shows.
    if not arriving.any() or abs(score.without_edges(arriving) - value) <= score.tolerance:
        return [], "no neighbours: the score does not depend on the graph"
    parts = []
    for edge in arriving.nonzero()[:, 0].tolist():
        only = torch.zeros_like(arriving)
        only[edge] = True
        correlation, same_sector = block.edge_attr[edge].tolist()
        parts.append(
            NeighbourPart(
                codes[int(block.stock[block.edge_index[0, edge]])],
                None if weight is None else float(weight[edge]),
                value - score.without_edges(only),
                correlation,
                bool(same_sector),
            )
        )
    parts.sort(key=lambda part: -(abs(part.effect) if part.weight is None else part.weight))
    lack = "no weights of neighbours: the network has no attention over the graph" if weight is None else ""
    return parts, lack


def _known(value: Tensor) -> float | None:
    return float(value) if bool(value.isfinite()) else None
