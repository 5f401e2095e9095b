"""Check that a run which resumes asks for what its checkpoint was trained for.

A loss, a network's dropout or a split that changes between two epochs would leave one run of two trainings, whose
receipt and configuration know of the second one only. The checkpoint's configuration is compared as plain text:
nothing that it names is imported.
"""

from atft.commands.machine_keys import changed_keys
from atft.commands.moved_keys import REMOVED
from atft.errors import InputError
from atft.yaml_text import is_inside, mapping_of

DECIDING = ("seed_everything", "model", "data", "curriculum")
"""Sections that decide what is trained; the others say how long, what is recorded and what follows."""
ELSEWHERE = ("model.optimizer", "model.scheduler", "model.cuda_graphs", "data.panel.path")
"""Of these, what is compared by its effect (state of the optimiser, features and dates), or changes no score."""
OF_ANY_NAME = ("model.objective",)
"""Mappings whose keys the user names: one that the checkpoint lacks is new, and not of a later version."""


def check_same_training(checkpoint: str, trained: str, config: str) -> None:
    """Check that a run's configuration is that of the checkpoint it resumes, where it decides what is trained.

    Args:
        checkpoint: its name, for the message.
        trained: the configuration that it carries, YAML; empty where a task of Python's was trained.
        config: the run's own.

    Raises:
        InputError: a key differs; the line names the first.
    """
    if not trained:
        return
    before = mapping_of(trained, f"{checkpoint}: its configuration")
    for key, was, now, is_new in changed_keys(before, mapping_of(config, "the configuration")):
        decides = is_inside(key, DECIDING) and not is_inside(key, (*ELSEWHERE, *REMOVED))
        of_later_version = is_new and not is_inside(key, OF_ANY_NAME)
        if decides and not of_later_version:
            raise InputError(
                f"{checkpoint}: trained with {key} {was}, now {now}; put it back, or begin a new run with "
                f"--init_from {checkpoint}"
            )
