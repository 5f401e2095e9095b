"""Let the state of the market change what a network makes of each stock.

Market-wide columns are the same for all stocks of a day: added to the features they could not change the order of
the scores, but what a feature is worth changes with them (reversal pays in a volatile market, momentum in a calm
one). Feature-wise linear modulation lets them scale and shift each hidden unit: Perez, Strub, de Vries, Dumoulin
and Courville, "FiLM: Visual Reasoning with a General Conditioning Layer", AAAI 2018. Both are bounded here, since a
market of the test days may be more extreme than any of the training days.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from atft.network import Scaling
from atft.nn.robust_input import RobustInput

MAX_REGIME = 2.0
"""Scaled market-wide columns are clipped here: two interquartile ranges, 2.7 standard deviations."""


class MarketModulation(nn.Module):
    """Scale and shift each hidden unit by the day's market: ``state * (1 + tanh(A m)) + tanh(B m)``.

    ``m`` are the regime columns, scaled robustly and 0 where unknown. A new one leaves the state as it is.
    `RankingNetwork.set_scaling` sets that of a network's own.

    Args:
        regimes: number of market-wide columns.
        hidden_size: width of the state.
    """

    def __init__(self, regimes: int, hidden_size: int) -> None:
        super().__init__()
        self.scaling = RobustInput(regimes)
        self.scale = nn.Parameter(torch.zeros(regimes, hidden_size))
        self.shift = nn.Parameter(torch.zeros(regimes, hidden_size))

    def set_scaling(self, scaling: Scaling) -> None:
        """Set the training days' median and IQR of the market-wide columns."""
        self.scaling.set_scaling(scaling.regime_median, scaling.regime_iqr)

    def forward(
        self,
        state: Float[Tensor, "*members days stocks hidden"],
        regime: Float[Tensor, "market_days regimes"],
        day: Int[Tensor, " stocks"] | None = None,
    ) -> Float[Tensor, "*members days stocks hidden"]:
        """Modulate the states of each day's stocks by that day's market.

        Args:
            state: of the stocks of each day; or of rows of any days, as those of a single one.
            regime: market-wide columns of each day.
            day: of each row, where these are of any days.
        """
        market = self.scaling.rows(regime).clamp(-MAX_REGIME, MAX_REGIME)
        scale, shift = (1 + (market @ self.scale).tanh()), (market @ self.shift).tanh()
        scale, shift = (
            by_day[:, None] if day is None else by_day.index_select(0, day) for by_day in (scale, shift)
        )
        return torch.addcmul(shift.to(state.dtype), state, scale.to(state.dtype))
