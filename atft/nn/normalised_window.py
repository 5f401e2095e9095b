"""What every window normalisation returns, and the moments that they share.

Statistics count observed days only: their sums run over windows that hold 0 elsewhere, their counts over what was
observed. A scale never reaches 0, so that a constant series divides cleanly and has a gradient.
"""

from typing import NamedTuple

from jaxtyping import Bool, Float
from torch import Tensor

FLOOR = 1e-2
"""Least scale of a residual: below a hundredth of an IQR it is rounding, not a signal."""


class NormalisedWindow(NamedTuple):
    """A window in units of its own scale, and what these units no longer tell."""

    residual: Float[Tensor, "lookback stocks features"]
    """What is left of each series; 0 on days that were not observed."""
    summary: Float[Tensor, "stocks summary"]
    """What was taken out, for the head: as many numbers per feature as the normalisation says."""


def days_observed(observed: Bool[Tensor, "lookback stocks"], like: Tensor) -> Float[Tensor, "stocks 1"]:
    """Count each stock's observed days, at least 1, in the precision of ``like``."""
    return observed.sum(0).clamp(min=1).to(like.dtype)[:, None]


def centre(
    window: Float[Tensor, "lookback stocks features"], observed: Bool[Tensor, "lookback stocks"]
) -> tuple[Float[Tensor, "lookback stocks features"], Float[Tensor, "stocks features"]]:
    """Subtract each series' mean over its observed days; also return that mean.

    Args:
        window: scaled features, 0 where not observed.
        observed: days that count; the others stay 0.
    """
    level = window.sum(0) / days_observed(observed, window)
    return (window - level) * observed[..., None].to(window.dtype), level


def scale_of(variance: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Take the root of a variance, never less than :data:`FLOOR`, with a finite slope everywhere."""
    return (variance + FLOOR**2).sqrt()
