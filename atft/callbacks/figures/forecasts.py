"""Forecasts against realised returns: the order, the distributions, and whether quantiles are calibrated.

The return by decile distinguishes a ranking from a lucky top; RankIC by day, and the cumulative spread, a steady
skill from a good month. Distributions are drawn in standard deviations of the day, where scores and returns can be
compared. Quantiles are compared with what they are trained on, the objective's transform of the returns.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from atft.callbacks.figures import panels
from atft.cross_section import average_ranks, center, deviation, is_constant, zscore

DECILES = 10
ROLLING_DAYS = 20
BASIS_POINTS = 1e4
BINS = 50
MAX_DRAWN_Z = 5.0
"""Deviations to either side that are drawn; the outermost bins count what is beyond."""


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
    figure, axes = panels.panel_grid(len(horizons))
    for axis, values, horizon in zip(axes, BASIS_POINTS * sums[0] / sums[1], horizons, strict=True):
        axis.bar(range(1, DECILES + 1), values.tolist(), color=panels.SCORE)
        axis.axhline(0, color=panels.REFERENCE, linewidth=0.8)
        panels.set_title(axis, f"{horizon} d: top {values[-1]:+.0f}, bottom {values[0]:+.0f} bp")
        axis.set(xlabel="score decile (10 is best)", ylabel="return above mean, bp")
    return figure


def rank_ic_figure(rank_ic: Float[Tensor, "days horizons"], dates: list[Any], horizons: list[int]) -> Any:
    """RankIC of each day as a dot and its rolling mean as a line, a panel per horizon."""
    figure, axes = panels.panel_grid(len(horizons))
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
    figure, axes = panels.panel_grid(len(horizons))
    for axis, values, horizon in zip(axes, spread.T, horizons, strict=True):
        daily = values / horizon
        axis.plot(dates, (100 * daily.nan_to_num().cumsum(0)).tolist(), color=panels.SCORE)
        axis.axhline(0, color=panels.REFERENCE, linewidth=0.8)
        panels.set_title(axis, f"{horizon} d: {BASIS_POINTS * daily.nanmean():+.1f} bp a day")
        axis.set_ylabel("top - bottom decile, summed, %")
        panels.use_dates(axis)
    figure.supxlabel("before costs; a book for h days renews 1/h of itself a day", fontsize="small")
    return figure


def distribution_sums(
    score: panels.ByHorizon, target: panels.ByHorizon, valid: panels.Valid
) -> dict[str, Tensor]:
    """Count scores and targets by their place in the day's distribution, and add up the days' deviations.

    A stock whose score is not a number counts nowhere.

    Returns:
        ``places`` float64 [2, horizons, bins], scores then targets; ``deviations`` float64 [3, horizons]: sums over
        days of the standard deviation of scores and of targets, and the days that had one.
    """
    valid = valid & ~score.isnan()
    rankable = ~is_constant(torch.where(valid, target, 0), valid)
    counted = (valid & rankable[..., None]).movedim(1, 0).flatten(1).double()
    places, deviations = [], []
    for values in (score.double(), torch.where(valid, target, 0).double()):
        bins = ((zscore(values, valid) + MAX_DRAWN_Z) / (2 * MAX_DRAWN_Z) * BINS).long().clamp(0, BINS - 1)
        # A scatter, not a histogram: one pass for all horizons, and no wait for the device.
        empty = counted.new_zeros(counted.shape[0], BINS)
        places.append(empty.scatter_add(1, bins.movedim(1, 0).flatten(1), counted))
        deviations.append(torch.where(rankable, deviation(values, valid), 0).sum(0))
    deviations.append(rankable.sum(0).double())
    return {"places": torch.stack(places), "deviations": torch.stack(deviations)}


def distribution_figure(
    places: Float[Tensor, "2 horizons bins"], deviations: Float[Tensor, "3 horizons"], horizons: list[int]
) -> Any:
    """Shares of scores (filled) and of returns (line) by deviations from the day's mean, a panel per horizon."""
    figure, axes = panels.panel_grid(len(horizons))
    shares = 100 * places / places.sum(-1, keepdim=True)
    edges = torch.linspace(-MAX_DRAWN_Z, MAX_DRAWN_Z, BINS + 1).tolist()
    for i, (axis, horizon) in enumerate(zip(axes, horizons, strict=True)):
        axis.stairs(shares[0, i].tolist(), edges, fill=True, color=panels.SCORE, alpha=0.5, label="scores")
        score, realised = (deviations[:2, i] / deviations[2, i]).tolist()
        label = f"returns,\nstd {100 * realised:.1f} %"
        axis.stairs(shares[1, i].tolist(), edges, color=panels.REALISED, linewidth=1.5, label=label)
        axis.legend(frameon=False, fontsize="small", handlelength=1, borderpad=0, borderaxespad=0)
        panels.set_title(axis, f"{horizon} d: std of scores {score:.3g}")
        axis.set(xlabel="deviations from the day's mean", ylabel="share of stocks, %")
    return figure


def calibration_sums(
    quantiles: Float[Tensor, "days horizons quantiles stocks"],
    target: panels.ByHorizon,
    valid: panels.Valid,
    transform: Callable[[Tensor, Tensor], Tensor],
) -> Float[Tensor, "horizons counts"]:
    """Count the targets, transformed as for training, at or below each quantile; the last count is that of all."""
    transformed = transform(torch.where(valid, target, 0), valid)
    below = (transformed[:, :, None] <= quantiles) & valid[:, :, None]
    counts = torch.cat((below.sum((0, 3)), valid.sum((0, 2))[:, None]), dim=1)
    return counts.double()


def calibration_figure(
    counts: Float[Tensor, "horizons counts"], levels: list[float], horizons: list[int]
) -> Any:
    """Share of targets below each quantile against its level: calibrated quantiles are on the diagonal."""
    figure, axes = panels.panel_grid(len(horizons))
    for axis, values, horizon in zip(axes, counts[:, :-1] / counts[:, -1:], horizons, strict=True):
        off = values - torch.tensor(levels, dtype=values.dtype)
        worst = int(off.abs().nan_to_num().argmax())
        axis.plot([0, 1], [0, 1], "--", color=panels.REFERENCE, linewidth=0.8)
        axis.plot(levels, values.tolist(), "o-", color=panels.SCORE)
        panels.set_title(axis, f"{horizon} d: furthest off {off[worst]:+.3f}, at {levels[worst]:g}")
        axis.set(xlabel="level of the quantile", ylabel="share of targets below", xlim=(0, 1), ylim=(0, 1))
    return figure
