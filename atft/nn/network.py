"""The ATFT-GAT-FAN network: from a block of days to one score per stock, day and horizon.

    features [span, stocks, F]
      -> RobustInput            scaled rows, 0 where nothing is known
      -> VariableSelection      rows [span, stocks, hidden], once per span
      -> windows                views, one per stock-day; WindowNorm's (FAN's) residuals are added to them
      -> TemporalEncoder        the last day's state
      -> + WindowNorm's statistics (FAN's level, amplitude and phase), over a skip path
      -> GraphAttention         the day's stocks
      -> Heads

From the last day's row to the score runs a path without a nonlinearity, so that the network starts as a ridge
regression does and the parts add to it. Every part is built once; a switch turns it off.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from atft.batch import DayBatch, Forecast
from atft.errors import InputError, nearest
from atft.nn.graph_attention import GraphAttention
from atft.nn.heads import Heads
from atft.nn.options import PARAMETER_GROUPS, PARTS, NetworkOptions, check_network
from atft.nn.robust_input import RobustInput
from atft.nn.temporal_encoder import TemporalEncoder
from atft.nn.variable_selection import VariableSelection
from atft.nn.window_norm import WindowNorm, windows


class Explanation(NamedTuple):
    """What the network looked at; a field is None while its part is off."""

    selection: Float[Tensor, "span stocks features"] | None
    """Weight of each feature of each row, summing to 1."""
    attention: Float[Tensor, "days stocks heads lookback"] | None
    """Weight of each day of the window, oldest first, summing to 1."""
    neighbours: Float[Tensor, "layers edges heads"] | None
    """Weight of each edge of the block's graph, summing to 1 over the edges that end in a stock."""


class ATFTGATFAN(nn.Module):
    """Adaptive temporal fusion transformer with graph attention and frequency adaptive normalisation.

    Args:
        options: sizes and switches.
        n_features: features per row, in the order of the checkpoint's feature names.

    Raises:
        InputError: a size is out of range.
    """

    def __init__(self, options: NetworkOptions, n_features: int) -> None:
        super().__init__()
        check_network(options, n_features)
        self.options = options
        hidden, dropout = options.hidden_size, options.dropout
        self.scaling = RobustInput(n_features)
        self.selection = VariableSelection(n_features, hidden, dropout)
        norm = options.window_norm
        self.window_norm = None if norm == "none" else WindowNorm(norm, n_features, hidden)
        self.encoder = TemporalEncoder(hidden, dropout)
        self.graph = GraphAttention(hidden, options.gat_layers, options.gat_dropout)
        self.heads = Heads(hidden, len(options.horizons), len(options.quantiles), dropout)
        self.switches: dict[str, bool] = {}
        self.set_parts(**{name: getattr(options, name) for name in PARTS})

    def set_scaling(self, median: Float[Tensor, " features"], iqr: Float[Tensor, " features"]) -> None:
        """Set the training days' median and IQR per feature; see :meth:`RobustInput.set_scaling`."""
        self.scaling.set_scaling(median, iqr)

    def set_parts(self, **switches: bool) -> None:
        """Turn any of ``PARTS`` on or off; the parameters of a part that is off ask for no gradient.

        Raises:
            InputError: no part of that name.
        """
        groups = self.parameter_groups()
        for name, on in switches.items():
            if name not in PARTS:
                raise InputError(f"network: no part {name!r}{nearest(name, PARTS)}")
            self.switches[name] = on
            for parameter in groups[name]:
                parameter.requires_grad_(on)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Sort every parameter into exactly one of ``PARAMETER_GROUPS``; a part has those that only it uses."""
        groups = {
            "variable_selection": [*self.selection.weigher.parameters(), self.selection.level],
            "fan": [] if self.window_norm is None else list(self.window_norm.parameters()),
            "encoder": list(self.encoder.parameters()),
            "graph": list(self.graph.parameters()),
            "input": [self.selection.value, *self.selection.refine.parameters()],
            "heads": list(self.heads.parameters()),
        }
        return {name: groups[name] for name in PARAMETER_GROUPS}

    def forward(self, batch: DayBatch) -> Forecast:
        """Score every stock-day of a block; outside the universe a score is finite and means nothing."""
        state, _ = self._encode(batch)
        days, stocks, _ = state.shape
        if self.switches["graph"]:
            linked, _ = self.graph(state.flatten(0, 1), batch.edge_index, batch.edge_attr)
            state = linked.unflatten(0, (days, stocks))
        score, quantiles = self.heads(state)
        return Forecast(score.float(), None if quantiles is None else quantiles.float())

    def explain(self, batch: DayBatch) -> Explanation:
        """Return what the network looks at in a block; costs a forward pass."""
        scaled = self.scaling(batch.features, batch.observed)
        selection = self.selection.weights(scaled) if self.switches["variable_selection"] else None
        state, attention = self._encode(batch)
        neighbours = None
        if self.switches["graph"]:
            _, layers = self.graph(state.flatten(0, 1), batch.edge_index, batch.edge_attr)
            neighbours = torch.stack(layers)
        return Explanation(selection, attention, neighbours)

    def _encode(
        self, batch: DayBatch
    ) -> tuple[Float[Tensor, "days stocks hidden"], Float[Tensor, "days stocks heads lookback"] | None]:
        """The last day's state of each stock-day before the graph, and the encoder's attention."""
        days, stocks = batch.universe.shape
        scaled = self.scaling(batch.features, batch.observed)
        rows = self.selection(scaled, self.switches["variable_selection"])
        # A day without a row is an empty input to the encoder, whatever the biases would make of it.
        rows = rows * batch.observed[..., None]
        window = windows(rows, days)
        if not self.switches["encoder"]:
            window = window[-1:]
        statistics = None
        if self.switches["fan"] and self.window_norm is not None:
            window, statistics = self.window_norm(window, scaled, batch.observed)
        attention = None
        if self.switches["encoder"]:
            # torch.compile (2.13) gets the gradient of overlapping rows wrong; the LSTM copies anyway.
            state, weight = self.encoder(window.flatten(1, 2).contiguous())
            state, attention = (part.unflatten(0, (days, stocks)) for part in (state, weight))
        else:
            state = window[-1]
        return (state if statistics is None else state + statistics), attention
