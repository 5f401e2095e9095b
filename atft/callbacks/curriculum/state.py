"""Setting a phase on the network, the optimiser and the loss, and checking afterwards that it held.

A switch that nothing reads is the usual fate of a curriculum, so an epoch's end compares what is there with what
was asked, down to the parameters that should not have moved.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from atft.callbacks.curriculum.plan import ResolvedPhase
from atft.errors import PhaseNotApplied
from atft.optim.phase_rates import FACTOR, set_factors


def apply_phase(phase: ResolvedPhase, pl_module: Any, optimizer: torch.optim.Optimizer) -> None:
    """Set parts, training groups, learning-rate factors and loss weights as a phase says.

    Args:
        phase: what to set.
        pl_module: with ``network`` (parts and parameter groups) and ``objective`` (weights).
        optimizer: with the network's named groups.
    """
    pl_module.network.set_parts(**phase.parts)
    let_train(pl_module, phase.lr_factors)
    set_factors(optimizer, phase.lr_factors)
    pl_module.objective.set_weights(phase.terms, phase.horizon_shares)


def fingerprints(pl_module: Any, phase: ResolvedPhase) -> dict[str, Tensor]:
    """Sum up, in float64, the parameters of each group that rests in a phase; they must not move."""
    return {
        name: torch.stack([p.detach().double().norm() for p in group])
        for name, group in pl_module.network.parameter_groups().items()
        if group and name not in phase.lr_factors
    }


def check_state(
    phase: ResolvedPhase, pl_module: Any, optimizer: torch.optim.Optimizer, resting: dict[str, Tensor]
) -> None:
    """Check after an epoch that it ran as its phase says.

    Args:
        phase: what the epoch should have run.
        pl_module: what ran it.
        optimizer: what stepped.
        resting: :func:`fingerprints` from the epoch's start.

    Raises:
        PhaseNotApplied: with the first difference.
    """
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    wrong = [
        f"part {n} was switched otherwise"
        for n, on in phase.parts.items()
        if pl_module.network.switches[n] != on
    ]
    for name, group in pl_module.network.parameter_groups().items():
        trains = name in phase.lr_factors
        if any(p.requires_grad != trains for p in group):
            wrong.append(f"{name} {'rested' if trains else 'trained'}")
        elif trains and any(id(p) not in held for p in group):
            wrong.append(f"{name} is unknown to the optimiser")
    factors = {g["name"]: g.get(FACTOR) for g in optimizer.param_groups}
    wrong += [f"{n} stepped at x{f}" for n, f in factors.items() if f != phase.lr_factors.get(n, f)]
    weights = pl_module.objective.term_weights
    wrong += [
        f"term {n} weighed {weights.get(n)}" for n, w in (phase.terms or {}).items() if weights.get(n) != w
    ]
    now = fingerprints(pl_module, phase)
    wrong += [f"{n} rests and has moved" for n, norms in resting.items() if not torch.equal(norms, now[n])]
    if wrong:
        raise PhaseNotApplied(
            f"phase {phase.name} was not applied: {wrong[0]}; nothing else may set these in a run"
        )


def let_train(pl_module: Any, names: Iterable[str]) -> None:
    """Let exactly the named parameter groups ask for a gradient."""
    names = set(names)
    for name, group in pl_module.network.parameter_groups().items():
        for parameter in group:
            parameter.requires_grad_(name in names)
