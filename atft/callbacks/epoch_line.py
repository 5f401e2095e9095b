"""One line an epoch, and on a terminal a bar that moves within it. Validation is quiet.

epoch  3/12   loss 0.912   val/rank_ic +0.0421   val/ic +0.0402   val/scale 0.31   9,812 stock-days/s   12.3 s
"""

import time
from typing import Any

import lightning.pytorch as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from atft.batch import DayBatch


class EpochLine(pl.Callback):
    """Print what an epoch brought; show a bar while it trains when the output is a terminal."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._started = self._trained = 0.0
        self._rows: list[Any] = []

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._started = self._trained = time.perf_counter()
        self._rows = []
        if not trainer.is_global_zero:
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(
            *columns, console=self.console, transient=True, disable=not self.console.is_terminal
        )
        self._bar.start()
        self._task = self._bar.add_task(_position(trainer), total=_blocks(trainer))

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: DayBatch, batch_idx: int
    ) -> None:
        self._rows.append(batch.universe.sum())
        self._trained = time.perf_counter()
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._stop()
        if not trainer.is_global_zero:
            return
        seconds = time.perf_counter() - self._started
        rows = sum(int(r) for r in self._rows)
        metrics = trainer.callback_metrics
        parts = [_position(trainer)]
        if "train/loss" in metrics:
            parts.append(f"loss {float(metrics['train/loss']):.4f}")
        parts += [f"{n} {float(metrics[n]):+.4f}" for n in ("val/rank_ic", "val/ic") if n in metrics]
        if "val/scale" in metrics:
            parts.append(f"val/scale {float(metrics['val/scale']):.2f}")
        parts += [f"{rows / max(self._trained - self._started, 1e-9):,.0f} stock-days/s", f"{seconds:.1f} s"]
        self.console.print("   ".join(parts), soft_wrap=True)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _blocks(trainer: pl.Trainer) -> int:
    plan = getattr(trainer.train_dataloader, "plan", None)
    return len(plan) if plan is not None else int(trainer.num_training_batches)


def _position(trainer: pl.Trainer) -> str:
    last = trainer.max_epochs if trainer.max_epochs and trainer.max_epochs > 0 else "?"
    return f"epoch {trainer.current_epoch + 1:>3}/{last}"
