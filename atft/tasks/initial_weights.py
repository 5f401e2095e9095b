"""Begin a training with the weights of another one: same network, new optimiser, schedule and epochs."""

from pathlib import Path
from typing import TYPE_CHECKING

from atft.checkpoint_file import read_checkpoint
from atft.errors import InputError
from atft.tasks.checkpoint_match import check_regimes, check_shapes

if TYPE_CHECKING:
    from atft.tasks.ranking import RankingTask

NETWORK = "network."
"""How the names of the network's weights begin in a checkpoint; others are the loss's and the metrics'."""


def load_initial_weights(task: "RankingTask", path: str | Path) -> None:
    """Give the network of a task the weights of a checkpoint, whose scaling the training days then replace.

    Raises:
        InputError: the file is damaged or no checkpoint, or is of a network of other sizes, features or
            market-wide columns.
    """
    content = read_checkpoint(path)
    entries = content["atft"]
    trained_on = list(entries.get("features", task.features))
    if trained_on != task.features:
        raise InputError(
            f"{path}: its {len(trained_on)} features are not the panel's {len(task.features)} in their order; name "
            f"a checkpoint of the same features"
        )
    check_regimes(task.network, entries.get("regimes", task.regimes), task.regimes)
    weights = {
        name.removeprefix(NETWORK): weight
        for name, weight in content["state_dict"].items()
        if name.startswith(NETWORK)
    }
    check_shapes(weights, task.network.state_dict())
    task.network.load_state_dict(weights)
