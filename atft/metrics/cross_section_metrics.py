"""Ranking metrics of a run: each day's cross-section first, then the mean over days, exact over devices.

A state is one short row per day and horizon, gathered from all ranks; a day that several ranks saw (padding)
counts once. Cost: a few sorts per day, 8 numbers kept.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from atft.cross_section import rank_normal, scale, stocks_last
from atft.day_series import mean
from atft.day_statistics import (
    RANKING_METRICS,
    MeasuredDays,
    RankingMetric,
    Statistic,
    day_statistics,
    measure_days,
)


def metric_names(metrics: Mapping[str, RankingMetric] = RANKING_METRICS) -> list[str]:
    """What a run has; each also per horizon, as in ``rank_ic_5d``."""
    return [*metrics, "scale"]


class CrossSectionMetrics(Metric):
    r"""The metrics of `atft.day_statistics` and the scale, per horizon, and their means over horizons.

    ``scale`` is the mean over days of the scores' standard deviation over that of the transformed targets: 0
    means that the predictions have collapsed. It counts days of constant scores too, which make the other
    metrics NaN when they are more than 5 %. Horizons without a rankable day are NaN and left out of the mean.

    Args:
        horizons: trading days ahead, in the order of the last axis of scores and targets.
        transform: what the targets go through before ``scale`` compares with them, ``(target, valid)`` of
            ``[*batch, stocks]``; the objective's own target transform.
        metrics: what is measured, by its name.
    """

    full_state_update = False
    higher_is_better = True
    table: list[Tensor]
    day: list[Tensor]

    def __init__(
        self,
        horizons: Sequence[int],
        transform: Callable[[Tensor, Tensor], Tensor] = rank_normal,
        metrics: Mapping[str, RankingMetric] = RANKING_METRICS,
    ) -> None:
        super().__init__()
        self.horizons = tuple(horizons)
        self.metrics = metrics
        self.statistics: dict[str, Statistic] = {
            **day_statistics(metrics),
            "scale": partial(_scale, transform),
        }
        self.add_state("table", default=[], dist_reduce_fx="cat")
        self.add_state("day", default=[], dist_reduce_fx="cat")

    def update(
        self,
        score: Float[Tensor, "days stocks horizons"],
        target: Float[Tensor, "days stocks horizons"],
        valid: Bool[Tensor, "days stocks horizons"],
        day: Int[Tensor, " days"],
        measured: Float[Tensor, "days horizons columns"] | None = None,
    ) -> None:
        """Add a block of days, given by their index on the calendar; targets are raw forward returns.

        A day that comes again counts once, the fullest of its cross-sections. Stocks that are not valid may have
        any score and target. ``measured`` is what :meth:`measure` gave for the block, where that is known.
        """
        # A copy: what a CUDA graph has measured is overwritten by the next block.
        self.table.append(self.measure(score, target, valid) if measured is None else measured.clone())
        self.day.append(day)

    def measure(
        self,
        score: Float[Tensor, "days stocks horizons"],
        target: Float[Tensor, "days stocks horizons"],
        valid: Bool[Tensor, "days stocks horizons"],
    ) -> Float[Tensor, "days horizons columns"]:
        """Measure each day: its statistics, whether it can be ranked, whether its scores are lost, its stocks."""
        known, scores, targets = stocks_last(valid), stocks_last(score.float()), stocks_last(target.float())
        measured = measure_days(scores, targets, known, self.statistics)
        columns = [*measured.statistics.values(), measured.rankable, measured.lost, known.sum(-1)]
        return torch.stack([c.float() for c in columns], dim=-1)

    def compute(self) -> dict[str, Tensor]:
        """Reduce over days: ``{"rank_ic_5d": ..., "rank_ic": ...}``, 0-d tensors named as in `metric_names`."""
        *statistics, rankable, lost, _ = self._days()[1].cpu().unbind(-1)
        by_horizon = []
        for i, horizon in enumerate(self.horizons):
            of_days = {n: values[:, i] for n, values in zip(self.statistics, statistics, strict=True)}
            days = MeasuredDays(of_days, rankable[:, i] > 0, lost[:, i] > 0).counted()
            figures = {name: metric.value(days, horizon) for name, metric in self.metrics.items()}
            by_horizon.append(figures | {"scale": mean(of_days["scale"].double().numpy())})
        out = {}
        for name in metric_names(self.metrics):
            values = torch.tensor([figures[name] for figures in by_horizon], dtype=torch.float64)
            for horizon, value in zip(self.horizons, values, strict=True):
                out[f"{name}_{horizon}d"] = value.float().to(self.device)
            out[name] = values[rankable.any(0)].mean().float().to(self.device)
        return out

    def per_day(self) -> dict[str, Tensor]:
        """Each day's statistics ``[days, horizons]`` in calendar order, and ``day`` ``[days]``: for figures.

        NaN where a day could not be ranked. Only of this process, unless the metric is synced.
        """
        days, table = self._days()
        return {"day": days, **dict(zip(self.statistics, table.unbind(-1), strict=False))}

    def _days(self) -> tuple[Tensor, Tensor]:
        """All days once, in calendar order, with their rows ``[days, horizons, columns]``."""
        if len(self.day) == 0:
            empty = torch.zeros(0, len(self.horizons), len(self.statistics) + 3, device=self.device)
            return torch.zeros(0, dtype=torch.int64, device=self.device), empty
        days, table = dim_zero_cat(self.day), dim_zero_cat(self.table)
        # Fullest first, then by day: the first of each day is the one to keep. Several as full come in any order
        # from several devices: the one of the least first statistic.
        order = table[..., 0].nansum(-1).argsort(stable=True)
        order = order[table[order, :, -1].sum(-1).argsort(descending=True, stable=True)]
        order = order[days[order].argsort(stable=True)]
        days, table = days[order], table[order]
        is_first = torch.ones_like(days, dtype=torch.bool)
        is_first[1:] = days[1:] != days[:-1]
        return days[is_first], table[is_first]


def _scale(
    transform: Callable[[Tensor, Tensor], Tensor], score: Tensor, target: Tensor, valid: Tensor
) -> Tensor:
    return scale(score, transform(target, valid), valid)
