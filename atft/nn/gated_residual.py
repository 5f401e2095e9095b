"""The gated residual block (GRN) that every other block ends with: what is not learned passes unchanged.

The skip path is the identity and carries no normalisation, so that a linear signal of the last row reaches
the head linearly; only the branch is normalised. A new gate lets little through, so a new network is nearly
linear. It does so by small value weights behind a half-open gate: a gate nearly shut would also slow down by as
much whatever has to learn behind it (the neighbours' part of a simulated market came twice as fast).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

ADMITTED = 0.1
"""What share of a branch a new gate lets through, from 0 (nothing) to 1."""


class Gate(nn.Module):
    """A gated linear unit: ``sigmoid(U y + b) * (V y + c)``; a new one admits a share of ``V y``."""

    def __init__(self, inputs: int, outputs: int, admitted: float = ADMITTED) -> None:
        super().__init__()
        self.both = nn.Linear(inputs, 2 * outputs)
        with torch.no_grad():
            nn.init.zeros_(self.both.bias)
            self.both.weight[:outputs] *= 2 * admitted  # sigmoid(0) halves it

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
