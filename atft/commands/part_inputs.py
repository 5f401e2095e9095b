"""What is switched on must have its input: checked when a run is built, before the first step.

A part of the network, a term or a weight without its input would train on nothing without an error: graph
attention on no edges is a second head, a term without its columns a constant.
"""

from collections.abc import Sequence

from atft.callbacks.curriculum.phase import Phase
from atft.errors import InputError, nearest
from atft.panel import match
from atft.tasks.day_data import DayData
from atft.tasks.panel_source import column_names
from atft.tasks.ranking import RankingTask


def check_graph(task: RankingTask, data: DayData, phases: Sequence[Phase] = ()) -> None:
    """Check that graph attention has a graph, where the network or a phase of a curriculum switches it on."""
    default = task.network.options.graph
    on = any(phase.parts.get("graph", default) for phase in phases) if phases else default
    if on and data.graph_options is None:
        raise InputError(
            "model.network.graph is on and data.graph is null: no stock would have a neighbour; write data.graph: "
            "{k: 20}, or set model.network.graph: false"
        )


def check_training_inputs(task: RankingTask, data: DayData, phases: Sequence[Phase] = ()) -> None:
    """Check that what trains has its input: graph, normalisation of windows, quantiles, terms, day weights."""
    check_graph(task, data, phases)
    network, terms, schema = task.network.options, task.objective.options.terms, data.panel.schema
    if network.window_norm == "none" and any(phase.parts.get("fan") for phase in phases):
        raise InputError(
            "curriculum.phases: a phase switches fan on and model.network.window_norm is none; set it to fan"
        )
    # A head without a term would keep its first weights, and write quantiles that mean nothing.
    if network.quantiles and "pinball" not in terms:
        raise InputError(
            "model.network.quantiles is set and no term trains them; add pinball to model.objective.terms, or set "
            "it to []"
        )
    if "turnover" in terms and data.loader_options.block_days < 2:
        raise InputError(
            "model.objective.terms: turnover compares a day with the one before in its block; set "
            "data.loader.block_days to at least 2"
        )
    names = column_names(data.panel)
    if "exposure" in terms and not match(schema.exposures, names) and schema.sector not in names:
        raise InputError(
            "model.objective.terms: exposure has no column to read; name some in data.panel.schema.exposures or "
            "sector, or leave the term out"
        )
    regimes = match(schema.regime, names)
    for name in task.objective.options.regime_weights:
        if name not in regimes:
            raise InputError(
                f"model.objective.regime_weights: no regime column {name!r}{nearest(name, regimes)}"
            )
