"""Forecasts against realised returns: the order, the distributions, and whether quantiles are calibrated.

The return by decile distinguishes a ranking from a lucky top; RankIC by day, and the cumulative spread, a steady
skill from a good month. Distributions are drawn in standard deviations of the day, where scores and returns can be
compared. Quantiles are compared with what they are trained on, the objective's transform of the returns.

Error bars and grey bands are of 95 %. Returns over ``h`` days overlap: a series of days has Newey-West errors with
``h - 1`` lags, of sums over days every ``h``-th day counts.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from atft.callbacks.figures import panels
from atft.cross_section import average_ranks, center, deviation, is_constant, zscore
from atft.drawing.charts import use_dates
from atft.evaluation.newey_west import mean_error

DECILES = 10
ROLLING_DAYS = 20
BASIS_POINTS = 1e4
BINS = 50
MAX_DRAWN_Z = 5.0
"""Deviations to either side that are drawn; the outermost bins count what is beyond."""


def decile_sums(
    score: panels.ByHorizon, target: panels.ByHorizon, valid: panels.Valid
) -> Float[Tensor, "4 horizons deciles"]:
    """Add up each day's mean return of a score decile above the day's mean.

    Decile 0 has the lowest scores; equal scores share the decile of their mean rank, and a stock whose score is not
    a number counts nowhere.

    Returns:
        Sums over days of the mean and of its square, the days with a stock in the decile, and stocks; float64.
    """
    valid = valid & ~score.isnan()
    ranks = average_ranks(score.float(), valid)
    position = (ranks - 0.5) / valid.sum(-1, keepdim=True).clamp_min(1) * DECILES
    decile = position.long().clamp(0, DECILES - 1)
    excess = center(torch.where(valid, target, 0).double(), valid)
    # A product with members, not a scatter: deterministic on every device.
    member = torch.nn.functional.one_hot(decile, DECILES).double() * valid[..., None]
    stocks = member.sum(2)
    mean = (member * excess[..., None]).sum(2) / stocks.clamp_min(1)
    return torch.stack([mean.sum(0), mean.square().sum(0), (stocks > 0).double().sum(0), stocks.sum(0)])


def decile_figure(sums: Float[Tensor, "4 horizons deciles"], horizons: list[int]) -> Any:
    """A bar per decile and a panel per horizon: a ranking should rise from left to right."""
    figure, axes = panels.panel_grid(len(horizons))
    for i, (axis, horizon) in enumerate(zip(axes, horizons, strict=True)):
        mean, error = _mean_and_error(sums[0, i], sums[1, i], sums[2, i], horizon)
        values = BASIS_POINTS * mean
        bars = panels.ERRORS_OF_BAND * BASIS_POINTS * error
        axis.bar(range(1, DECILES + 1), values.tolist(), color=panels.SCORE)
        ends = {"fmt": "none", "ecolor": panels.INK, "elinewidth": 1}
        axis.errorbar(range(1, DECILES + 1), values.tolist(), bars.tolist(), **ends)
        axis.set_xticks(range(1, DECILES + 1))
        axis.axhline(0, color=panels.REFERENCE, linewidth=0.8)
        panels.set_title(axis, f"{horizon} d: top {values[-1]:+.0f}, bottom {values[0]:+.0f} bp")
        axis.set(xlabel="score decile (10 is best)", ylabel="return above mean, bp")
    return figure


def _mean_and_error(total: Tensor, squares: Tensor, days: Tensor, horizon: int) -> tuple[Tensor, Tensor]:
    """Mean over days and its standard error, from sums; only every ``horizon``-th day counts as independent."""
    mean = total / days
    variance = (squares / days - mean.square()).clamp_min(0)
    return mean, (variance * horizon / days).sqrt()


def rank_ic_figure(rank_ic: Float[Tensor, "days horizons"], dates: list[Any], horizons: list[int]) -> Any:
    """RankIC of each day as a dot, its rolling mean as a line, and the band of a score without skill."""
    figure, axes = panels.panel_grid(len(horizons))
    for axis, values, horizon in zip(axes, rank_ic.T, horizons, strict=True):
        error = mean_error(values.double().numpy(), horizon - 1)
        days = int(values.isfinite().sum())
        # Of the rolling mean: the whole period's error is of that many times the days.
        of_window = error * math.sqrt(days / min(ROLLING_DAYS, max(days, 1)))
        panels.no_skill_band(axis, dates, [of_window] * len(dates))
        axis.plot(dates, values.tolist(), ".", color=panels.FAINT, markersize=4)
        axis.plot(dates, rolling_mean(values, ROLLING_DAYS).tolist(), color=panels.SCORE)
        axis.axhline(0, color=panels.REFERENCE, linewidth=0.8)
        panels.set_title(axis, f"{horizon} d: RankIC {values.nanmean():+.3f} ± {error:.3f}")
        axis.set_ylabel(f"RankIC, mean of {ROLLING_DAYS} days")
        use_dates(axis)
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
        error = mean_error(daily.double().numpy(), horizon - 1)
        # A sum of t days of the n has the error of a mean times t, and is sqrt(n / t) times as uncertain.
        summed = 100 * error * math.sqrt(int(daily.isfinite().sum()))
        panels.no_skill_band(axis, dates, [summed * math.sqrt(t + 1) for t in range(len(dates))])
        axis.plot(dates, (100 * daily.nan_to_num().cumsum(0)).tolist(), color=panels.SCORE)
        axis.axhline(0, color=panels.REFERENCE, linewidth=0.8)
        panels.set_title(
            axis, f"{horizon} d: {BASIS_POINTS * daily.nanmean():+.1f} ± {BASIS_POINTS * error:.1f} bp a day"
        )
        axis.set_ylabel("top - bottom decile, summed, %")
        use_dates(axis)
    figure.supxlabel(
        "before costs; a book for h days renews 1/h of itself a day; grey: no skill, 95 %", fontsize="small"
    )
    return figure


def distribution_sums(
    score: panels.ByHorizon, target: panels.ByHorizon, valid: panels.Valid
) -> dict[str, Tensor]:
    """Count scores and targets by bins of the day's deviations, and add up the days' deviations.

    A stock whose score is not a number counts nowhere.

    Returns:
        ``histograms`` float64 [2, horizons, bins], scores then targets; ``deviations`` float64 [3, horizons]: sums
        over days of the standard deviation of scores and of targets, and the days that had one.
    """
    valid = valid & ~score.isnan()
    rankable = ~is_constant(torch.where(valid, target, 0), valid)
    counted = (valid & rankable[..., None]).movedim(1, 0).flatten(1).double()
    histograms, deviations = [], []
    for values in (score.double(), torch.where(valid, target, 0).double()):
        bins = ((zscore(values, valid) + MAX_DRAWN_Z) / (2 * MAX_DRAWN_Z) * BINS).long().clamp(0, BINS - 1)
        # A scatter, not a histogram: one pass for all horizons, and no wait for the device.
        empty = counted.new_zeros(counted.shape[0], BINS)
        histograms.append(empty.scatter_add(1, bins.movedim(1, 0).flatten(1), counted))
        deviations.append(torch.where(rankable, deviation(values, valid), 0).sum(0))
    deviations.append(rankable.sum(0).double())
    return {"histograms": torch.stack(histograms), "deviations": torch.stack(deviations)}


def distribution_figure(
    histograms: Float[Tensor, "2 horizons bins"], deviations: Float[Tensor, "3 horizons"], horizons: list[int]
) -> Any:
    """Shares of scores (filled) and of returns (line) by deviations from the day's mean, a panel per horizon."""
    figure, axes = panels.panel_grid(len(horizons))
    shares = 100 * histograms / histograms.sum(-1, keepdim=True)
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
) -> Float[Tensor, "2 horizons counts"]:
    """Add up each day's share of targets, transformed as for training, at or below each quantile, and its square.

    The last count is the days that had a target.
    """
    transformed = transform(torch.where(valid, target, 0), valid)
    below = ((transformed[:, :, None] <= quantiles) & valid[:, :, None]).sum(-1)
    stocks = valid.sum(-1)
    share = below / stocks.clamp_min(1)[..., None].double()
    days = (stocks > 0).double().sum(0)[:, None]
    return torch.stack([torch.cat((power.sum(0), days), dim=1) for power in (share, share.square())])


def calibration_figure(
    sums: Float[Tensor, "2 horizons counts"], levels: list[float], horizons: list[int]
) -> Any:
    """Share of targets below each quantile against its level: calibrated quantiles are on the diagonal."""
    figure, axes = panels.panel_grid(len(horizons))
    for i, (axis, horizon) in enumerate(zip(axes, horizons, strict=True)):
        values, error = _mean_and_error(sums[0, i, :-1], sums[1, i, :-1], sums[0, i, -1], horizon)
        off = values - torch.tensor(levels, dtype=values.dtype)
        worst = int(off.abs().nan_to_num().argmax())
        axis.plot([0, 1], [0, 1], "--", color=panels.REFERENCE, linewidth=0.8)
        bars = panels.ERRORS_OF_BAND * error
        axis.errorbar(levels, values.tolist(), bars.tolist(), fmt="o-", color=panels.SCORE, markersize=4)
        panels.set_title(axis, f"{horizon} d: furthest off {off[worst]:+.3f}, at {levels[worst]:g}")
        axis.set(xlabel="level of the quantile", ylabel="share of targets below", xlim=(0, 1), ylim=(0, 1))
    return figure
