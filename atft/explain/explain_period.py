"""Which features decide a network's scores over a period: mean absolute attribution over its stock-days.

Days of the period are evenly spaced. On each, all stocks go from the day's median stock to themselves together: one
path for the whole cross-section. The gradient is that of the sum of the scores, each with a sign drawn at random:
what a stock's features do to its own score keeps the stock's sign, what they do to other stocks' scores cancels out
on average. Where stocks do not read each other the parts are those of each stock by itself.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from atft.batch import DayBatch
from atft.cross_section import spearman
from atft.evaluation.importance_file import FeatureImportance, Importance
from atft.explain.integrated_gradients import attribute
from atft.explain.median_stock import median_window
from atft.explain.one_day import days_to_explain, horizon_index
from atft.explain.stock_score import differentiable_score, evaluating
from atft.files.digest import file_digest
from atft.process.progress import track
from atft.tasks.day_data import DayData
from atft.tasks.part_inputs import check_network_inputs
from atft.tasks.ranking import RankingTask

STEPS = 8
"""Points of a day's path: over many stock-days their errors cancel out; what is left is printed."""


def explain_period(
    task: RankingTask,
    data: DayData,
    period: Sequence[str],
    checkpoint: Path,
    horizon: int | None = None,
    days: int = 20,
) -> Importance:
    """Attribute the scores of the days of a period to the features, and average over stock-days.

    A day costs `STEPS` forward and backward passes over its cross-section, for each horizon.

    Args:
        task: with the weights of ``checkpoint``.
        data: whose cache has the days.
        period: ISO dates [from, to], both included.
        checkpoint: file that the importance is of.
        horizon: trading days ahead; None: all.
        days: explained at most, evenly spaced.

    Raises:
        InputError: no day of the period can be scored, the network has no such horizon, or captum is not installed.
    """
    check_network_inputs(task, data)
    task.match_data(data)
    horizons = list(task.network.horizons)
    columns = list(range(len(horizons))) if horizon is None else [horizon_index(task, horizon)]
    cache = data.open_cache()
    chosen = days_to_explain(data, period, days)
    # Sums in float64: absolute attributions of stock-days; directions of the days that have one, and these days.
    sizes, directions, varying = torch.zeros(3, len(columns), len(data.features), dtype=torch.float64)
    gap, stock_days = 0.0, 0
    with evaluating(task):
        for day in track(chosen, "explaining days"):
            batch = data.block_of_day(day)
            stock_days += len(batch.stock)
            for row, column in enumerate(columns):
                parts, day_gap = _day_parts(task, batch, column)
                today = batch.features[-1].T
                direction = spearman(today, parts.T, today.isfinite()).double()
                sizes[row] += parts.double().abs().sum(0)
                directions[row] += direction.nan_to_num(nan=0.0)
                varying[row] += direction.isfinite()
                gap += day_gap
    dates, total = cache.manifest.dates, float(sizes.sum())
    shares = sizes / sizes.sum(1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
    directions /= varying.clamp_min(1)
    return Importance(
        first=dates[chosen[0]].isoformat(),
        last=dates[chosen[-1]].isoformat(),
        days=len(chosen),
        stock_days=stock_days,
        gap=gap / total if total > 0 else 0.0,
        checkpoint=file_digest(checkpoint),
        horizons={
            horizons[column]: [
                FeatureImportance(data.features[i], float(shares[row, i]), float(directions[row, i]))
                for i in shares[row].argsort(descending=True, stable=True).tolist()
            ]
            for row, column in enumerate(columns)
        },
    )


def _day_parts(
    task: RankingTask, batch: DayBatch, horizon: int
) -> tuple[Float[Tensor, "stocks features"], float]:
    """Attributions of a day's stocks, summed over the window, and what they leave unattributed."""
    draw = torch.Generator().manual_seed(int(batch.day[0]))
    sign = torch.randint(0, 2, (len(batch.stock),), generator=draw).float() * 2 - 1

    def signed_sum(features: Tensor) -> Tensor:
        (one,) = features
        score = differentiable_score(task(batch._replace(features=one)))[0, :, horizon]
        return (sign * score).sum()[None]

    baseline = median_window(batch).expand_as(batch.features)
    attribution = attribute(signed_sum, batch.features, baseline, (STEPS, STEPS))
    return sign[:, None] * attribution.parts.sum(0), abs(attribution.gap)
