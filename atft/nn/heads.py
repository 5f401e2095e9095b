"""One score per horizon, and quantiles that cannot cross."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from atft.full_precision import full_precision
from atft.nn.dropout import Dropout

INIT_OUTPUT_STD = 0.05
"""Scores of a new network then differ between stocks (by about 0.4) without drowning the targets."""


class Heads(nn.Module):
    """Read scores off the state: ``score = W (scale * dropout(z)) + b``, LayerScale starting at 1."""

    def __init__(self, hidden_size: int, horizons: int, quantiles: int, dropout: float) -> None:
        super().__init__()
        self.n_quantiles = quantiles
        self.layer_scale = nn.Parameter(torch.ones(hidden_size))
        self.dropout = Dropout(dropout)
        self.score = nn.Linear(hidden_size, horizons)
        self.quantile = nn.Linear(hidden_size, horizons * quantiles) if quantiles else None
        for output in (self.score, self.quantile):
            if output is not None:
                nn.init.normal_(output.weight, std=INIT_OUTPUT_STD)
                nn.init.zeros_(output.bias)

    def forward(
        self, state: Float[Tensor, "*rows hidden"]
    ) -> tuple[Float[Tensor, "*rows horizons"], Float[Tensor, "*rows horizons quantiles"] | None]:
        """Return scores, and quantiles ascending along the last axis: ``q_1, q_1 + softplus(.), ...``."""
        # bfloat16's 8 bits would tie many scores of a day; a product of a few outputs is quicker than its casts.
        with full_precision(state.device):
            ready = self.dropout(state.to(self.layer_scale.dtype))
            score = self._read(ready, self.score)
            if self.quantile is None:
                return score, None
            raw = self._read(ready, self.quantile).view(*score.shape, self.n_quantiles)
        # Steps between neighbouring levels are positive by construction, so no loss has to forbid a crossing.
        steps = torch.cat((raw[..., :1], nn.functional.softplus(raw[..., 1:])), dim=-1)
        return score, steps.cumsum(dim=-1)

    def _read(self, ready: Tensor, output: nn.Linear) -> Tensor:
        # The few outputs' weights are scaled, not all the states: the same product.
        return nn.functional.linear(ready, output.weight * self.layer_scale, output.bias)
