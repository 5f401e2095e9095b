"""How scores and quantiles compare with the realised returns: their distributions, and whether they are calibrated.

Scores and returns are drawn in standard deviations of their own day, where they can be compared; the titles give
the deviations. Quantiles are compared with what they are trained on, the objective's transform of the returns.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from atft.callbacks.figures import panels
from atft.cross_section import deviation, is_constant, zscore

BINS = 50
MAX_DRAWN_Z = 5.0
"""Deviations to either side that are drawn; the outermost bins count what is beyond."""


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
    figure, axes = panels.grid(len(horizons))
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
    figure, axes = panels.grid(len(horizons))
    for axis, values, horizon in zip(axes, counts[:, :-1] / counts[:, -1:], horizons, strict=True):
        off = values - torch.tensor(levels, dtype=values.dtype)
        worst = int(off.abs().nan_to_num().argmax())
        axis.plot([0, 1], [0, 1], "--", color=panels.REFERENCE, linewidth=0.8)
        axis.plot(levels, values.tolist(), "o-", color=panels.SCORE)
        panels.set_title(axis, f"{horizon} d: furthest off {off[worst]:+.3f}, at {levels[worst]:g}")
        axis.set(xlabel="level of the quantile", ylabel="share of targets below", xlim=(0, 1), ylim=(0, 1))
    return figure
