"""TabM: a perceptron on the last day's row that is an ensemble at little more than the cost of one.

The members share each layer's matrix and differ by rank-one adapters around it, ``s_k * ((r_k * x) W) + b_k``, and
by their heads; each has its own loss. Gorishniy, Kotelnikov and Babenko, "TabM: Advancing Tabular Deep Learning
with Parameter-Efficient Ensembling", ICLR 2025, section 3.3.

Adapters are folded into one matrix per member, ``diag(r_k) W diag(s_k)``: a layer is then one batched product, and
makes and keeps no scaled copies of all members' states. Forward and backward of 16 members of width 256 take 0.6 of
the time.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from atft.batch import DayBatch, Forecast
from atft.full_precision import full_precision
from atft.network import Explanation, NetworkInputs
from atft.nn.dropout import Dropout
from atft.nn.feature_encoding import Encoding, FeatureEncoding
from atft.nn.market_modulation import MarketModulation, check_modulation
from atft.nn.member_ranks import mean_of_ranks
from atft.nn.packed_rows import PackedRows, pack_rows
from atft.nn.ranking_network import RankingNetwork
from atft.nn.sizes import check_shares, check_sizes


class SharedLinear(nn.Module):
    """A linear layer whose members share the matrix; adapters ``r``, ``s`` and biases are each member's own.

    A single member has no adapters.

    Args:
        inputs: width of what it reads.
        outputs: width of what it gives.
        members: number of members.
        random_signs: new members differ by random signs ``r``; without, their adapters are all 1.
        repeat: how often one sign stands in ``r``, for all numbers of a feature.
    """

    def __init__(self, inputs: int, outputs: int, members: int, random_signs: bool, repeat: int = 1) -> None:
        super().__init__()
        bound = inputs**-0.5
        self.matrix = nn.Parameter(torch.empty(inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(1, outputs).uniform_(-bound, bound).repeat(members, 1))
        self.r, self.s = None, None
        if members > 1:
            signs = (torch.randint(0, 2, (members, inputs // repeat)).float() * 2 - 1).repeat(1, repeat)
            self.r = nn.Parameter(signs if random_signs else torch.ones(members, inputs))
            self.s = nn.Parameter(torch.ones(members, outputs))

    def matrices(self) -> Float[Tensor, "members inputs outputs"]:
        """The matrix of each member, its adapters folded in."""
        if self.r is None or self.s is None:
            return self.matrix[None]
        return self.r[:, :, None] * self.matrix * self.s[:, None]

    def forward(self, x: Float[Tensor, "members rows inputs"]) -> Float[Tensor, "members rows outputs"]:
        return torch.baddbmm(self.bias[:, None], x, self.matrices())


class MemberHeads(nn.Module):
    """A linear head for each member, shared by none."""

    def __init__(self, inputs: int, horizons: int, members: int) -> None:
        super().__init__()
        bound = inputs**-0.5
        self.matrices = nn.Parameter(torch.empty(members, inputs, horizons).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(members, horizons).uniform_(-bound, bound))

    def forward(self, x: Float[Tensor, "members rows inputs"]) -> Float[Tensor, "members rows horizons"]:
        # bfloat16's 8 bits would tie many scores of a day, as in `atft.nn.heads`.
        with full_precision(x.device):
            return torch.baddbmm(self.bias[:, None], x.to(self.matrices.dtype), self.matrices)


class TabM(RankingNetwork):
    """A perceptron on the last day's features, k members by rank-one adapters, each with its own loss.

    Args:
        inputs: names of the columns that it reads, and horizons.
        k: members of the ensemble; 1 is a plain perceptron.
        hidden_size: width of every layer.
        layers: number of hidden layers, each linear, ReLU, dropout.
        dropout: share of hidden values that are dropped in training, drawn for each member.
        encoding: how the network reads a single feature: piecewise_linear (any curve that is linear between the
            edges of bins), periodic (learned frequencies), or none (linearly).
        bins: numbers that encode a feature, 2 to 240; unused with encoding none.
        encoding_dropout: share of the features of each row that are hidden in training, from all members.
        encoding_sigma: standard deviation of the initial frequencies of encoding periodic.
        modulation: film lets the panel's regime columns scale and shift each unit of the first layer, before its
            ReLU; none ignores them.
        modulation_bins: number of bins by which film reads each regime column, 1 to 240; 1 reads it linearly.
        modulation_units: hidden units that read all regime columns together, 0 to 4096; with 0 their effects only
            add up.
    """

    def __init__(
        self,
        inputs: NetworkInputs,
        k: int = 32,
        hidden_size: int = 256,
        layers: int = 2,
        dropout: float = 0.1,
        encoding: Encoding = "none",
        bins: int = 12,
        encoding_dropout: float = 0.0,
        encoding_sigma: float = 0.1,
        modulation: Literal["film", "none"] = "none",
        modulation_bins: int = 1,
        modulation_units: int = 0,
    ) -> None:
        super().__init__(inputs)
        check_sizes(1, 1024, k=k)
        check_sizes(4, 4096, hidden_size=hidden_size)
        check_sizes(1, 16, layers=layers)
        check_shares(dropout=dropout)
        check_modulation(modulation_bins, modulation_units)
        self.members = k
        features = len(inputs.features)
        self.encoding = FeatureEncoding(features, encoding, bins, encoding_dropout, encoding_sigma)
        size = self.encoding.size
        widths = [features * size, *[hidden_size] * layers]
        # The paper's initialisation: new members differ by the signs of what they read, and by their heads.
        self.hidden = nn.ModuleList(
            SharedLinear(width, hidden_size, k, random_signs=layer == 0, repeat=1 if layer else size)
            for layer, width in enumerate(widths[:-1])
        )
        self.modulation: MarketModulation | None = None
        if modulation != "none":
            self.modulation = MarketModulation(
                len(inputs.regimes), hidden_size, modulation_bins, modulation_units
            )
            self.parts, self.reads = {"modulation": True}, {"modulation": "regime"}
        self.dropout = Dropout(dropout)
        self.heads = MemberHeads(hidden_size, len(self.horizons), k)

    def forward(self, batch: DayBatch) -> Forecast:
        """Score every stock-day from its last row; outside the universe a score is finite and means nothing.

        In training ``score`` is the members' mean, which costs nothing; evaluated it is :func:`mean_of_ranks`.
        """
        packed = pack_rows(batch)
        by_row = self.heads(self._states(batch, packed)).float().permute(1, 2, 0)
        days, stocks = batch.universe.shape
        members = by_row.unflatten(0, (days, stocks)) if packed is None else packed.put(by_row[None])
        score = members.mean(-1) if self.training else mean_of_ranks(members, batch.universe)
        return Forecast(score, members=members)

    def encode(self, batch: DayBatch) -> Float[Tensor, "days stocks width"]:
        """Return the state of each stock-day that the heads read, those of all members in a row."""
        days, stocks = batch.universe.shape
        return self._states(batch).transpose(0, 1).reshape(days, stocks, -1)

    def _states(
        self, batch: DayBatch, packed: PackedRows | None = None
    ) -> Float[Tensor, "members rows hidden"]:
        days = len(batch.universe)
        features, observed = batch.features[-days:], batch.observed[-days:]
        if packed is not None:
            days, features, observed = 1, packed.take(features), packed.take(observed)
        rows = self.scaling(features, observed).flatten(0, 1)
        first: SharedLinear = self.hidden[0]  # type: ignore[assignment]
        # One product with the members' matrices side by side, each row encoded once.
        beside = first.matrices().movedim(0, 1).flatten(1)
        wide = self.encoding.product(rows, beside).view(rows.shape[0], self.members, -1)
        state: Tensor = wide.transpose(0, 1) + first.bias[:, None]
        if self.modulation is not None and self.parts["modulation"]:
            by_day = state.view(self.members, days, -1, state.shape[-1])
            state = self.modulation(by_day, batch.regime, None if packed is None else packed.rows_of_days)
            state = state.flatten(1, 2)
        state = self.dropout(state.relu())
        for layer in self.hidden[1:]:
            state = self.dropout(layer(state).relu())
        return state

    def explain(self, batch: DayBatch) -> Explanation:
        """Return how much of what enters the first layer is each feature's.

        ``|e(x_f) W_f|``, where ``W_f`` are the first layer's weights of the feature's encoding ``e`` in all
        members, over its sum; equal shares for a row of nothing but medians. It does not say what later layers make
        of it, nor the sign.
        """
        encoded = self.encoding(self.scaling(batch.features, batch.observed))
        first: SharedLinear = self.hidden[0]  # type: ignore[assignment]
        weights = first.matrices().movedim(1, 0).reshape(*encoded.shape[-2:], -1)
        squares = torch.einsum("bfo,cfo->bcf", weights, weights)
        size = torch.einsum("...bf,bcf,...cf->...f", encoded, squares, encoded).clamp_min(0).sqrt()
        total = size.sum(-1, keepdim=True)
        return Explanation(selection=torch.where(total > 0, size / total, 1 / size.shape[-1]))
