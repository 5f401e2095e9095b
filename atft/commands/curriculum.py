"""What a curriculum decides for other keys of the configuration: the run's length, and the terms that are built."""

from typing import Any

from atft.callbacks.curriculum.phase import Phase
from atft.errors import InputError


def settle_curriculum(config: Any) -> list[Phase]:
    """Derive ``trainer.max_epochs`` and the terms of weight 0 from the phases; return the phases.

    A term that only some phase weighs is built from the start, so that the network and the optimiser never
    change; elsewhere it is measured and reported with weight 0.

    Args:
        config: the parsed configuration, before anything is built; changed in place.

    Raises:
        InputError: an invalid phase, or a ``trainer.max_epochs`` beyond the last phase.
    """
    # Before anything is built the parser hands plain namespaces.
    written = config.curriculum.phases or []
    phases = [phase if isinstance(phase, Phase) else Phase(**phase.as_dict()) for phase in written]
    if not phases:
        return []
    total, max_epochs = sum(phase.epochs for phase in phases), config.trainer.max_epochs
    if max_epochs is not None and not 0 <= max_epochs <= total:
        raise InputError(
            f"trainer.max_epochs is {max_epochs}, the phases of the curriculum end after {total} epochs; "
            f"leave max_epochs out, or lengthen a phase"
        )
    config.trainer.max_epochs = total if max_epochs is None else max_epochs
    for phase in phases:
        for name in phase.terms:
            config.model.objective.terms.setdefault(name, 0.0)
    return phases
