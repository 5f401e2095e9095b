"""Exponential moving average of the weights: smoother scores than the last step's, from the first epoch on."""

import torch
from torch import Tensor

from atft.callbacks.weight_average import WeightAverage
from atft.errors import InputError


class ExponentialAverage(WeightAverage):
    r"""Average the weights after all steps, over a window that grows with the run up to ``1 / (1 - decay)`` steps.

    After step n: :math:`\bar w_n = d_n \bar w_{n-1} + (1 - d_n) w_n` with
    :math:`d_n = \min(d, (1 + n) / (10 + n))`: about the last ninth of the steps so far, at most 200 for 0.995,
    which is reached after 1,800 steps. So a short run is not averaged with its own beginning. The initial weights
    never count. A decay of 0 is the present weights.

    Args:
        decay: largest weight of the average so far, at least 0 and below 1.

    Paper: Polyak and Juditsky (1992), Acceleration of Stochastic Approximation by Averaging.
    """

    def __init__(self, decay: float = 0.995) -> None:
        if not 0 <= decay < 1:
            raise InputError(f"ExponentialAverage.decay must be at least 0 and below 1, got {decay}")
        super().__init__(self._update)
        self.decay = decay

    def _update(self, averaged: list[Tensor], present: list[Tensor], earlier: int) -> None:
        step = earlier + 1
        torch._foreach_lerp_(averaged, present, 1 - min(self.decay, (1 + step) / (10 + step)))
