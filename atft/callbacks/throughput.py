"""How fast an epoch trained, and what it waited for: the numbers that say where the time goes.

Training only: validation and checkpoints are not in it. Counters stay on the device and are read after the
epoch's last block, so that the time includes what the device still had to do and no step waits. A high share of
waiting asks for loader workers or a faster disk; a low use of the GPU with little waiting, for larger blocks.
"""

import time
from importlib.util import find_spec
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from atft.batch import DayBatch

GIGABYTE = 1e9


class Throughput(pl.Callback):
    """Log ``speed/*`` once an epoch: stock-days and days a second, share waiting for data, GPU memory and use.

    ``speed/stock_days_per_second`` and ``speed/days_per_second`` count all devices; ``speed/waiting_share`` is
    the share of the time between blocks, in [0, 1]; ``speed/gpu_memory_gb`` the most that tensors took in the
    epoch, ``speed/gpu_use`` NVIDIA's figure of busy time at the epoch's end, in [0, 1], where its library
    (pynvml) is installed. All of the first device. Without a GPU the last two do not appear.
    """

    def __init__(self) -> None:
        self._rows = torch.zeros((), dtype=torch.int64)
        self._days: list[Tensor] = []
        self._started = self._idle_since = time.perf_counter()
        self._waiting = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._rows = torch.zeros((), dtype=torch.int64, device=pl_module.device)
        self._days, self._waiting = [], 0.0
        if pl_module.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(pl_module.device)
        self._started = self._idle_since = time.perf_counter()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: Any, batch: DayBatch, batch_idx: int
    ) -> None:
        self._waiting += time.perf_counter() - self._idle_since

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: DayBatch, batch_idx: int
    ) -> None:
        self._rows += batch.universe.sum()
        self._days.append(torch.where(batch.universe.any(1), batch.day, -1))
        if trainer.is_last_batch:
            # Logged here and not when the epoch is over: validation comes in between.
            pl_module.log_dict(self._speeds(trainer, pl_module.device), on_step=False, on_epoch=True)
        self._idle_since = time.perf_counter()

    def _speeds(self, trainer: pl.Trainer, device: torch.device) -> dict[str, float]:
        days = distinct_days(self._days)
        counted = trainer.strategy.reduce(torch.stack([self._rows, days]), reduce_op="sum")
        rows, days_seen = (int(n) for n in counted)
        seconds = max(time.perf_counter() - self._started, 1e-9)
        speeds = {
            "speed/stock_days_per_second": rows / seconds,
            "speed/days_per_second": days_seen / seconds,
            "speed/waiting_share": self._waiting / seconds,
        }
        return speeds | gpu_figures(device)


def distinct_days(days: list[Tensor]) -> Tensor:
    """Count the days of several blocks once each; -1 stands for none. A 0-d integer tensor, 0 for no block."""
    if not days:
        return torch.zeros((), dtype=torch.int64)
    ordered = torch.cat(days).sort().values
    fresh = ordered >= 0
    fresh[1:] &= ordered[1:] != ordered[:-1]
    return fresh.sum()


def gpu_figures(device: torch.device) -> dict[str, float]:
    """Peak memory since the last reset, and the busy share where NVIDIA's library says it; empty without a GPU."""
    if device.type != "cuda":
        return {}
    figures = {"speed/gpu_memory_gb": torch.cuda.max_memory_allocated(device) / GIGABYTE}
    if find_spec("pynvml") is not None:
        figures["speed/gpu_use"] = torch.cuda.utilization(device) / 100
    return figures
