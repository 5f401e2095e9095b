"""Check that a run which resumes asks for what its checkpoint was trained for.

A loss, a network's dropout or a split that changes between two epochs would leave one run of two trainings, whose
receipt and configuration know of the second one only. The checkpoint's configuration is compared as plain text:
nothing that it names is imported.
"""

from atft.errors import InputError
from atft.files.yaml_text import flat_keys, is_inside, mapping_of
from atft.runs.machine_keys import changed_keys

DECIDING = ("seed_everything", "model", "data", "curriculum")
"""Sections that decide what is trained; the others say how long, what is recorded and what follows."""
ELSEWHERE = ("model.optimizer", "model.scheduler", "model.cuda_graphs", "data.panel.path")
"""Of these, what is compared by its effect (state of the optimiser, features and dates), or changes no score."""
OF_ANY_NAME = ("model.objective", "model.network.dict_kwargs")
"""Mappings whose keys the user names: one that only one side has is a change, and not of another version."""
CLASS = "model.network.class_path"


def check_same_training(checkpoint: str, trained: str, config: str) -> None:
    """Check that a run's configuration is that of the checkpoint it resumes, where it decides what is trained.

    Args:
        checkpoint: its name, for the message.
        trained: the configuration that it carries, YAML; empty where it carries none.
        config: the run's own, of which a task of Python's has only the arguments that were given to its network.
    """
    if not trained:
        return
    before = mapping_of(trained, f"{checkpoint}: its configuration")
    after = mapping_of(config, "the configuration")
    was_class, now_class = (str(flat_keys(of).get(CLASS) or "") for of in (before, after))
    overlooked = list(ELSEWHERE)
    if not (was_class and now_class):  # a function of Python's has no name: shapes are compared
        overlooked.append("model.network")
    elif was_class.rpartition(".")[2] == now_class.rpartition(".")[2]:  # a class may have several paths
        overlooked.append(CLASS)
    for key, was, now, on_one_side in changed_keys(before, after):
        decides = is_inside(key, DECIDING) and not is_inside(key, overlooked)
        of_other_version = on_one_side and not is_inside(key, OF_ANY_NAME)
        if decides and not of_other_version:
            raise InputError(
                f"{checkpoint}: trained with {key} {was}, now {now}; put it back, or begin a new run with "
                f"--init_from {checkpoint}"
            )
