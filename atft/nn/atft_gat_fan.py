"""The ATFT-GAT-FAN network: from a block of days to one score per stock, day and horizon.

    features [span, stocks, F]
      -> RobustInput            scaled rows, 0 where nothing is known
      -> FeatureEncoding        each feature as several numbers: bins
      -> VariableSelection      rows [span, stocks, hidden], once per span
      -> windows                views, one per stock-day; WindowNorm's (FAN's) residuals are added to them
      -> TemporalEncoder        the last day's state
      -> + WindowNorm's statistics (FAN's level, amplitude and phase), over a skip path
      -> MarketModulation       each unit scaled and shifted by the day's market
      -> GraphAttention         the day's stocks
      -> Heads

From the encoded row of the last day to the score runs a path without a nonlinearity, so that the network starts as
a ridge regression does and the parts add to it. A part whose choice is ``none`` is not built; a phase of a
curriculum switches those that are. With ``linear_path`` off a ReLU and a gated residual stand on that path.
"""

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from atft.batch import DayBatch, Forecast
from atft.network import Explanation, NetworkInputs
from atft.nn.dropout import Dropout
from atft.nn.embedded_windows import EmbeddedWindows
from atft.nn.feature_encoding import Encoding, FeatureEncoding
from atft.nn.gated_residual import GatedResidual
from atft.nn.graph_attention import GraphAttention
from atft.nn.heads import Heads
from atft.nn.market_modulation import MarketModulation, check_modulation
from atft.nn.packed_rows import PackedRows, pack_rows
from atft.nn.ranking_network import RankingNetwork
from atft.nn.sizes import check_shares, check_sizes
from atft.nn.temporal_encoder import TemporalEncoder
from atft.nn.variable_selection import VariableSelection
from atft.nn.window_norm import WindowNorm
from atft.nn.window_steps import weights_of_days


class ATFTGATFAN(RankingNetwork):
    """Adaptive temporal fusion transformer with graph attention and frequency adaptive normalisation.

    Args:
        inputs: names of the columns that it reads, and horizons.
        hidden_size: width of every state; attention heads are derived from it.
        gat_layers: graph attention layers, 1 to 4; each layer reaches one step further in the graph.
        gat_dropout: share of a day's edges that a graph attention layer ignores in training.
        dropout: share of hidden values that are dropped in training, in the gated residuals and the heads.
        variable_selection: softmax weights the features of a row, depending on the row; none: all alike.
        window_norm: normalise each feature's window and add the result as a view: fan (without its two dominant
            cycles), revin (mean and deviation), dish_ts (a learned level and the deviation from it), san (mean and
            deviation of each quarter of the window), or none. EXPERIMENTS.md compares them.
        encoder: read the window with a recurrence and attention: scan (gates that read the day's input only) or
            lstm (slower, no better where measured); none: the last day's row only.
        patch_days: neighbouring days that the encoder reads as one step, 1 to 60; each unit has its own weights
            for the days. With 1 each day is a step.
        graph: gat lets the day's stocks attend to their neighbours; none: each stock by itself.
        encoding: how the network reads a single feature: piecewise_linear (any curve that is linear between the
            edges of bins), periodic (learned frequencies), or none (linearly).
        bins: numbers that encode a feature, 2 to 240; unused with encoding none.
        encoding_dropout: share of the features of each row that are hidden in training.
        encoding_sigma: standard deviation of the initial frequencies of encoding periodic.
        modulation: film lets the panel's regime columns scale and shift each unit of the state before the graph;
            none ignores them.
        modulation_bins: number of bins by which film reads each regime column, 1 to 240; 1 reads it linearly.
        modulation_units: hidden units that read all regime columns together, 0 to 4096; with 0 their effects only
            add up.
        linear_path: keep a path without a nonlinearity from a row to the score. If false, the state goes through
            ReLU, dropout and a gated residual after the market's modulation.
        quantiles: levels in (0, 1), ascending, of the quantile heads; none by default.
    """

    def __init__(
        self,
        inputs: NetworkInputs,
        hidden_size: int = 64,
        gat_layers: int = 2,
        gat_dropout: float = 0.2,
        dropout: float = 0.1,
        variable_selection: Literal["softmax", "none"] = "softmax",
        window_norm: Literal["fan", "revin", "dish_ts", "san", "none"] = "fan",
        encoder: Literal["scan", "lstm", "none"] = "scan",
        graph: Literal["gat", "none"] = "gat",
        patch_days: int = 4,
        encoding: Encoding = "none",
        bins: int = 12,
        encoding_dropout: float = 0.0,
        encoding_sigma: float = 0.1,
        modulation: Literal["film", "none"] = "none",
        modulation_bins: int = 1,
        modulation_units: int = 0,
        linear_path: bool = True,
        quantiles: list[float] | None = None,
    ) -> None:
        super().__init__(inputs, quantiles or [])
        check_sizes(4, 4096, hidden_size=hidden_size)
        check_sizes(1, 4, gat_layers=gat_layers)
        check_sizes(1, 60, patch_days=patch_days)
        check_shares(dropout=dropout, gat_dropout=gat_dropout)
        check_modulation(modulation_bins, modulation_units)
        chosen = {
            "variable_selection": variable_selection,
            "window_norm": window_norm,
            "encoder": encoder,
            "modulation": modulation,
            "graph": graph,
        }
        self.parts = {name: True for name, choice in chosen.items() if choice != "none"}
        needs = {"graph": "graph", "modulation": "regime"}
        self.reads = {name: needs[name] for name in self.parts if name in needs}
        features = len(inputs.features)
        # Modules in the order in which a block passes them; a part that is none is not built.
        encoded = FeatureEncoding(features, encoding, bins, encoding_dropout, encoding_sigma)
        self.selection = VariableSelection(
            encoded, hidden_size, dropout, variable_selection != "none", linear_path
        )
        self.patch_days = 1 if encoder == "none" else patch_days
        self.window_norm: nn.Module | None = None
        if window_norm != "none":
            self.window_norm = WindowNorm(window_norm, features, hidden_size, self.patch_days)
        self.encoder: nn.Module | None = None
        if encoder != "none":
            self.encoder = TemporalEncoder(hidden_size, dropout, encoder, self.patch_days)
        self.modulation: nn.Module | None = None
        if modulation != "none":
            self.modulation = MarketModulation(
                len(inputs.regimes), hidden_size, modulation_bins, modulation_units
            )
        self.activation: nn.Module | None = None
        if not linear_path:
            refine = GatedResidual(hidden_size, dropout)
            self.activation = nn.Sequential(nn.ReLU(), Dropout(dropout), refine)
        self.graph = None if graph == "none" else GraphAttention(hidden_size, gat_layers, gat_dropout)
        self.heads = Heads(hidden_size, len(self.horizons), len(self.quantiles), dropout)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Sort every parameter into its part, ``input`` (the projection of a row's features) or ``heads``."""
        selection = self.selection
        entry = [selection.value, *selection.encoding.parameters(), *selection.refine.parameters()]
        groups = {"input": entry}
        if selection.weigher is not None and selection.level is not None:
            groups["variable_selection"] = [*selection.weigher.parameters(), selection.level]
        if self.activation is not None:
            entry += self.activation.parameters()
        for name in ("window_norm", "encoder", "modulation", "graph", "heads"):
            module = getattr(self, name)
            groups |= {} if module is None else {name: list(module.parameters())}
        return {name: groups[name] for name in (*self.parts, "input", "heads")}

    def _is_on(self, part: str) -> bool:
        return self.parts.get(part, False)

    def forward(self, batch: DayBatch) -> Forecast:
        """Score every stock-day of a block; outside the universe a score is finite and means nothing."""
        packed = pack_rows(batch) if self.graph is None and self.encoder is None else None
        state = self.encode(batch) if packed is None else self._encode(batch, packed)[0]
        forecast = Forecast(*self.heads(state))
        if packed is not None:
            forecast = forecast.map(packed.put)
        return forecast.map(Tensor.float)

    def encode(self, batch: DayBatch) -> Float[Tensor, "days stocks hidden"]:
        """Return the state of each stock-day that the heads read."""
        state, _ = self._encode(batch)
        days, stocks, _ = state.shape
        if self.graph is not None and self._is_on("graph"):
            node = state.flatten(0, 1)
            linked = self.graph(node, batch.edge_index, batch.edge_attr, batch.max_neighbours)
            state = linked.unflatten(0, (days, stocks))
        return state

    def explain(self, batch: DayBatch) -> Explanation:
        """Return what the network looks at in a block; costs a forward pass."""
        scaled = self.scaling(batch.features, batch.observed)
        selection = self.selection.weights(scaled) if self._is_on("variable_selection") else None
        state, attention = self._encode(batch)
        if attention is not None:
            attention = weights_of_days(attention, len(scaled) - len(state) + 1, self.patch_days)
        neighbours = None
        if self.graph is not None and self._is_on("graph"):
            neighbours = self.graph.attention(state.flatten(0, 1), batch.edge_index, batch.edge_attr)
        return Explanation(selection, attention, neighbours)

    def _encode(
        self, batch: DayBatch, packed: PackedRows | None = None
    ) -> tuple[Float[Tensor, "days stocks hidden"], Float[Tensor, "days stocks heads steps"] | None]:
        """The last day's state of each stock-day, or packed row, before the graph, and the encoder's attention."""
        if packed is not None:
            features, observed, universe = map(packed.take, (batch.features, batch.observed, batch.universe))
            batch = batch._replace(features=features, observed=observed, universe=universe)
        days, stocks = batch.universe.shape
        scaled = self.scaling(batch.features, batch.observed)
        rows = self.selection(scaled, self._is_on("variable_selection"))
        # A day without a row is an empty input to the encoder, whatever the biases would make of it. Packed rows
        # are of the universe, so hardly one is without, and on a CPU, where asking does not wait.
        if packed is None or not batch.observed.all():
            rows = rows * batch.observed[..., None]
        window, statistics = EmbeddedWindows(rows, days), None
        if self.window_norm is not None and self._is_on("window_norm"):
            window, statistics = self.window_norm(window, scaled, batch.observed)
        state, attention = window.last_day(), None
        if self.encoder is not None and self._is_on("encoder"):
            flat, weight = self.encoder(window)
            state = flat.unflatten(0, (days, stocks))
            attention = None if weight is None else weight.unflatten(0, (days, stocks))
        if statistics is not None:
            state = state + statistics
        if self.modulation is not None and self._is_on("modulation"):
            state = self.modulation(state, batch.regime, None if packed is None else packed.rows_of_days)
        if self.activation is not None:
            state = self.activation(state)
        return state, attention
