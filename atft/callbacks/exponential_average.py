"""Exponential moving average of the weights: smoother scores than the last step's, from the first epoch on."""

import torch
from torch import Tensor

from atft.callbacks.weight_average import WeightAverage
from atft.errors import InputError


class ExponentialAverage(WeightAverage):
    r"""Average the weights after all steps, each step counting ``decay`` times as much as the next.

    :math:`\bar w_n = \sum_{i=1}^n d^{n-i} w_i / \sum_{i=1}^n d^{n-i}`: the mean of all steps at first, then of
    about the last :math:`1 / (1 - d)`, 200 for 0.995. The initial weights never count, unlike in an average that
    starts from them and still has 37 % of them after 200 steps. A decay of 0 is the present weights.

    Args:
        decay: how much less a step counts than the next one, at least 0 and below 1.

    Paper: Polyak and Juditsky (1992), Acceleration of Stochastic Approximation by Averaging.
    """

    def __init__(self, decay: float = 0.995) -> None:
        if not 0 <= decay < 1:
            raise InputError(f"ExponentialAverage.decay must be at least 0 and below 1, got {decay}")
        super().__init__(self._update)
        self.decay = decay

    def _update(self, averaged: list[Tensor], present: list[Tensor], earlier: Tensor) -> None:
        share = (1 - self.decay) / (1 - self.decay ** (int(earlier) + 1))
        torch._foreach_lerp_(averaged, present, share)
