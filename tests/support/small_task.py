"""A ranking task of a few weights, trained by Lightning on blocks from memory: no data module, no run directory."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch.utils.data import DataLoader

from atft.batch import DayBatch
from atft.losses.objective import ObjectiveOptions
from atft.nn.atft_gat_fan import ATFTGATFAN
from atft.tasks.ranking import RankingTask

IN_MEMORY = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers.*",
    "ignore:.*have no `val_dataloader`.*",
    "ignore:.*LeafSpec.*",  # Lightning 2.6 names a torch class that torch renamed
    "ignore:.*Trying to infer the `batch_size`.*",
)
"""What Lightning says of training without a data module, which is what these tests want."""
SIZES: dict[str, Any] = {
    "hidden_size": 8,
    "gat_layers": 1,
    "dropout": 0.0,
    "gat_dropout": 0.0,
}


def small_task(**changes: Any) -> RankingTask:
    """The same small task at each call: five features, the IC term, plain gradient descent without clipping."""
    torch.manual_seed(0)
    given: dict[str, Any] = {
        "network": partial(ATFTGATFAN, **SIZES),
        "horizons": [1, 5],
        "objective": ObjectiveOptions(terms={"ic": 1.0}),
        "optimizer": partial(torch.optim.SGD, lr=0.1),
        "features": [f"x_{i}" for i in range(5)],
        "gradient_clip": None,
    }
    return RankingTask(**{**given, **changes})


def fit(
    module: RankingTask,
    blocks: Iterable[DayBatch],
    folder: Path,
    *callbacks: pl.Callback,
    val_blocks: Iterable[DayBatch] = (),
    ckpt_path: Path | None = None,
    kind: type[pl.Trainer] = pl.Trainer,
    **options: Any,
) -> Any:
    """Train one epoch, or what ``options`` of the trainer say; the trainer afterwards."""
    silent = dict.fromkeys(
        ("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing"), False
    )
    given = {"accelerator": "cpu", "default_root_dir": folder, "max_epochs": 1, **silent, **options}
    run = kind(callbacks=list(callbacks), **given)
    loaders = [
        DataLoader(list(given_blocks), batch_size=None, generator=torch.Generator())  # type: ignore[arg-type]
        for given_blocks in (blocks, val_blocks)
    ]
    run.fit(module, loaders[0], loaders[1] if len(loaders[1]) else None, ckpt_path=ckpt_path)
    return run


class StopsAfter(pl.Callback):
    """Asks for a stop after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        trainer.should_stop = trainer.should_stop or trainer.global_step == self.step
