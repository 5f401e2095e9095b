"""Slice adaptive normalisation (SAN): each quarter of a window is brought to its own level and scale.

The window is cut into four slices that end with its last day; they neither overlap nor need padding, so the last
day is always in a slice of its own history. A fixed number of slices, not of days, keeps what is told the same for
every lookback: at 20 days a slice is a week, at 60 three weeks. Where the paper predicts the next slice's
statistics with a network of its own, here all slices' statistics go to the head, which needs no second objective.
No parameters. A residual says nothing about the days before its slice: those reach the score through the
statistics, and through the rows that stay in the network.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from atft.nn.normalised_window import NormalisedWindow, scale_of

SLICES = 4
SUMMARY_NUMBERS = 2 * SLICES
"""Numbers told of each feature: each slice's level, then each slice's logarithm of the scale, oldest first."""


def slice_of_day(lookback: int) -> Int[Tensor, " lookback"]:
    """Number each day's slice, 0 the oldest; a window shorter than that has none of the older ones."""
    days_ago = torch.arange(lookback - 1, -1, -1)
    return SLICES - 1 - days_ago * SLICES // lookback


def slice_norm(
    window: Float[Tensor, "lookback stocks features"], observed: Bool[Tensor, "lookback stocks"]
) -> NormalisedWindow:
    """Subtract each slice's mean and divide by its standard deviation, over its observed days.

    A slice with one observed day, or a constant one, leaves 0; of a slice with none, level and log scale are 0.

    Args:
        window: scaled features, 0 where not observed.
        observed: days that count; the residual is 0 on the others.

    Returns:
        The residual in units of each slice's deviation; level and log scale per feature and slice.

    Paper: Liu et al. 2023, "Adaptive Normalization for Non-stationary Time Series Forecasting: A Temporal Slice
    Perspective", section 3.2.
    """
    lookback, stocks, features = window.shape
    number = slice_of_day(lookback).to(window.device)
    present = observed[..., None].to(window.dtype)
    member = torch.nn.functional.one_hot(number, SLICES).T.to(window.dtype)
    seen = (member @ present.flatten(1))[..., None]
    count = seen.clamp(min=1)

    def mean(values: Tensor) -> Tensor:
        return (member @ values.flatten(1)).reshape(SLICES, stocks, features) / count

    level = mean(window)
    centred = (window - level[number]) * present
    scale = scale_of(mean(centred.square()))
    log_scale = torch.where(seen > 0, scale.log(), 0)
    told = torch.cat((level, log_scale)).permute(1, 0, 2).flatten(1)
    return NormalisedWindow(centred / scale[number], told)
