"""Bring raw features to one scale on the device: median and IQR of the training days, as buffers.

They are in the checkpoint and not in the cache, so that all folds share one cache and a checkpoint predicts
without a side file.
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from atft.errors import InputError
from atft.network import Scaling

MAX_SCALED = 5.0
"""Scaled values are clipped here: five interquartile ranges, 6.7 standard deviations of a normal feature."""


class ScaledModule(nn.Module, ABC):
    """A part of a network that has statistics of the training days; `RankingNetwork.set_scaling` gives it them."""

    @abstractmethod
    def set_scaling(self, scaling: Scaling) -> None:
        """Keep what the part needs of the training days as buffers."""


class RobustInput(nn.Module):
    """Scale features by ``(x - median) / iqr``, clip the tails at +-5, and put 0 where nothing is known."""

    median: Tensor
    iqr: Tensor

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.register_buffer("median", torch.zeros(n_features))
        self.register_buffer("iqr", torch.ones(n_features))

    def set_scaling(self, median: Tensor, iqr: Tensor) -> None:
        """Set the training days' median and 75 % minus 25 % quantile, [features], in each feature's unit.

        Where the IQR is 0 (a flag that hardly ever changes) the feature is only centred.

        Raises:
            InputError: other sizes than the network's, or a value that is not finite or negative.
        """
        if median.shape != self.median.shape or iqr.shape != self.iqr.shape:
            raise InputError(
                f"scaling: the network has {len(self.median)} features, got {len(median)} medians and "
                f"{len(iqr)} IQRs; build both from one panel"
            )
        if not (median.isfinite().all() and iqr.isfinite().all() and (iqr >= 0).all()):
            raise InputError(
                "scaling: a median or IQR is negative or not finite; is a feature all-NaN in the training days?"
            )
        with torch.no_grad():
            self.median.copy_(median)
            self.iqr.copy_(torch.where(iqr > 0, iqr, torch.ones_like(iqr)))

    def rows(self, x: Float[Tensor, "rows features"]) -> Float[Tensor, "rows features"]:
        """Scale rows that were all observed, as those of market-wide columns are."""
        scaled: Tensor = self(x[:, None], torch.ones_like(x[:, :1], dtype=torch.bool))
        return scaled[:, 0]

    def forward(
        self,
        features: Float[Tensor, "span stocks features"],
        observed: Bool[Tensor, "span stocks"],
    ) -> Float[Tensor, "span stocks features"]:
        """Scale one span. Infinite values end at the clip, NaN and rows that were not observed are 0."""
        # In place from here on: one tensor of the span is written, not five.
        scaled = features.to(self.median.dtype) - self.median
        scaled.div_(self.iqr).clamp_(-MAX_SCALED, MAX_SCALED)
        # After scaling: a raw 0 would be an arbitrary value, the scaled 0 is the median.
        return scaled.nan_to_num_(nan=0.0).masked_fill_(~observed[..., None], 0.0)
