"""What can be chosen about the network: one width, the depth of the graph, dropout, and which parts are on.

Every other size (attention heads, gates, filters) is derived, so that any point of a search space builds.
"""

from dataclasses import dataclass, field
from typing import Literal

from atft.errors import InputError

PARTS = ("variable_selection", "fan", "encoder", "graph")
"""The parts that a switch turns off; all of them are built once, whatever the switches say."""
PARAMETER_GROUPS = (*PARTS, "input", "heads")
"""Parameters that train or are frozen apart: the parts, the projection of a row's features, and the heads."""

WindowNormName = Literal["none", "revin", "dish_ts", "san", "fan"]
"""What the ``fan`` part may be."""


@dataclass(frozen=True)
class NetworkOptions:
    """The ATFT-GAT-FAN network.

    Args:
        hidden_size: width of every state; attention heads are derived from it.
        gat_layers: graph attention layers, 1 to 4; a layer reaches one step further in the graph.
        gat_dropout: share of a day's edges that a graph attention layer ignores in training.
        dropout: share of hidden values that are dropped in training, in the gated residuals and the heads.
        horizons: trading days ahead, one score each; the panel needs a target for each.
        variable_selection: weigh the features of each row by what the row says; off: all alike.
        fan: normalise each feature's window by what ``window_norm`` names, and add the result as a view.
        window_norm: which normalisation: fan (two dominant cycles taken out), revin (mean and deviation), dish_ts
            (a learned level and the deviation from it), san (mean and deviation of each quarter of the window), or
            none (nothing is built, as with fan: false for good). EXPERIMENTS.md compares them.
        encoder: read the window with an LSTM and attention; off: the last day's row only.
        graph: let the day's stocks attend to their neighbours.
        quantiles: levels in (0, 1), ascending, of the quantile heads; none by default.
    """

    hidden_size: int = 64
    gat_layers: int = 2
    gat_dropout: float = 0.2
    dropout: float = 0.1
    horizons: list[int] = field(default_factory=lambda: [1, 5, 10, 20])
    variable_selection: bool = True
    fan: bool = True
    window_norm: WindowNormName = "fan"
    encoder: bool = True
    graph: bool = True
    quantiles: list[float] = field(default_factory=list)


def check_network(options: NetworkOptions, n_features: int) -> None:
    """Check the sizes of a network.

    Raises:
        InputError: a size is out of range; the line names the option, its bounds and what came.
    """
    for name, low, high in (("hidden_size", 4, 4096), ("gat_layers", 1, 4)):
        value = getattr(options, name)
        if not low <= value <= high:
            raise InputError(
                f"network: {name} must be {low} to {high}, got {value}; change model.network.{name}"
            )
    for name in ("dropout", "gat_dropout"):
        if not 0 <= getattr(options, name) < 1:
            raise InputError(f"network: {name} must be at least 0 and below 1, got {getattr(options, name)}")
    if n_features < 1:
        raise InputError(f"network: the panel has {n_features} features; the schema must name at least one")
    horizons = options.horizons
    if not horizons or min(horizons) < 1 or sorted(set(horizons)) != horizons:
        raise InputError(f"network: horizons must be ascending trading days >= 1, got {horizons}")
    levels = options.quantiles
    if sorted(set(levels)) != levels or not all(0 < level < 1 for level in levels):
        raise InputError(f"network: quantiles must ascend strictly inside (0, 1), got {levels}")


def head_count(hidden_size: int) -> int:
    """Derive a width's attention heads: the most of 8, 4, 2, 1 that have 16 channels or more each."""
    return next((heads for heads in (8, 4, 2) if hidden_size % heads == 0 and hidden_size // heads >= 16), 1)
