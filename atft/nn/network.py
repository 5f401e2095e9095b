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
regression does and the other parts add to it. Every part is built once; a switch turns it off.
"""

from collections.abc import Iterator
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from atft.batch import DayBatch, Forecast
from atft.errors import InputError, nearest
from atft.nn.graph_attention import GraphAttention
from atft.nn.heads import Heads
from atft.nn.options import PARAMETER_GROUPS, PARTS, NetworkOptions, check_options
from atft.nn.robust_input import RobustInput
from atft.nn.temporal_encoder import TemporalEncoder
from atft.nn.variable_selection import VariableSelection
from atft.nn.window_norm import WindowNorm
from atft.nn.windows import windows

__all__ = ["ATFTGATFAN", "PARTS", "Explanation", "NetworkOptions"]


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
        check_options(options, n_features)
        self.options = options
        hidden = options.hidden_size
        self.scaling = RobustInput(n_features)
        self.selection = VariableSelection(n_features, hidden, options.dropout)
        self.window_norm = (
            None
            if options.window_norm == "none"
            else WindowNorm(options.window_norm, n_features, hidden, options.fan_components)
        )
        self.encoder = TemporalEncoder(hidden, options.dropout)
        self.graph = GraphAttention(hidden, options.gat_layers, options.gat_dropout)
        self.heads = Heads(
            hidden, len(options.horizons), len(options.quantiles), options.dropout, options.head_norm
        )
        self.switches: dict[str, bool] = {}
        self.set_parts(**{name: getattr(options, name) for name in PARTS})

    def set_scaling(self, median: Float[Tensor, " features"], iqr: Float[Tensor, " features"]) -> None:
        """Take over the training days' median and IQR per feature; see :meth:`RobustInput.set_scaling`."""
        self.scaling.set_scaling(median, iqr)

    def set_parts(self, **switches: bool) -> None:
        """Turn parts on or off; the parameters of a part that is off ask for no gradient.

        Args:
            switches: new state of any of ``variable_selection``, ``fan``, ``encoder``, ``graph``.

        Raises:
            InputError: no part of that name.
        """
        for name, on in switches.items():
            if name not in PARTS:
                raise InputError(f"network: no part {name!r}{nearest(name, PARTS)}")
            self.switches[name] = on
            for parameter in self.part_parameters(name):
                parameter.requires_grad_(on)

    def part_parameters(self, name: str) -> Iterator[nn.Parameter]:
        """Go through the parameters that only part ``name`` uses."""
        if name == "variable_selection":
            yield from self.selection.weigher.parameters()
            yield self.selection.level
        elif name == "fan":
            yield from () if self.window_norm is None else self.window_norm.parameters()
        else:
            part = self.encoder if name == "encoder" else self.graph
            yield from part.parameters()

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Sort every parameter into exactly one of ``PARAMETER_GROUPS``."""
        groups = {name: list(self.part_parameters(name)) for name in PARTS}
        weigher = {id(p) for p in groups["variable_selection"]}
        groups["input"] = [p for p in self.selection.parameters() if id(p) not in weigher]
        groups["heads"] = list(self.heads.parameters())
        return {name: groups[name] for name in PARAMETER_GROUPS}

    def forward(self, batch: DayBatch) -> Forecast:
        """Score every stock-day of a block; outside the universe a score is finite and means nothing."""
        state, _ = self._encode(batch)
        days, stocks, _ = state.shape
        if self.switches["graph"]:
            linked = self.graph(state.flatten(0, 1), batch.edge_index, batch.edge_attr)
            state = linked.unflatten(0, (days, stocks))
        score, quantiles = self.heads(state)
        return Forecast(score.float(), None if quantiles is None else quantiles.float())

    def explain(self, batch: DayBatch) -> Explanation:
        """Tell what the network looked at in a block; costs a forward pass."""
        scaled = self.scaling(batch.features, batch.observed)
        selection = self.selection.weights(scaled) if self.switches["variable_selection"] else None
        state, attention = self._encode(batch)
        neighbours = None
        if self.switches["graph"]:
            neighbours = self.graph.weights(state.flatten(0, 1), batch.edge_index, batch.edge_attr)
        return Explanation(selection, attention, neighbours)

    def _encode(
        self, batch: DayBatch
    ) -> tuple[Float[Tensor, "days stocks hidden"], Float[Tensor, "days stocks heads lookback"] | None]:
        days, stocks = batch.universe.shape
        scaled = self.scaling(batch.features, batch.observed)
        rows = self.selection(scaled, self.switches["variable_selection"])
        # A day without a row is an empty input to the encoder, whatever the biases would make of it.
        rows = rows * batch.observed[..., None]
        window = windows(rows, days)
        if not self.switches["encoder"]:
            window = window[-1:]
        told = None
        if self.switches["fan"] and self.window_norm is not None:
            window, told = self.window_norm(window, scaled, batch.observed)
        attention = None
        if self.switches["encoder"]:
            # torch.compile (2.13) gets the gradient of overlapping rows wrong; the LSTM copies anyway.
            state, weight = self.encoder(window.flatten(1, 2).contiguous())
            state, attention = (part.unflatten(0, (days, stocks)) for part in (state, weight))
        else:
            state = window[-1]
        return (state if told is None else state + told), attention
