"""The gated residual network (GRN) that other parts end with: what is not learned passes unchanged.

The skip path is the identity and carries no normalisation, so that a linear signal of the last row reaches
the head linearly; only the branch is normalised. A new gate lets little through, so a new network is nearly
linear. It does so by small value weights behind a half-open gate: a gate nearly shut would slow down whatever has
to learn behind it (the neighbours' part of a simulated market was learned in half the time).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from atft.nn.dropout import Dropout

INIT_GATE_SHARE = 0.1
"""What share of a branch a new gate lets through, from 0 (nothing) to 1."""


class Gate(nn.Module):
    """A gated linear unit: ``sigmoid(U y + b) * (V y + c)``; a new one lets a share of ``V y`` through."""

    def __init__(self, size: int, init_share: float = INIT_GATE_SHARE) -> None:
        super().__init__()
        self.both = nn.Linear(size, 2 * size)
        with torch.no_grad():
            nn.init.zeros_(self.both.bias)
            # The value half of the GLU; the gate half starts at sigmoid(0), which halves it.
            self.both.weight[:size] *= 2 * init_share

    def forward(self, y: Float[Tensor, "*rows size"]) -> Float[Tensor, "*rows size"]:
        return nn.functional.glu(self.both(y), dim=-1)


class GatedResidual(nn.Module):
    """Gated residual network: ``x + Gate(dropout(elu(W LayerNorm(x) + b)))``.

    After Lim et al. 2021, "Temporal Fusion Transformers", section 4.1; their normalisation is on the sum, here it
    is on the branch.
    """

    def __init__(self, hidden_size: int, dropout: float) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.LayerNorm(hidden_size),
            nn.Linear(hidden_size, hidden_size),
            nn.ELU(),
            Dropout(dropout),
            Gate(hidden_size),
        )

    def forward(self, x: Float[Tensor, "*rows hidden"]) -> Float[Tensor, "*rows hidden"]:
        branch: Tensor = self.branch(x)
        return x + branch
