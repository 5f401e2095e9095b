"""What is switched on must have its input: checked when a run is built, before the first step.

A part of the network, a term or a weight without its input would train on nothing without an error: graph
attention on no edges is a second head, a term without its columns a constant.
"""

from collections.abc import Mapping, Sequence
from inspect import signature

from atft.errors import InputError, nearest
from atft.losses.neutral_targets import SECTOR
from atft.losses.objective import DayObjective
from atft.nn.ensemble import member_of
from atft.tasks.day_data import DayData
from atft.tasks.ranking import RankingTask

MISSING = {
    "graph": "the day's graph and data.graph is null; write data.graph: {k: 20}",
    "regime": "market-wide columns and the panel has none; name some in data.panel.schema.regime",
    "sector": "sectors and the panel has none; name their column in data.panel.schema.sector",
    "exposure": "exposures and the panel has none; name some in data.panel.schema.exposures",
}
"""Optional input of a network -> that it is missing, and what to do."""


def check_network_inputs(task: RankingTask, data: DayData, phases: Sequence[Mapping[str, bool]] = ()) -> None:
    """Check that what the network reads is there, where it or a phase of a curriculum has the reader on.

    Args:
        phases: of each phase the parts that it switches, and whether to on.
    """
    available = _available_inputs(data)
    for group, name in task.network.reads.items():
        on = any(parts.get(group, True) for parts in phases) if phases else True
        if on and not available[name]:
            kind = type(member_of(task.network))
            without = f", or set model.network.{group} to none" if group in signature(kind).parameters else ""
            raise InputError(f"model.network: {group} of {kind.__name__} reads {MISSING[name]}{without}")


def check_training_inputs(
    task: RankingTask, data: DayData, phases: Sequence[Mapping[str, bool]] = ()
) -> None:
    """Check that what trains has its input: the network's parts, quantiles, terms, the target, day weights.

    Arguments are those of `check_network_inputs`.
    """
    check_network_inputs(task, data, phases)
    network, terms = task.network, task.objective.terms
    readers = {tensor: name for name, term in terms.items() for tensor in term.reads}
    # A head without a term would keep its first weights, and write quantiles that mean nothing.
    if network.quantiles and "quantiles" not in readers:
        raise InputError(
            "model.network.quantiles is set and no term trains them; add pinball to model.objective.terms, or set "
            "it to []"
        )
    # Our quantile heads are not the score's, and our floor pushes only scores that have nearly collapsed.
    ours = type(member_of(network)).__module__.startswith("atft.")
    if ours and all(
        "score" not in term.reads or (term.hinge and not term.imported) for term in terms.values()
    ):
        raise InputError(
            f"model.objective.terms: {', '.join(terms)} does not train the scores; add a term that does, such as ic"
        )
    if "previous" in readers and data.loader_options.block_days < 2:
        raise InputError(
            f"model.objective.terms: {readers['previous']} compares a day with the one before in its block; set "
            f"data.loader.block_days to at least 2"
        )
    _check_columns(task.objective, data)


def _check_columns(objective: DayObjective, data: DayData) -> None:
    """Check that the panel has the columns that terms, the target and the day weights read."""
    exposures, regimes = data.exposures, data.regimes
    available = _available_inputs(data)
    for name, term in objective.terms.items():
        needed = [column for column in ("exposure", "sector") if column in term.reads]
        if needed and not any(available[column] for column in needed):
            keys = " or ".join({"exposure": "exposures"}.get(column, column) for column in needed)
            raise InputError(
                f"model.objective.terms: {name} has no column to read; name some in data.panel.schema.{keys}, or "
                f"leave the term out"
            )
    for name in objective.options.neutral_to:
        if name == SECTOR and not available["sector"]:
            raise InputError(f"model.objective.neutral_to: sector reads {MISSING['sector']}, or leave it out")
        if name != SECTOR and name not in exposures:
            raise InputError(
                f"model.objective.neutral_to: no exposure {name!r}{nearest(name, [SECTOR, *exposures])}"
            )
    for name in objective.options.regime_weights:
        if name not in regimes:
            raise InputError(
                f"model.objective.regime_weights: no regime column {name!r}{nearest(name, regimes)}"
            )


def _available_inputs(data: DayData) -> dict[str, bool]:
    """Optional input of a network -> whether the data has it."""
    return {
        "graph": data.graph_options is not None,
        "regime": bool(data.regimes),
        "sector": data.panel.schema.sector in data.columns(),
        "exposure": bool(data.exposures),
    }
