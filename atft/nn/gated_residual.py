"""The gated residual block (GRN) that every other block ends with: what is not learned passes unchanged.

The skip path is the identity and carries no normalisation, so that a linear signal of the last row reaches
the head linearly; only the branch is normalised. The gate starts nearly shut, a new network is nearly linear.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

OPEN = 0.1
"""How far gates are open at the start, from 0 (shut) to 1."""


class Gate(nn.Module):
    """A gated linear unit: ``sigmoid(U y + b) * (V y)``, with ``b`` such that it starts near ``OPEN``."""

    def __init__(self, inputs: int, outputs: int, opened: float = OPEN) -> None:
        super().__init__()
        self.both = nn.Linear(inputs, 2 * outputs)
        with torch.no_grad():
            self.both.bias[outputs:] = math.log(opened / (1 - opened))

    def forward(self, y: Float[Tensor, "*rows inputs"]) -> Float[Tensor, "*rows outputs"]:
        """Let through what the gate admits."""
        return nn.functional.glu(self.both(y), dim=-1)


class GatedResidual(nn.Module):
    """Gated residual network: ``x + GLU(W elu(...))`` over a normalised branch.

    ``GRN(x) = x + Gate(dropout(elu(W LayerNorm(x) + b)))``, after Lim et al. 2021, "Temporal Fusion
    Transformers", section 4.1; their normalisation sits on the sum, here it sits on the branch.
    """

    def __init__(self, hidden_size: int, dropout: float) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.LayerNorm(hidden_size),
            nn.Linear(hidden_size, hidden_size),
            nn.ELU(),
            nn.Dropout(dropout),
            Gate(hidden_size, hidden_size),
        )

    def forward(self, x: Float[Tensor, "*rows hidden"]) -> Float[Tensor, "*rows hidden"]:
        """Add what the branch has to say of each row."""
        branch: Tensor = self.branch(x)
        return x + branch
