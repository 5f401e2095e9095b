"""Ranking metrics of a run: each day's cross-section first, then the mean over days, exact over devices.

A state is one short row per day and horizon, gathered from all ranks; a day that several ranks saw (padding)
counts once. Metrics that would be noise are NaN instead: a day whose scores are constant has no correlation,
and a run with more than 5 % of such days has none either. Cost: a few sorts per day, 8 numbers kept.
"""

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from atft.cross_section import (
    decile_spread,
    hit_rate,
    is_constant,
    pearson,
    rank_normal,
    scale,
    spearman,
)

TRADING_DAYS_A_YEAR = 252
CONSTANT_DAYS_ALLOWED = 0.05
PER_DAY = ("ic", "rank_ic", "spread", "hit_rate", "scale")
"""What each day has of its own, in the order of the state's columns; flags and the count follow."""
NAMES = ("rank_ic", "ic", "icir", "rank_icir", "sharpe", "sharpe_annual", "hit_rate", "scale")
"""What a run has; each also per horizon, as in ``rank_ic_5d``."""


class CrossSectionMetrics(Metric):
    r"""IC, RankIC, their ratios, Sharpe, hit rate and scale per horizon, and their means over horizons.

    ``ic`` and ``rank_ic`` are means over days of Pearson and Spearman across the day's valid stocks; ``icir``
    and ``rank_icir`` that mean over its standard deviation; ``sharpe`` the mean over the standard deviation
    of the decile spread and ``sharpe_annual`` that times :math:`\sqrt{252 / h}`; ``hit_rate`` and ``scale``
    as in `atft.cross_section`. Higher is better; IC of chance is 0, hit rate of chance 0.5, scale of a
    collapse 0.

    A day is rankable when it has at least two valid stocks with unequal targets; days of unknown labels are
    not. If the scores of more than 5 % of the rankable days are constant, or not finite, everything but
    ``scale`` is NaN.
    Horizons without a rankable day are NaN and left out of the mean over horizons.

    Args:
        horizons: trading days ahead, in the order of the last axis of scores and targets.
        transform: what the targets go through before ``scale`` compares with them, ``(target, valid)`` of
            ``[*batch, stocks]``; the objective's own target transform.
    """

    full_state_update = False
    higher_is_better = True
    table: list[Tensor]
    day: list[Tensor]

    def __init__(
        self,
        horizons: Sequence[int],
        transform: Callable[[Tensor, Tensor], Tensor] = rank_normal,
    ) -> None:
        super().__init__()
        self.horizons = tuple(horizons)
        self.transform = transform
        self.add_state("table", default=[], dist_reduce_fx="cat")
        self.add_state("day", default=[], dist_reduce_fx="cat")

    def update(
        self,
        score: Float[Tensor, "days stocks horizons"],
        target: Float[Tensor, "days stocks horizons"],
        valid: Bool[Tensor, "days stocks horizons"],
        day: Int[Tensor, " days"],
    ) -> None:
        """Add a block of days.

        Args:
            score: network output; anything where not valid.
            target: raw forward returns, fractions; anything where not valid.
            valid: stocks to count.
            day: the days' index on the calendar; a day that comes again counts once, the fullest of its
                cross-sections.
        """
        known = valid.movedim(-1, 1)
        scores = score.detach().float().movedim(-1, 1)
        targets = torch.where(known, target.float().movedim(-1, 1), 0)
        rankable = ~is_constant(targets, known)
        rank_ic = spearman(scores, targets, known)
        columns = [
            pearson(scores, targets, known),
            rank_ic,
            decile_spread(scores, targets, known),
            hit_rate(scores, targets, known),
            scale(scores, self.transform(targets, known), known),
            rankable,
            rankable & rank_ic.isnan(),
            known.sum(-1),
        ]
        self.table.append(torch.stack([c.float() for c in columns], dim=-1))
        self.day.append(day)

    def compute(self) -> dict[str, Tensor]:
        """Reduce over days: ``{"rank_ic_5d": ..., "rank_ic": ...}``, 0-d tensors named as in ``NAMES``."""
        _, table = self._days()
        return summarise_days(table, self.horizons)

    def per_day(self) -> dict[str, Tensor]:
        """Each day's own values ``[days, horizons]`` in calendar order, and ``day`` ``[days]``: for figures.

        NaN where a day could not be ranked. Seen by this process only, unless the metric is synced.
        """
        days, table = self._days()
        rankable = table[..., len(PER_DAY)] > 0
        values = {n: torch.where(rankable, table[..., i], math.nan) for i, n in enumerate(PER_DAY)}
        return {"day": days, **values}

    def _days(self) -> tuple[Tensor, Tensor]:
        """All days once, in calendar order, with their rows ``[days, horizons, columns]``."""
        width = len(PER_DAY) + 3
        if len(self.day) == 0:
            empty = torch.zeros(0, len(self.horizons), width, device=self.device)
            return torch.zeros(0, dtype=torch.int64, device=self.device), empty
        days, table = dim_zero_cat(self.day), dim_zero_cat(self.table)
        # Fullest first, then by day: the first of each day is the one to keep.
        order = table[..., -1].sum(-1).argsort(descending=True, stable=True)
        order = order[days[order].argsort(stable=True)]
        days, table = days[order], table[order]
        fresh = torch.ones_like(days, dtype=torch.bool)
        fresh[1:] = days[1:] != days[:-1]
        return days[fresh], table[fresh]


def summarise_days(
    table: Float[Tensor, "days horizons columns"], horizons: tuple[int, ...]
) -> dict[str, Tensor]:
    """Reduce rows of days to the run's metrics; see :class:`CrossSectionMetrics`."""
    rows = table.double()
    rankable, constant = rows[..., len(PER_DAY)] > 0, rows[..., len(PER_DAY) + 1] > 0
    some = rankable.any(0)
    spoilt = constant.sum(0) > CONSTANT_DAYS_ALLOWED * rankable.sum(0)
    ranked = {n: torch.where(rankable, rows[..., i], math.nan) for i, n in enumerate(PER_DAY)}
    years = torch.tensor([TRADING_DAYS_A_YEAR / h for h in horizons], dtype=rows.dtype, device=rows.device)
    sharpe = _ratio(ranked["spread"])
    values = {
        "rank_ic": ranked["rank_ic"].nanmean(0),
        "ic": ranked["ic"].nanmean(0),
        "icir": _ratio(ranked["ic"]),
        "rank_icir": _ratio(ranked["rank_ic"]),
        "sharpe": sharpe,
        "sharpe_annual": sharpe * years.sqrt(),
        "hit_rate": ranked["hit_rate"].nanmean(0),
    }
    values = {n: torch.where(spoilt, math.nan, v) for n, v in values.items()}
    values["scale"] = ranked["scale"].nanmean(0)
    out = {}
    for name in NAMES:
        for i, horizon in enumerate(horizons):
            out[f"{name}_{horizon}d"] = values[name][i].float()
        out[name] = values[name][some].mean().float()
    return out


def _ratio(x: Float[Tensor, "days horizons"]) -> Float[Tensor, " horizons"]:
    """Mean over sample standard deviation of the days that are not NaN; NaN below two such days."""
    count = x.isfinite().sum(0)
    mean = x.nanmean(0)
    variance = torch.where(x.isfinite(), (x - mean) ** 2, 0).sum(0) / (count - 1).clamp_min(1)
    return torch.where((count > 1) & (variance > 0), mean / variance.sqrt(), math.nan)
