"""What a training curriculum says, before the first step: phases with everything they leave unsaid filled in.

A phase is a part of the run, some epochs long. Which phase runs is a function of the epoch alone, so a run that is
resumed goes on exactly. Nothing is inherited from the phase before: each row of the table can be read by itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from atft.callbacks.curriculum.phase import Criterion, Phase
from atft.errors import InputError
from atft.losses.options import ObjectiveOptions, check_term_weights, horizon_shares
from atft.nn.options import PARAMETER_GROUPS, PARTS, NetworkOptions


@dataclass(frozen=True)
class ResolvedPhase:
    """A phase with nothing left unsaid."""

    name: str
    first_epoch: int
    """Counted from 0."""
    epochs: int
    parts: dict[str, bool]
    lr_factors: dict[str, float]
    """Multiple of the schedule's rate of each group that trains; the others rest."""
    terms: dict[str, float] | None
    """Weight of each term; None where the objective balances them itself."""
    horizon_shares: dict[int, float]
    """Share of each horizon, summing to 1."""
    criterion: Criterion | None
    criterion_epoch: int
    """Epoch of the run, from 0, at whose end the criterion is asked."""

    @property
    def parts_on(self) -> list[str]:
        """Names of the parts that are on."""
        return [name for name, on in self.parts.items() if on]


def check_names(phases: Sequence[Phase]) -> None:
    """Refuse two phases of one name: log, criterion and receipt could not tell them apart.

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
        criterion_epoch = (
            first + ((phase.criterion.at_epoch if phase.criterion else None) or phase.epochs) - 1
        )
        parts = {name: phase.parts.get(name, getattr(network, name)) for name in PARTS}
        plan.append(
            ResolvedPhase(
                name=phase.name,
                first_epoch=first,
                epochs=phase.epochs,
                parts=parts,
                lr_factors=_lr_factors(phase, parts),
                terms=_terms(phase, objective),
                horizon_shares=_horizon_shares(phase, network.horizons, objective),
                criterion=phase.criterion,
                criterion_epoch=criterion_epoch,
            )
        )
        first += phase.epochs
    return tuple(plan)


def _lr_factors(phase: Phase, parts: Mapping[str, bool]) -> dict[str, float]:
    awake = [name for name in PARAMETER_GROUPS if parts.get(name, True)]
    for name in (*(phase.train or ()), *(phase.lr_factor if isinstance(phase.lr_factor, dict) else ())):
        if name not in awake:
            raise InputError(
                f"{phase.place}: part {name} is off and cannot train; switch it on, or leave it out"
            )
    trained = [name for name in awake if phase.train is None or name in phase.train]
    if isinstance(phase.lr_factor, dict):
        resting = [name for name in phase.lr_factor if name not in trained]
        if resting:
            raise InputError(f"{phase.place}: lr_factor names {resting[0]}, which train leaves out")
        return {name: float(phase.lr_factor.get(name, 1.0)) for name in trained}
    return dict.fromkeys(trained, float(phase.lr_factor))


def _terms(phase: Phase, objective: ObjectiveOptions) -> dict[str, float] | None:
    own = objective.weights
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
    for heading in (
        "phase",
        "epochs",
        "parts on",
        "trains, x learning rate",
        "terms",
        "horizons",
        "criterion",
    ):
        table.add_column(heading)
    for phase in plan:
        table.add_row(phase.name, *phase_cells(phase).values())
    return render(table)


def phase_cells(phase: ResolvedPhase) -> dict[str, str]:
    """What a phase does, in words, by what it concerns."""
    rates = set(phase.lr_factors.values())
    everything = set(phase.lr_factors) == set(phase.parts_on) | {"input", "heads"}
    if everything and len(rates) == 1:
        trains = f"all x{rates.pop():g}"
    else:
        trains = ", ".join(f"{name} x{factor:g}" for name, factor in phase.lr_factors.items())
    criterion = phase.criterion
    verdict = "none"
    if criterion:
        epoch = phase.criterion_epoch + 1
        verdict = f"{criterion.otherwise} unless {criterion.condition()} (epoch {epoch})"
    return {
        "epochs": f"{phase.first_epoch + 1}-{phase.first_epoch + phase.epochs}",
        "parts on": ", ".join(phase.parts_on) or "none",
        "trains": trains,
        "terms": "balanced" if phase.terms is None else _weights(phase.terms),
        "horizons": ", ".join(f"{h}d {share:.2g}" for h, share in phase.horizon_shares.items()),
        "criterion": verdict,
    }


def _weights(terms: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {weight:g}" for name, weight in terms.items() if weight)
