"""MASTER: attention along each stock's window, then across the day's stocks, of features that the market weighs.

    features [lookback, stocks, F] of one day
      -> FeatureEncoding          each feature as several numbers: bins
      -> MarketGate               F * softmax((W m + b) / temperature), m the day's regime columns
      -> rows + positions         [lookback, stocks, hidden]
      -> AttentionLayer           intra-stock: each day of a stock's window reads its other days
      -> AttentionLayer           inter-stock: each stock reads the day's stocks at the same step of the window
      -> WindowSummary            the last day asks the window
      -> Heads                    linear

Li, Liu, Shen, Wang, Chen and Huang, "MASTER: Market-Guided Stock Transformer for Stock Price Forecasting", AAAI
2024. The paper's panel has no holes; here nothing attends to a day on which the stock has no row, nor to a stock
outside the day's universe. Dropout is on what attention gives, not on its weights: those are never stored.

Each day is computed by itself, since its gate changes every row of its window. Attention across 4,000 stocks has 16
million weights for each step and head; torch's fused kernels never store them.
"""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from atft.batch import DayBatch, Forecast
from atft.cross_section import MASKED_LOGIT
from atft.network import Explanation, NetworkInputs, Scaling
from atft.nn.dropout import Dropout
from atft.nn.embedded_windows import windows
from atft.nn.feature_encoding import Encoding, FeatureEncoding
from atft.nn.heads import Heads
from atft.nn.ranking_network import RankingNetwork
from atft.nn.robust_input import RobustInput, ScaledModule
from atft.nn.sizes import check_positive, check_shares, check_sizes, head_count


class MarketGate(ScaledModule):
    """Weigh the features by the state of the market, mean 1: ``F * softmax((W m + b) / temperature)``.

    ``m`` are the day's regime columns, scaled robustly and 0 where unknown.
    """

    def __init__(self, regimes: int, features: int, temperature: float) -> None:
        super().__init__()
        self.scaling = RobustInput(regimes)
        self.temperature = temperature
        # All features alike at first: what the market says of them is learned, not drawn.
        self.weight = nn.Parameter(torch.zeros(features, regimes))
        self.bias = nn.Parameter(torch.zeros(features))

    def set_scaling(self, scaling: Scaling) -> None:
        """Set the training days' median and IQR of the regime columns."""
        self.scaling.set_scaling(scaling.regime_median, scaling.regime_iqr)

    def forward(self, regime: Float[Tensor, "days regimes"]) -> Float[Tensor, "days features"]:
        logits = nn.functional.linear(self.scaling.rows(regime), self.weight, self.bias) / self.temperature
        return len(self.bias) * logits.softmax(-1)


class AttentionLayer(nn.Module):
    """A transformer layer over the second axis: ``y = Norm(x)``, ``z = Norm(y + Attention(y))``, ``z + MLP(z)``."""

    def __init__(self, hidden_size: int, dropout: float) -> None:
        super().__init__()
        self.heads = head_count(hidden_size)
        self.norm = nn.LayerNorm(hidden_size)
        self.query_key_value = nn.Linear(hidden_size, 3 * hidden_size, bias=False)
        self.dropout = Dropout(dropout)
        self.norm_sum = nn.LayerNorm(hidden_size)
        self.mlp = nn.Sequential(
            nn.Linear(hidden_size, hidden_size),
            nn.ReLU(),
            Dropout(dropout),
            nn.Linear(hidden_size, hidden_size),
            Dropout(dropout),
        )

    def forward(
        self, x: Float[Tensor, "rows steps hidden"], readable: Bool[Tensor, "rows steps"]
    ) -> Float[Tensor, "rows steps hidden"]:
        """Let each step of a row read the row's readable steps."""
        y = self.norm(x)
        query, key, value = self.query_key_value(y).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        # Where a row has nothing to read its result is read by none: any keys will do, and no key is NaN.
        allowed = readable | ~readable.any(-1, keepdim=True)
        mask = allowed[:, None, None]
        answer = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        z = self.norm_sum(y + self.dropout(answer.transpose(1, 2).flatten(2)))
        changed: Tensor = z + self.mlp(z)
        return changed


class WindowSummary(nn.Module):
    """Mean of a window's states, weighed by what the last asks: ``softmax(z_l W z_last)`` over its days ``l``."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.query = nn.Linear(hidden_size, hidden_size, bias=False)

    def forward(
        self, states: Float[Tensor, "stocks lookback hidden"], observed: Bool[Tensor, "stocks lookback"]
    ) -> tuple[Float[Tensor, "stocks hidden"], Float[Tensor, "stocks lookback"]]:
        """Summarise each stock's window; also return the weights, 0 for a day without a row and summing to 1."""
        logits = (states @ self.query(states[:, -1])[..., None]).squeeze(-1)
        weight = logits.float().masked_fill(~observed, MASKED_LOGIT).softmax(-1)
        return torch.einsum("sl,slh->sh", weight.to(states.dtype), states), weight


class MASTER(RankingNetwork):
    """Market-guided stock transformer: gated features, attention over each window, then across the day's stocks.

    Args:
        inputs: names of the columns that it reads, and horizons.
        hidden_size: width of every state; attention heads are derived from it.
        dropout: share of values that are dropped in training, in the layers and the heads.
        gate: regime weights the features by the panel's regime columns; none: all alike.
        gate_temperature: above 0; the lower, the fewer features the market selects.
        quantiles: levels in (0, 1), ascending, of the quantile heads; none by default.
        encoding: how the network reads a single feature: piecewise_linear (any curve that is linear between the
            edges of bins), periodic (learned frequencies), or none (linearly).
        bins: numbers that encode a feature, 2 to 240; unused with encoding none.
        encoding_dropout: share of the features of each row that are hidden in training.
        encoding_sigma: standard deviation of the initial frequencies of encoding periodic.
    """

    def __init__(
        self,
        inputs: NetworkInputs,
        hidden_size: int = 64,
        dropout: float = 0.3,
        gate: Literal["regime", "none"] = "regime",
        gate_temperature: float = 5.0,
        quantiles: list[float] | None = None,
        encoding: Encoding = "none",
        bins: int = 12,
        encoding_dropout: float = 0.0,
        encoding_sigma: float = 0.1,
    ) -> None:
        super().__init__(inputs, quantiles or [])
        check_sizes(4, 4096, hidden_size=hidden_size)
        check_shares(dropout=dropout)
        check_positive(gate_temperature=gate_temperature)
        features = len(inputs.features)
        self.gate = None
        if gate != "none":
            self.gate = MarketGate(len(inputs.regimes), features, gate_temperature)
            self.parts, self.reads = {"gate": True}, {"gate": "regime"}
        self.encoding = FeatureEncoding(features, encoding, bins, encoding_dropout, encoding_sigma)
        self.embedding = nn.Linear(features * self.encoding.size, hidden_size)
        self.intra_stock = AttentionLayer(hidden_size, dropout)
        self.inter_stock = AttentionLayer(hidden_size, dropout)
        self.summary = WindowSummary(hidden_size)
        self.heads = Heads(hidden_size, len(self.horizons), len(self.quantiles), dropout)

    def forward(self, batch: DayBatch) -> Forecast:
        """Score every stock-day of a block; outside the universe a score is finite and means nothing."""
        return Forecast(*self.heads(self.encode(batch))).map(Tensor.float)

    def encode(self, batch: DayBatch) -> Float[Tensor, "days stocks hidden"]:
        """Return the state of each stock-day that the heads read."""
        return self._encode(batch, self._gates(batch))[0]

    def explain(self, batch: DayBatch) -> Explanation:
        """Return the gate's weights and those of the window's days; costs a forward pass.

        A row of features stands in the windows of several days, each with its own gate: its weights are their mean.
        """
        gates = self._gates(batch)
        _, attention = self._encode(batch, gates)
        if gates is None:
            return Explanation(attention=attention[:, :, None])
        row = torch.arange(len(batch.features), device=gates.device)[:, None]
        day = torch.arange(len(gates), device=gates.device)
        reads = ((row >= day) & (row < day + batch.lookback)).float()
        by_row = reads @ gates / (gates.shape[1] * reads.sum(1, keepdim=True))
        selection = by_row[:, None].expand(batch.features.shape)
        return Explanation(selection, attention[:, :, None])

    def _gates(self, batch: DayBatch) -> Float[Tensor, "days features"] | None:
        """How much each feature counts on each day, mean 1; None where no gate is on."""
        if self.gate is None or not self.parts["gate"]:
            return None
        gates: Tensor = self.gate(batch.regime)
        return gates

    def _encode(
        self, batch: DayBatch, gates: Float[Tensor, "days features"] | None
    ) -> tuple[Float[Tensor, "days stocks hidden"], Float[Tensor, "days stocks lookback"]]:
        """The summary of each stock-day's window, and the weights of the window's days in it."""
        days = len(batch.universe)
        scaled = self.scaling(batch.features, batch.observed)
        rows = windows(scaled if gates is not None else self._embed(scaled), days)
        observed = windows(batch.observed[..., None], days)[..., 0]
        states, weights = [], []
        for day in range(days):
            embedded = rows[:, day] if gates is None else self._embed(rows[:, day], gates[day])
            state, weight = self._encode_day(embedded, observed[:, day], batch.universe[day])
            states.append(state)
            weights.append(weight)
        return torch.stack(states), torch.stack(weights)

    def _embed(
        self, rows: Float[Tensor, "*rows features"], gate: Float[Tensor, " features"] | None = None
    ) -> Float[Tensor, "*rows hidden"]:
        """Encode and project rows, each feature weighed by the gate."""
        matrix = self.embedding.weight
        if gate is not None:
            # The gate weighs its feature's columns of the matrix: cheaper than all rows of the window.
            matrix = matrix * gate.repeat(self.encoding.size)
        return self.encoding.product(rows, matrix.T) + self.embedding.bias

    def _encode_day(
        self,
        embedded: Float[Tensor, "lookback stocks hidden"],
        observed: Bool[Tensor, "lookback stocks"],
        universe: Bool[Tensor, " stocks"],
    ) -> tuple[Float[Tensor, "stocks hidden"], Float[Tensor, "stocks lookback"]]:
        """One day of a block."""
        encoding = positions(len(embedded), embedded.shape[-1], embedded.device)
        embedded = embedded + encoding[:, None]
        by_stock = self.intra_stock(embedded.transpose(0, 1), observed.T)
        by_step = self.inter_stock(by_stock.transpose(0, 1), observed & universe)
        summary: tuple[Tensor, Tensor] = self.summary(by_step.transpose(0, 1), observed.T)
        return summary


def positions(lookback: int, hidden_size: int, device: torch.device) -> Float[Tensor, "lookback hidden"]:
    """Sines and cosines of a day's position in the window, in turns, of periods from 2 pi to 10,000 times that.

    Vaswani et al. 2017, "Attention Is All You Need", section 3.5.
    """
    channel = torch.arange(hidden_size, device=device)
    rate = 10_000.0 ** (-(channel - channel % 2) / hidden_size)
    angle = torch.arange(lookback, device=device)[:, None] * rate
    return torch.where(channel % 2 == 0, angle.sin(), angle.cos())
