"""Dish-TS: level and scale of a window are learned, one pair for what was, one for what comes.

The paper's level is a learned weighted sum of the window, a weight per feature and day. Here the weights are
the mean's plus a few cosines over the window's relative position, so that the parameters know no lookback,
unobserved days drop out, and a shifted series has a shifted level whatever the weights: ``level = mean + sum_k
c_k a_k``, ``a_k`` being the cosine coefficients of the centred window. ``c = 0`` is the mean, where training
starts (and where weight decay pulls: RevIN); ``c_k = (-1)^k`` reads the smoothed value of the last day; larger
ones reach beyond it. The paper's activation on the level is left out, since scaled features lie on both sides of 0.
The coefficients are 6 numbers per feature; only the last division of the window is recorded for the way back.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from atft.nn.normalised_window import NormalisedWindow, centre, days_observed, scale_of

WAVES = 3
"""Cosines that a level is made of: half a turn, one, and one and a half over the window."""
SUMMARY_NUMBERS = 4
"""Numbers told of each feature: both levels (of the window, of what comes), then both scales' logarithms."""


def cosine_basis(lookback: int) -> Float[Tensor, "waves lookback"]:
    """Build the cosines ``cos(pi k (t + 1/2) / lookback)``; each sums to 0 over the window.

    A window of no more days than waves has no such cosine for the fastest of them: these are 0.
    """
    position = (torch.arange(lookback) + 0.5) / lookback
    wave = torch.arange(1, WAVES + 1)[:, None]
    return (math.pi * wave * position).cos() * (wave < lookback)


class DishNorm(nn.Module):
    """Subtract each series' learned level and divide by the root mean square about it.

    Args:
        n_features: features per row; each has its own coefficients.

    Paper: Fan et al. 2023, "Dish-TS: A General Paradigm for Alleviating Distribution Shift in Time Series
    Forecasting", section 4.
    """

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.coefficient = nn.Parameter(torch.zeros(2, WAVES, n_features))

    def forward(
        self, window: Float[Tensor, "lookback stocks features"], observed: Bool[Tensor, "lookback stocks"]
    ) -> NormalisedWindow:
        """Normalise by the first level; tell both, with the scale about each.

        A constant series leaves 0, a stock that was never observed too.

        Args:
            window: scaled features, 0 where not observed.
            observed: days that count; the residual is 0 on the others.
        """
        lookback, stocks, features = window.shape
        count = days_observed(observed, window)
        centred, mean = centre(window, observed)
        basis = cosine_basis(lookback).to(window)
        wave = (basis @ centred.flatten(1)).reshape(WAVES, stocks, features) * (2 / count)
        shift = torch.einsum("pwf,wsf->psf", self.coefficient, wave)
        # The mean square about a shifted level follows from the variance: the window is not read again.
        scale = scale_of(centred.square().sum(0) / count + shift.square())
        present = observed[..., None].to(window.dtype)
        residual = (centred - shift[0] * present) / scale[0]
        told = torch.cat((mean + shift, scale.log())).permute(1, 0, 2).flatten(1)
        return NormalisedWindow(residual, told)
