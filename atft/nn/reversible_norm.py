"""Reversible instance normalisation (RevIN): each series of a window less its mean, over its deviation.

The paper's learned affine is left out because the network holds it already: a gain per feature is a column of
the linear map that reads the residual, and that map of a shift is one vector on every observed day, which the
LSTM's and the heads' biases hold. What the paper puts back at its output (a forecast in the series' own unit),
the head receives as numbers beside the state: a score has no unit, but level and volatility may say something.
No parameters, two passes over the window.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from atft.nn.normalised_window import NormalisedWindow, centre, days_observed, scale_of

SUMMARY_NUMBERS = 2
"""Numbers told of each feature: level and logarithm of the scale."""


def reversible_norm(
    window: Float[Tensor, "lookback stocks features"], observed: Bool[Tensor, "lookback stocks"]
) -> NormalisedWindow:
    """Subtract each series' mean and divide by its standard deviation, over its observed days.

    A constant series leaves 0, a stock that was never observed too.

    Args:
        window: scaled features, 0 where not observed.
        observed: days that count; the residual is 0 on the others.

    Returns:
        The residual in units of the window's deviation; level and log scale per feature.

    Paper: Kim et al. 2022, "Reversible Instance Normalization for Accurate Time-Series Forecasting against
    Distribution Shift", section 3.
    """
    centred, level = centre(window, observed)
    scale = scale_of(centred.square().sum(0) / days_observed(observed, window))
    return NormalisedWindow(centred / scale, torch.cat((level, scale.log()), dim=-1))
