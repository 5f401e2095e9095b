"""Let the state of the market change what a network makes of each stock.

Market-wide columns are the same for all stocks of a day: added to the features they could not change the order of
the scores, but what a feature is worth changes with them (reversal pays in a volatile market, momentum in a calm
one). Feature-wise linear modulation lets them scale and shift each hidden unit: Perez, Strub, de Vries, Dumoulin
and Courville, "FiLM: Visual Reasoning with a General Conditioning Layer", AAAI 2018. Both are bounded here, since a
market of the test days may be more extreme than any of the training days.

A column may be read by bins: what a feature is worth then bends at their edges, as a tree's may anywhere. Hidden
units join columns, as a tree does that cuts by one and then by another: a fall matters more in a volatile market.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from atft.network import Scaling
from atft.nn.bins import bin_lines, encode, equal_edges, quantile_edges
from atft.nn.dropout import Dropout
from atft.nn.robust_input import RobustInput, ScaledModule
from atft.nn.sizes import check_sizes

MAX_REGIME = 2.0
"""Scaled market-wide columns are clipped here: two interquartile ranges, 2.7 standard deviations."""
UNIT_DROPOUT = 0.2
"""Share of the units that are dropped on a day of training: there are few days and each has one market."""


def check_modulation(bins: int, units: int) -> None:
    """Check the sizes of a modulation, also where a network has none: a wrong number is named, not ignored."""
    check_sizes(1, 240, modulation_bins=bins)
    check_sizes(0, 4096, modulation_units=units)


class MarketModulation(ScaledModule):
    """Scale and shift each hidden unit by the day's market: ``state * (1 + tanh(A m)) + tanh(B m)``.

    ``m`` are the regime columns, scaled robustly and 0 where unknown. A new one leaves the state as it is.

    Args:
        regimes: number of market-wide columns.
        hidden_size: width of the state.
        bins: of each column, equally likely on the training days; with 1 it is read linearly.
        units: hidden units, ReLU of a line through all columns' bins, which are in ``m`` beside the columns.
    """

    edges: Tensor

    def __init__(self, regimes: int, hidden_size: int, bins: int = 1, units: int = 0) -> None:
        super().__init__()
        check_modulation(bins, units)
        self.scaling, self.bins = RobustInput(regimes), bins
        if bins > 1:
            self.register_buffer("edges", equal_edges(regimes, bins, MAX_REGIME))
        width = bins * regimes
        self.joined: nn.Module | None = None
        if units > 0:
            self.joined = nn.Sequential(nn.Linear(width, units), nn.ReLU(), Dropout(UNIT_DROPOUT))
        self.scale = nn.Parameter(torch.zeros(units + width, hidden_size))
        self.shift = nn.Parameter(torch.zeros(units + width, hidden_size))

    def set_scaling(self, scaling: Scaling) -> None:
        """Set the training days' median and IQR of the market-wide columns, and the edges of their bins.

        Without quantiles the bins are equally wide.
        """
        self.scaling.set_scaling(scaling.regime_median, scaling.regime_iqr)
        if self.bins == 1:
            return
        edges = equal_edges(len(self.edges), self.bins, MAX_REGIME)
        if scaling.regime_quantiles is not None:
            statistics = scaling.regime_quantiles, scaling.regime_median, scaling.regime_iqr
            edges = quantile_edges(*statistics, self.bins, MAX_REGIME)
        with torch.no_grad():
            self.edges.copy_(edges)

    def forward(
        self,
        state: Float[Tensor, "*members days stocks hidden"],
        regime: Float[Tensor, "market_days regimes"],
        rows_of_days: list[int] | None = None,
    ) -> Float[Tensor, "*members days stocks hidden"]:
        """Modulate the states of each day's stocks by that day's market.

        Args:
            state: of the stocks of each day; or of rows of any days, as those of a single one.
            regime: market-wide columns of each day.
            rows_of_days: how many of the rows each day has, in the order of the days, where these are of any.
        """
        market = self.scaling.rows(regime).clamp(-MAX_REGIME, MAX_REGIME)
        if self.bins > 1:
            market = encode(market, bin_lines(self.edges)).flatten(-2)
        if self.joined is not None:
            market = torch.cat((market, self.joined(market)), -1)
        scale = (1 + (market @ self.scale).tanh()).to(state.dtype)
        shift = (market @ self.shift).tanh().to(state.dtype)
        if rows_of_days is None:
            return torch.addcmul(shift[:, None], state, scale[:, None])
        modulated: Tensor = _ModulatedRows.apply(state, scale, shift, rows_of_days)  # type: ignore[no-untyped-call]
        return modulated


class _ModulatedRows(torch.autograd.Function):
    """``state * scale[day] + shift[day]`` of rows in the order of their days.

    A third of the time of `torch.addcmul` on a scale and a shift for each row, tensors as large as the state.
    """

    @staticmethod
    def forward(ctx: Any, state: Tensor, scale: Tensor, shift: Tensor, rows: list[int]) -> Tensor:
        ctx.save_for_backward(state, scale)
        ctx.rows = rows
        out = torch.empty_like(state)
        of_days = (torch.split(t, rows, -2) for t in (state, out))
        for d, (x, into) in enumerate(zip(*of_days, strict=True)):
            torch.addcmul(shift[d], x, scale[d], out=into)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        state, scale = ctx.saved_tensors
        d_state, d_scale, d_shift = torch.empty_like(state), torch.empty_like(scale), torch.empty_like(scale)
        but_hidden = tuple(range(state.dim() - 1))
        of_days = (torch.split(t, ctx.rows, -2) for t in (gradient, state, d_state))
        for d, (g, x, into) in enumerate(zip(*of_days, strict=True)):
            torch.mul(g, scale[d], out=into)
            torch.sum(g * x, but_hidden, out=d_scale[d])
            torch.sum(g, but_hidden, out=d_shift[d])
        return d_state, d_scale, d_shift, None
