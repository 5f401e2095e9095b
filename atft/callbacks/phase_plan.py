"""What a training curriculum says, before the first step: phases with everything they leave unsaid filled in.

A phase is a part of the run, some epochs long, and names only what differs from the model's own configuration:
which blocks are on, which parameter groups train and at what multiple of the learning rate, how terms and
horizons weigh, and what it takes to go on. Which phase runs is a function of the epoch alone, so a run that is
resumed goes on exactly. Nothing is inherited from the phase before: each row of the table can be read by itself.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from atft.errors import InputError, nearest
from atft.losses.options import ObjectiveOptions, check_term_weights, horizon_shares
from atft.losses.terms import TERMS
from atft.nn.options import BLOCKS, PARAMETER_GROUPS, NetworkOptions


@dataclass(frozen=True)
class Gate:
    """What a phase must have reached to go on.

    Args:
        metric: a logged metric, for instance val/rank_ic.
        above: the metric must lie above it; give this or ``below``. A metric that is not a number passes neither.
        below: the metric must lie below it.
        at_epoch: epoch of the phase, from 1, after which the gate is asked; null asks when the phase is over.
        otherwise: stop ends the run and compares its best checkpoint, fail ends it as an error, continue warns.
    """

    metric: str = "val/rank_ic"
    above: float | None = None
    below: float | None = None
    at_epoch: int | None = None
    otherwise: Literal["stop", "fail", "continue"] = "stop"

    def __post_init__(self) -> None:
        """Refuse a gate that asks nothing, or two things."""
        bounds = [b for b in (self.above, self.below) if b is not None]
        if len(bounds) != 1 or not math.isfinite(bounds[0]):
            raise InputError(
                f"curriculum gate on {self.metric}: give one number, above or below, got above={self.above} "
                f"and below={self.below}"
            )

    def passes(self, value: float) -> bool:
        """Whether a value of the metric lets the run go on."""
        if self.above is not None:
            return value > self.above
        return self.below is not None and value < self.below

    def condition(self) -> str:
        """The gate in words: ``val/rank_ic > 0.01``."""
        return (
            f"{self.metric} > {self.above:g}" if self.above is not None else f"{self.metric} < {self.below:g}"
        )


@dataclass(frozen=True)
class Phase:
    """A part of the training, some epochs long. What is left out is as in the model's own configuration.

    Args:
        name: shown in the table, the log and the receipt.
        epochs: length, at least 1.
        blocks: switches of blocks that differ from model.network: variable_selection, fan, encoder, graph.
        train: parameter groups that train, of the blocks, input and heads; the others rest, with their moments
            kept. Null trains all that are on.
        lr_factor: multiple of the schedule's learning rate, for all groups or by group; 1 for one not named.
        terms: weights of terms that differ from model.objective.terms.
        horizon_weights: as model.objective.horizon_weights.
        gate: what it takes to go on.
    """

    name: str
    epochs: int
    blocks: dict[str, bool] = field(default_factory=dict)
    train: list[str] | None = None
    lr_factor: float | dict[str, float] = 1.0
    terms: dict[str, float] = field(default_factory=dict)
    horizon_weights: dict[int, float] | list[float] | None = None
    gate: Gate | None = None

    def __post_init__(self) -> None:
        """Refuse what no model could make sense of."""
        if not self.name.strip():
            raise InputError("curriculum.phases: a phase needs a name")
        if self.epochs < 1:
            raise InputError(f"{self.place}: epochs must be at least 1, got {self.epochs}")
        factors = self.lr_factor if isinstance(self.lr_factor, dict) else {}
        for kind, given, known in (
            ("block", self.blocks, BLOCKS),
            ("parameter group", self.train or [], PARAMETER_GROUPS),
            ("parameter group", factors, PARAMETER_GROUPS),
            ("term", self.terms, TERMS),
        ):
            for name in given:
                if name not in known:
                    raise InputError(f"{self.place}: no {kind} {name!r}{nearest(name, known)}")
        numbers = factors.values() if isinstance(self.lr_factor, dict) else [self.lr_factor]
        for factor in numbers:
            if not (math.isfinite(factor) and factor > 0):
                raise InputError(
                    f"{self.place}: lr_factor must be above 0, got {factor}; leave a group out of train to rest it"
                )
        if self.train == []:
            raise InputError(f"{self.place}: train names no group; null trains all that are on")
        if self.gate is not None and not 1 <= (self.gate.at_epoch or 1) <= self.epochs:
            raise InputError(
                f"{self.place}: gate.at_epoch must be 1 to {self.epochs}, got {self.gate.at_epoch}"
            )

    @property
    def place(self) -> str:
        """Where the phase stands in the configuration, for a message."""
        return f"curriculum.phases {self.name!r}"


@dataclass(frozen=True)
class ResolvedPhase:
    """A phase with nothing left unsaid."""

    name: str
    first_epoch: int
    """Counted from 0."""
    epochs: int
    blocks: dict[str, bool]
    lr_factors: dict[str, float]
    """Multiple of the schedule's rate of each group that trains; the others rest."""
    terms: dict[str, float] | None
    """Weight of each term; None where the objective balances them itself."""
    horizon_shares: dict[int, float]
    """Share of each horizon, summing to 1."""
    gate: Gate | None
    gate_epoch: int
    """Epoch of the run, from 0, at whose end the gate is asked."""

    @property
    def blocks_on(self) -> list[str]:
        """Names of the blocks that are on."""
        return [name for name, on in self.blocks.items() if on]


def check_names(phases: Sequence[Phase]) -> None:
    """Refuse two phases of one name: log, gate and receipt could not tell them apart.

    Raises:
        InputError: with the name.
    """
    names = [phase.name for phase in phases]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise InputError(f"curriculum.phases: two phases are called {twice[0]!r}; give each its own name")


def resolve(
    phases: Sequence[Phase], network: NetworkOptions, objective: ObjectiveOptions
) -> tuple[ResolvedPhase, ...]:
    """Fill in what the phases leave to the model's own configuration.

    Args:
        phases: in the order in which they run.
        network: its switches hold where a phase names none, its horizons are the ones that are weighed.
        objective: its weights hold where a phase names none; it must know every term that a phase weighs.

    Raises:
        InputError: a phase contradicts itself or the model; the line names the phase.
    """
    check_names(phases)
    plan, first = [], 0
    for phase in phases:
        gate_epoch = first + ((phase.gate.at_epoch if phase.gate else None) or phase.epochs) - 1
        blocks = {name: phase.blocks.get(name, getattr(network, name)) for name in BLOCKS}
        plan.append(
            ResolvedPhase(
                name=phase.name,
                first_epoch=first,
                epochs=phase.epochs,
                blocks=blocks,
                lr_factors=_lr_factors(phase, blocks),
                terms=_terms(phase, objective),
                horizon_shares=_horizon_shares(phase, network.horizons, objective),
                gate=phase.gate,
                gate_epoch=gate_epoch,
            )
        )
        first += phase.epochs
    return tuple(plan)


def _lr_factors(phase: Phase, blocks: Mapping[str, bool]) -> dict[str, float]:
    awake = [name for name in PARAMETER_GROUPS if blocks.get(name, True)]
    for name in (*(phase.train or ()), *(phase.lr_factor if isinstance(phase.lr_factor, dict) else ())):
        if name not in awake:
            raise InputError(
                f"{phase.place}: block {name} is off and cannot train; switch it on, or leave it out"
            )
    trained = [name for name in awake if phase.train is None or name in phase.train]
    if isinstance(phase.lr_factor, dict):
        resting = [name for name in phase.lr_factor if name not in trained]
        if resting:
            raise InputError(f"{phase.place}: lr_factor names {resting[0]}, which train leaves out")
        return {name: float(phase.lr_factor.get(name, 1.0)) for name in trained}
    return dict.fromkeys(trained, float(phase.lr_factor))


def _terms(phase: Phase, objective: ObjectiveOptions) -> dict[str, float] | None:
    own = objective.terms
    if objective.gradient_shares:
        if phase.terms:
            raise InputError(
                f"{phase.place}: terms are weighed by objective.gradient_shares; leave one of the two out"
            )
        return None
    for name in phase.terms:
        if name not in own:
            raise InputError(
                f"{phase.place}: term {name} is not in model.objective.terms; name it there, with weight 0"
            )
    weights = {**own, **phase.terms}
    try:
        check_term_weights(weights)
    except InputError as error:
        raise InputError(f"{phase.place}: {error}") from error
    return weights


def _horizon_shares(phase: Phase, horizons: Sequence[int], objective: ObjectiveOptions) -> dict[int, float]:
    own = objective.horizon_weights if phase.horizon_weights is None else phase.horizon_weights
    try:
        shares = horizon_shares(own, tuple(horizons))
    except InputError as error:
        raise InputError(f"{phase.place}: {error}") from error
    return dict(zip(horizons, shares, strict=True))


def phase_at(plan: Sequence[ResolvedPhase], epoch: int) -> int:
    """Find the place of the phase that an epoch (from 0) belongs to; the last one has no end."""
    return max(i for i, phase in enumerate(plan) if phase.first_epoch <= epoch)


def plan_table(plan: Sequence[ResolvedPhase]) -> str:
    """Write the phases as a table of plain text, one line each."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from atft.evaluation.comparison_table import render

    table = Table(title="curriculum", box=SIMPLE_HEAD, title_justify="left", pad_edge=False, show_edge=False)
    for heading in ("phase", "epochs", "blocks on", "trains, x learning rate", "terms", "horizons", "gate"):
        table.add_column(heading)
    for phase in plan:
        table.add_row(phase.name, *phase_cells(phase).values())
    return render(table)


def phase_cells(phase: ResolvedPhase) -> dict[str, str]:
    """What a phase does, in words, by what it concerns."""
    rates = set(phase.lr_factors.values())
    everything = set(phase.lr_factors) == set(phase.blocks_on) | {"input", "heads"}
    if everything and len(rates) == 1:
        trains = f"all x{rates.pop():g}"
    else:
        trains = ", ".join(f"{name} x{factor:g}" for name, factor in phase.lr_factors.items())
    gate = phase.gate
    asked = f"{gate.otherwise} unless {gate.condition()} (epoch {phase.gate_epoch + 1})" if gate else "none"
    return {
        "epochs": f"{phase.first_epoch + 1}-{phase.first_epoch + phase.epochs}",
        "blocks on": ", ".join(phase.blocks_on) or "none",
        "trains": trains,
        "terms": "balanced" if phase.terms is None else _weights(phase.terms),
        "horizons": ", ".join(f"{h}d {share:.2g}" for h, share in phase.horizon_shares.items()),
        "gate": asked,
    }


def _weights(terms: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {weight:g}" for name, weight in terms.items() if weight)
