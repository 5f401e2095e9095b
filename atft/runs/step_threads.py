"""Train on one thread where a block is small work: threads that share little lose more than they save.

Each operation of a block hands parts of itself to the threads and waits for the last of them. A block of quickstart
is 130 million products in hundreds of operations: one thread trains it 1.4 times as fast as two that have cores of
their own, and several times as fast where other programs use the cores, since a thread may wait for one of them.
One of ``configs/nasdaq.yaml``, the days of a step, 2.3 billion, gains 1.5 times by the second thread (a day alone,
340 million, 1.3 times), one of ``benchmarks/train.py``, 6.9 billion, 1.4 times (EXPERIMENTS.md).
"""

import lightning.pytorch as pl
import torch

from atft.data.block_plan import MAX_JOINED_ROWS
from atft.tasks.day_data import DayData

MIN_PRODUCTS = 2e8
"""Weights times rows of a block's span above which its operations are worth sharing."""


def block_products(task: pl.LightningModule, data: DayData) -> float:
    """Weights times rows of a median training block: about the multiplications of its forward pass."""
    # Members of an ensemble are trained one after another.
    weights = sum(p.numel() for p in task.parameters()) / getattr(task, "members", 1)
    loader = data.loader_options
    rows = torch.tensor(data.open_cache().manifest.universe_rows)[torch.from_numpy(data.split.train)]
    stocks = min(float(rows.median()), float(loader.batch_size))
    if loader.joins_days:
        return weights * max(stocks, min(loader.batch_size, MAX_JOINED_ROWS))
    days = min(loader.block_days, max(1, int(loader.batch_size // max(stocks, 1))))
    return weights * stocks * (days + loader.lookback - 1)


class StepThreads(pl.Callback):
    """Cap the threads of a training on the CPU at one where :func:`block_products` is small; restored after it."""

    def __init__(self) -> None:
        self._before: int | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        data = trainer.datamodule  # type: ignore[attr-defined]
        if pl_module.device.type == "cpu" and isinstance(data, DayData):
            self._before = torch.get_num_threads()
            if block_products(pl_module, data) < MIN_PRODUCTS:
                torch.set_num_threads(1)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._restore()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        self._restore()

    def _restore(self) -> None:
        if self._before is not None:
            torch.set_num_threads(self._before)
            self._before = None
