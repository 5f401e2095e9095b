"""What a curriculum decides for other keys of the configuration: the run's length, and the terms that are built.

Said once, in the phases; a key that says something else is refused, or, where it merely ends the run earlier,
told in the run's alarms.
"""

from typing import Any

import lightning.pytorch as pl
from jsonargparse import Namespace

from atft.callbacks.curriculum.phase import Criterion, Phase
from atft.callbacks.curriculum.plan import check_names
from atft.callbacks.curriculum.schedule import PhaseSchedule
from atft.errors import InputError


def settle_curriculum(config: Any) -> None:
    """Derive ``trainer.max_epochs`` and the terms of weight 0 from the phases.

    A term that only some phase weighs is built from the start, so that the network and the optimiser never
    change; elsewhere it is valued and reported with weight 0.

    Args:
        config: the parsed configuration, before anything is built; changed in place.

    Raises:
        InputError: a phase that cannot be, or a ``trainer.max_epochs`` beyond the last phase.
    """
    phases = [_phase(given) for given in config.curriculum.phases or []]
    if not phases:
        return
    check_names(phases)
    total, asked = sum(phase.epochs for phase in phases), config.trainer.max_epochs
    if asked is not None and not 0 <= asked <= total:
        raise InputError(
            f"trainer.max_epochs is {asked}, the phases of the curriculum end after {total} epochs; "
            f"leave max_epochs out, or lengthen a phase"
        )
    config.trainer.max_epochs = total if asked is None else asked
    terms = config.model.objective.terms
    for name in (n for phase in phases for n in phase.terms):
        terms.setdefault(name, 0.0)


def attach_curriculum(
    callbacks: list[pl.Callback], trainer: pl.Trainer, model: pl.LightningModule, quiet: bool
) -> list[PhaseSchedule]:
    """Take the curriculum out of the callbacks, refuse what it cannot be, and hand it back if it has phases.

    Args:
        callbacks: the trainer's; the curriculum is removed, its caller decides who stands before it.
        trainer: what is to run the phases.
        model: what the phases switch.
        quiet: write to ``run.log`` only.

    Raises:
        InputError: see `PhaseSchedule.bind`.
    """
    schedules = [c for c in callbacks if isinstance(c, PhaseSchedule)]
    callbacks[:] = [c for c in callbacks if not isinstance(c, PhaseSchedule)]
    attached = [schedule for schedule in schedules if schedule.phases]
    for schedule in attached:
        schedule.bind(trainer, model)
        schedule.quiet = quiet
    return attached


def _phase(given: Any) -> Phase:
    """The phase itself: before anything is built the parser hands plain namespaces."""
    if not isinstance(given, Namespace):
        return given if isinstance(given, Phase) else Phase(**given)
    held = given.as_dict()
    criterion = held.pop("criterion", None)
    return Phase(**held, criterion=Criterion(**criterion) if isinstance(criterion, dict) else criterion)
