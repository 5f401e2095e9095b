"""Show the progress of an epoch.

epoch  3/12   step 40 of 128   loss 0.9123   9,812 stock-days/s   0:00:45
"""

from typing import Any

import lightning.pytorch as pl
from torch import Tensor

from atft.batch import DayBatch
from atft.callbacks.record.messages import epoch_of
from atft.data.block_plan import PlannedBlock
from atft.data.loader import BlockLoader
from atft.process.progress import OF_PROCESS, LineTimer, Progress, duration


class EpochProgress(pl.Callback):
    """Show a bar of blocks on a terminal; elsewhere print a line at least every 30 s, however long a step takes.

    Steps, loss and speed are those of the epoch since this process began it; the loss is the mean of the steps, of
    the first device's blocks.
    """

    def __init__(self, timer: LineTimer = OF_PROCESS) -> None:
        self._timer = timer
        self._work: Progress | None = None
        self._position = ""
        self._blocks: list[PlannedBlock] = []
        self._first, self._done = -1, 0  # of the plan's blocks: where this process began, how many are done
        self._devices = 1
        # Replaced as a whole: the line is made by another thread.
        self._losses: tuple[Tensor | float, int] = 0.0, 0
        self._evaluated: tuple[int, int] | None = None

    def line(self, work: Progress) -> str:
        """The epoch so far."""
        parts = [self._position]
        done, (losses, steps) = self._blocks[: self._done], self._losses
        if self._evaluated is not None:
            parts.append("validating: block {} of {}".format(*self._evaluated))
        elif self._blocks:
            closed = sum(b.closes_step for b in done)
            parts.append(f"step {closed} of {sum(b.closes_step for b in self._blocks)}")
        if steps:
            parts.append(f"loss {float(losses) / steps * self._devices:.4f}")
        if self._evaluated is None and self._first >= 0:
            rows = self._devices * sum(b.rows for b in done[self._first :])
            parts.append(f"{rows / max(work.seconds, 1e-9):,.0f} stock-days/s")
        return "   ".join([*parts, duration(work.seconds)])

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.on_train_epoch_start(trainer, pl_module)  # Lightning calls none when one is resumed midway

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        loader = trainer.train_dataloader
        self._blocks = loader.plan.plan() if isinstance(loader, BlockLoader) else []
        self._first, self._done, self._losses, self._evaluated = -1, 0, (0.0, 0), None
        self._devices, self._position = trainer.world_size, epoch_of(trainer)
        self._begin(trainer, len(self._blocks) or int(trainer.num_training_batches))

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: DayBatch, *_: Any
    ) -> None:
        if self._first < 0:
            self._first = batch.position
        self._done = batch.position + 1
        if batch.closes_step and "train/loss" in pl_module.step.sums:
            losses, steps = self._losses
            self._losses = losses + pl_module.step.sums["train/loss"], steps + 1
        if self._work is not None:
            self._work.advance()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._end()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._end()

    def on_exception(self, trainer: pl.Trainer, pl_module: Any, exception: BaseException) -> None:
        self._end()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        loader = trainer.val_dataloaders
        self._evaluated = 0, len(loader.plan) if isinstance(loader, BlockLoader) else 0

    def on_validation_batch_end(self, *_: Any) -> None:
        if self._evaluated is not None:
            self._evaluated = self._evaluated[0] + 1, self._evaluated[1]

    def on_validation_end(self, *_: Any) -> None:
        self._evaluated = None

    def _begin(self, trainer: pl.Trainer, total: int) -> None:
        self._end()
        if trainer.is_global_zero:
            self._work = Progress(self._position, total, self.line, transient=True, timer=self._timer)
            self._work.__enter__()

    def _end(self) -> None:
        if self._work is not None:
            self._work.__exit__()
            self._work = None
