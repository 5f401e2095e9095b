"""The plan of a curriculum: its phases, with what they leave to the model filled in, and their checks."""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from itertools import accumulate

import lightning.pytorch as pl
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy

from atft.callbacks.curriculum.phase import Phase
from atft.errors import InputError, nearest
from atft.losses.options import ObjectiveOptions, check_term_weights, horizon_shares
from atft.metrics.own_metrics import nearest_metric
from atft.network import Network


def resolve_phases(phases: Sequence[Phase], network: Network, objective: ObjectiveOptions) -> list[Phase]:
    """Fill in what the phases leave to the model's own configuration.

    Returns:
        The phases with all ``parts``, the ``lr_factor`` of each group that trains, the weight of each of the
        ``terms`` (none where the objective balances them itself) and ``horizon_weights`` by horizon, summing to 1.

    Raises:
        InputError: two phases have one name, or one contradicts itself or names what the model has not; the line
            names the phase.
    """
    names = [phase.name for phase in phases]
    for name in names:
        if names.count(name) > 1:  # log, criterion and receipt could not tell them apart
            raise InputError(f"curriculum.phases: two phases are called {name!r}; give each its own name")
    return [_resolved(phase, network, objective) for phase in phases]


def _resolved(phase: Phase, network: Network, objective: ObjectiveOptions) -> Phase:
    groups = network.parameter_groups()
    by_group, other = phase.lr_factors
    _check_known(phase, "part", phase.parts, network.parts)
    _check_known(phase, "parameter group", (*(phase.train or ()), *by_group), groups)
    parts = {**network.parts, **phase.parts}
    on = [name for name in groups if parts.get(name, True)]
    for name in (*(phase.train or ()), *by_group):
        if name not in on:
            raise InputError(
                f"{phase.where}: part {name} is off and cannot train; switch it on, or leave it out"
            )
    trained = [name for name in on if phase.train is None or name in phase.train]
    for name in by_group:
        if name not in trained:
            raise InputError(f"{phase.where}: lr_factor names {name}, which train leaves out")
    weights = objective.horizon_weights if phase.horizon_weights is None else phase.horizon_weights
    terms = _terms(phase, objective)
    shares = horizon_shares(weights, tuple(network.horizons), f"{phase.where}: horizon_weights")
    by_horizon = dict(zip(network.horizons, shares, strict=True))
    factors = {name: float(by_group.get(name, other)) for name in trained}
    return replace(phase, parts=parts, lr_factor=factors, terms=terms, horizon_weights=by_horizon)


def _check_known(phase: Phase, kind: str, names: Iterable[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            others = nearest(name, known) if known else f"; model.network has no {kind}"
            raise InputError(f"{phase.where}: no {kind} {name!r}{others}")


def _terms(phase: Phase, objective: ObjectiveOptions) -> dict[str, float]:
    if objective.gradient_shares:
        if phase.terms:
            raise InputError(
                f"{phase.where}: terms are weighed by model.objective.gradient_shares; leave one of the two out"
            )
        return {}
    for name in phase.terms:
        if name not in objective.weights:
            raise InputError(
                f"{phase.where}: term {name} is not in model.objective.terms; name it there, with weight 0"
            )
    weights = {**objective.weights, **phase.terms}
    check_term_weights(weights, f"{phase.where}: terms")
    return weights


def first_epochs(plan: Sequence[Phase]) -> list[int]:
    """First epoch of each phase, from 0, and at last the length of the whole plan."""
    return [0, *accumulate(phase.epochs for phase in plan)]


def phase_at(plan: Sequence[Phase], epoch: int) -> int:
    """Find the position of the phase that an epoch (from 0) belongs to; the last phase has no end."""
    return bisect_right(first_epochs(plan)[:-1], epoch) - 1


def freezes_by_phase(plan: Sequence[Phase]) -> bool:
    """Whether some group trains in one phase and not in another."""
    return len({frozenset(phase.factors) for phase in plan}) > 1


def check_plan(plan: Sequence[Phase], trainer: pl.Trainer, metrics: set[str]) -> None:
    """Check that a trainer with all its callbacks can run resolved phases; ``metrics`` are what an epoch logs.

    Raises:
        InputError: a criterion that could not be checked, a monitor that means another thing in each phase, or a
            strategy that cannot freeze parameters by phase.
    """
    every = trainer.check_val_every_n_epoch or 1
    for phase, end in zip(plan, first_epochs(plan)[1:], strict=True):
        criterion = phase.parsed_criterion()
        if criterion is None:
            continue
        where = f"criterion of phase {phase.name}"
        if criterion.metric not in metrics:
            raise InputError(
                f"{where}: no metric {criterion.metric!r}{nearest_metric(criterion.metric, metrics)}"
            )
        if criterion.metric.startswith("val/") and end % every:
            raise InputError(
                f"{where}: epoch {end} is not validated (trainer.check_val_every_n_epoch is {every}); change the "
                f"length of the phase"
            )
        if (trainer.min_epochs or 0) > end:
            raise InputError(
                f"{where}: trainer.min_epochs {trainer.min_epochs} would go on past epoch {end}; lower it"
            )
    weights = [(phase.terms, phase.horizon_weights) for phase in plan]
    if any(other != weights[0] for other in weights):
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if getattr(callback, "monitor", None) == "train/loss":
                raise InputError(
                    f"{type(callback).__name__}: train/loss means another thing in each phase, the weights differ; "
                    f"monitor val/rank_ic"
                )
    if freezes_by_phase(plan) and not isinstance(trainer.strategy, SingleDeviceStrategy | DDPStrategy):
        raise InputError(
            f"trainer.strategy: {type(trainer.strategy).__name__} cannot freeze parts by phase; "
            f"use one device, or ddp"
        )


def plan_table(plan: Sequence[Phase]) -> str:
    """Write the phases as a table of plain text."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from atft.evaluation.plain_table import table_text

    title = "curriculum (x: multiple of the schedule's learning rate)"
    table = Table(title=title, box=SIMPLE_HEAD, title_justify="left", pad_edge=False, show_edge=False)
    for heading in ("phase", *phase_cells(plan, 0)):
        table.add_column(heading)
    for index, phase in enumerate(plan):
        table.add_row(phase.name, *phase_cells(plan, index).values())
    return table_text(table)


def phase_cells(plan: Sequence[Phase], index: int) -> dict[str, str]:
    """What a phase of a plan does, in words, by what it concerns."""
    phase, first = plan[index], first_epochs(plan)[index]
    end, factors = first + phase.epochs, phase.factors
    if phase.train is None and len(set(factors.values())) == 1:
        trains = f"all x{next(iter(factors.values())):g}"
    else:
        trains = ", ".join(f"{name} x{factor:g}" for name, factor in factors.items())
    criterion = phase.parsed_criterion()
    shares = phase.horizon_weights if isinstance(phase.horizon_weights, dict) else {}
    return {
        "epochs": f"{first + 1}-{end}",
        "parts on": ", ".join(phase.parts_on) or "none",
        "trains": trains,
        "terms": ", ".join(f"{n} {w:g}" for n, w in phase.terms.items() if w) or "balanced",
        "horizons": ", ".join(f"{horizon}d {share:.2g}" for horizon, share in shares.items()),
        "criterion": f"{phase.otherwise} unless {criterion} (epoch {end})" if criterion else "none",
    }
