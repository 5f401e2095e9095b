"""Callbacks of a run on several ranks: they break one of its processes, or write down what each of them sees."""

import json
import os
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch


class Signalled(pl.Callback):
    """Send a signal to the process of ``rank`` once ``step`` steps are taken."""

    def __init__(self, rank: int, step: int, number: int) -> None:
        self.rank, self.step, self.number = rank, step, number

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_rank == self.rank and trainer.global_step == self.step:
            os.kill(os.getpid(), self.number)


class Poisoned(pl.Callback):
    """Make the returns of the blocks of ``rank`` not finite once ``step`` steps are taken."""

    def __init__(self, rank: int, step: int) -> None:
        self.rank, self.step = rank, step

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, *_: Any) -> None:
        if trainer.global_rank == self.rank and trainer.global_step == self.step:
            batch.target.fill_(torch.inf)


class Seen(pl.Callback):
    """Write which day was in which step on this rank, and a checkpoint after ``middle`` steps."""

    def __init__(self, folder: str, middle: int) -> None:
        self.folder, self.middle = Path(folder), middle
        self.seen: list[tuple[str, int, int, int]] = []

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, *_: Any
    ) -> None:
        self._add("train", trainer, pl_module.step.number, batch)
        if trainer.global_step == self.middle and batch.closes_step:
            trainer.save_checkpoint(self.folder / "middle.ckpt")

    def on_validation_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, *_: Any
    ) -> None:
        self._add("val", trainer, trainer.global_step, batch)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        (self.folder / f"seen{trainer.global_rank}.json").write_text(json.dumps(self.seen))

    def _add(self, split: str, trainer: pl.Trainer, step: int, batch: Any) -> None:
        days = batch.day[batch.universe.any(1)].tolist()
        self.seen += [(split, trainer.current_epoch, step, day) for day in days]
