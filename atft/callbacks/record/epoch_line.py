"""What a run prints: a line an epoch, and what its task and checkpoint have to report; also in run.log.

epoch  3/12   loss 0.912   val/rank_ic +0.0421   val/ic +0.0402   val/scale 0.31   9,812 stock-days/s   12.3 s
"""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from rich.console import Console
from rich.progress import Progress, TaskID

from atft.batch import DayBatch
from atft.callbacks.record.messages import append_log, warn
from atft.callbacks.record.run_checkpoint import find_checkpoint
from atft.progress import progress_bar


class EpochLine(pl.Callback):
    """Print a line an epoch, with a progress bar within it on a terminal; warn when memory runs out.

    ``health/memory_retries`` counts the retries of all devices over the run so far. Warnings name each of the first
    device's own, and once an epoch how many more there were on the others.

    Args:
        directory: the run's, whose ``run.log`` keeps the lines.
        quiet: write to ``run.log`` only, where many runs share a terminal.
    """

    def __init__(self, directory: Path, quiet: bool = False) -> None:
        self.directory = directory
        self.quiet = quiet
        self.console = Console(stderr=True, highlight=False)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._started = 0.0
        self._retries = self._retries_elsewhere = 0  # reported so far

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._started = time.perf_counter()  # Lightning calls no epoch start when one is resumed midway
        checkpoint = find_checkpoint(trainer)
        if checkpoint is not None and checkpoint.lost:
            warn(
                trainer,
                f"{checkpoint.lost}: the previous run's best checkpoint is missing, also beside the one resumed "
                f"from; the best is selected without it",
            )

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._started = time.perf_counter()
        if self.quiet or not trainer.is_global_zero:
            return
        self._bar = progress_bar(transient=True)
        self._bar.start()
        self._task = self._bar.add_task(_position(trainer), total=_blocks(trainer))

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: DayBatch, batch_idx: int
    ) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task)
        self._report_retries(trainer, pl_module)
        if trainer.is_last_batch:
            count = torch.tensor(len(pl_module.memory_retries), device=pl_module.device)
            everywhere = int(trainer.strategy.reduce(count, reduce_op="sum"))
            elsewhere = everywhere - len(pl_module.memory_retries)
            if elsewhere > self._retries_elsewhere:
                self._retries_elsewhere = elsewhere
                warn(trainer, f"memory ran out {elsewhere} times so far on the other devices")
            pl_module.log(
                "health/memory_retries", float(everywhere), on_step=False, on_epoch=True, batch_size=1
            )

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: Any,
        outputs: Any,
        batch: DayBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._report_retries(trainer, pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._stop()
        if not trainer.is_global_zero:
            return
        seconds = time.perf_counter() - self._started
        metrics = trainer.callback_metrics
        parts = [_position(trainer)]
        if "train/loss" in metrics:
            parts.append(f"loss {float(metrics['train/loss']):.4f}")
        parts += [f"{n} {float(metrics[n]):+.4f}" for n in ("val/rank_ic", "val/ic") if n in metrics]
        if "val/scale" in metrics:
            parts.append(f"val/scale {float(metrics['val/scale']):.2f}")
        if "speed/stock_days_per_second" in metrics:
            parts.append(f"{float(metrics['speed/stock_days_per_second']):,.0f} stock-days/s")
        parts.append(f"{seconds:.1f} s")
        line = "   ".join(parts)
        if not self.quiet:
            self.console.print(line, soft_wrap=True)
        append_log(self.directory, line)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        self._stop()
        if trainer.is_global_zero:
            what = " ".join(f"{type(exception).__name__}: {exception}".strip(": ").split())
            with suppress(OSError):  # a full disk is what ended the run, perhaps
                append_log(self.directory, f"ended by {what}")

    def _report_retries(self, trainer: pl.Trainer, task: Any) -> None:
        for retry in task.memory_retries[self._retries :]:
            warn(
                trainer,
                f"memory ran out ({retry.split}, epoch {retry.epoch}, step {retry.step + 1}) with "
                f"{retry.from_days} days of {retry.stocks} stocks at once; continuing with {retry.to_days}: "
                f"same gradient and steps, one more forward pass; data.loader.block_days {retry.to_days} avoids it",
            )
        self._retries = len(task.memory_retries)

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
