"""Is the order right: returns by score decile, RankIC by day, and what the order would have earned.

The return by decile distinguishes a ranking from a lucky top; RankIC by day, and the cumulative spread, a steady
skill from a good month.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from atft.callbacks.figures import panels
from atft.cross_section import average_ranks, center

DECILES = 10
ROLLING_DAYS = 20
BASIS_POINTS = 1e4


def decile_sums(
    score: panels.ByHorizon, target: panels.ByHorizon, valid: panels.Valid
) -> Float[Tensor, "2 horizons deciles"]:
    """Add up, by score decile of each day, the returns above the day's mean, and count the stocks.

    Decile 0 has the lowest scores; equal scores share the decile of their mean rank, and a stock whose score is not
    a number counts nowhere. Float64.
    """
    valid = valid & ~score.isnan()
    ranks = average_ranks(score.float(), valid)
    place = (ranks - 0.5) / valid.sum(-1, keepdim=True).clamp_min(1) * DECILES
    decile = place.long().clamp(0, DECILES - 1)
    excess = center(torch.where(valid, target, 0).double(), valid)
    # A product with members, not a scatter: deterministic on every device.
    member = torch.nn.functional.one_hot(decile, DECILES).double() * valid[..., None]
    return torch.stack([(member * excess[..., None]).sum((0, 2)), member.sum((0, 2))])


def decile_figure(sums: Float[Tensor, "2 horizons deciles"], horizons: list[int]) -> Any:
    """A bar per decile and a panel per horizon: a ranking should rise from left to right."""
    figure, axes = panels.grid(len(horizons))
    for axis, values, horizon in zip(axes, BASIS_POINTS * sums[0] / sums[1], horizons, strict=True):
        axis.bar(range(1, DECILES + 1), values.tolist(), color=panels.SCORE)
        axis.axhline(0, color=panels.REFERENCE, linewidth=0.8)
        panels.set_title(axis, f"{horizon} d: top {values[-1]:+.0f}, bottom {values[0]:+.0f} bp")
        axis.set(xlabel="score decile (10 is best)", ylabel="return above mean, bp")
    return figure


def rank_ic_figure(rank_ic: Float[Tensor, "days horizons"], dates: list[Any], horizons: list[int]) -> Any:
    """RankIC of each day as a dot and its rolling mean as a line, a panel per horizon."""
    figure, axes = panels.grid(len(horizons))
    for axis, values, horizon in zip(axes, rank_ic.T, horizons, strict=True):
        axis.plot(dates, values.tolist(), ".", color=panels.FAINT, markersize=4)
        axis.plot(dates, rolling_mean(values, ROLLING_DAYS).tolist(), color=panels.SCORE)
        axis.axhline(0, color=panels.REFERENCE, linewidth=0.8)
        panels.set_title(axis, f"{horizon} d: mean RankIC {values.nanmean():+.3f}")
        axis.set_ylabel(f"RankIC, mean of {ROLLING_DAYS} days")
        panels.use_dates(axis)
    return figure


def rolling_mean(values: Float[Tensor, " days"], width: int) -> Float[Tensor, " days"]:
    """Mean of the last ``width`` days that are numbers; of fewer at the start, NaN without any."""
    return torch.stack([values[max(0, i + 1 - width) : i + 1].nanmean() for i in range(len(values))])


def spread_figure(spread: Float[Tensor, "days horizons"], dates: list[Any], horizons: list[int]) -> Any:
    """Return of the top decile over the bottom one, added up over the days, a panel per horizon.

    ``spread`` is over the horizon, a fraction; a NaN adds nothing. Holding periods of ``h`` days overlap: a book
    that renews ``1/h`` of itself each day earns ``spread / h`` a day.
    """
    figure, axes = panels.grid(len(horizons))
    for axis, values, horizon in zip(axes, spread.T, horizons, strict=True):
        daily = values / horizon
        axis.plot(dates, (100 * daily.nan_to_num().cumsum(0)).tolist(), color=panels.SCORE)
        axis.axhline(0, color=panels.REFERENCE, linewidth=0.8)
        panels.set_title(axis, f"{horizon} d: {BASIS_POINTS * daily.nanmean():+.1f} bp a day")
        axis.set_ylabel("top - bottom decile, summed, %")
        panels.use_dates(axis)
    figure.supxlabel("before costs; a book for h days renews 1/h of itself a day", fontsize="small")
    return figure
