"""Begin a training with the weights of another one: same network, new optimiser, schedule and epochs."""

from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from atft.errors import InputError
from atft.files.checkpoint_file import network_weights, read_checkpoint
from atft.network import parameter_names
from atft.tasks.checkpoint_match import check_regimes, check_shapes
from atft.tasks.seen_days import check_unseen

if TYPE_CHECKING:
    from atft.tasks.day_data import DayData
    from atft.tasks.ranking import RankingTask


def load_initial_weights(task: "RankingTask", path: str | Path, data: "DayData | None" = None) -> None:
    """Give the network of a task the weights of a checkpoint, whose scaling the training days then replace.

    Those of a pretrained network have no heads: the task keeps its own, new ones.

    Args:
        task: as built.
        path: of the checkpoint; ``{fold}`` in it stands for the number of the fold that trains.
        data: what the run trains on: the checkpoint must not have learned from days that it scores. None checks
            nothing.

    Raises:
        InputError: the file is damaged or no checkpoint, or is of a network of other sizes, features or
            market-wide columns; or it has seen days that the run scores.
    """
    if data is not None:
        fold = data.split_options.fold
        if fold is None and "{fold}" in str(path):
            raise InputError(
                f"{path}: this run trains no fold, so {{fold}} has no number; set data.split.fold"
            )
        path = str(path).replace("{fold}", str(fold))
    content = read_checkpoint(path)
    entries = content["atft"]
    trained_on = list(entries.get("features", task.features))
    if trained_on != task.features:
        raise InputError(
            f"{path}: its {len(trained_on)} features are not the panel's {len(task.features)} in their order; name "
            f"a checkpoint of the same features"
        )
    check_regimes(task.network, entries.get("regimes", task.regimes), task.regimes)
    weights = network_weights(content)
    if data is not None:
        check_unseen(entries, str(path), data)
    if "pretrained" in entries:
        weights |= _new_heads(task, entries["pretrained"].get("heads", ""))
    check_shapes(weights, task.network.state_dict())
    task.network.load_state_dict(weights)


def _new_heads(task: "RankingTask", heads: str) -> dict[str, Tensor]:
    """The task's own weights of the parameter groups that pretraining does not train, their names in one text."""
    names = parameter_names(task.network, heads.split())
    return {name: p.detach().clone() for name, p in task.network.named_parameters() if name in names}
