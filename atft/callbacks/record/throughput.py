"""How fast an epoch trained and how long it waited for data; validation and checkpoints are not counted.

`RunRecord` counts on the device; its counters are read after the epoch's last block, so that the time includes
what the device still had to do and no step waits. A high share of waiting asks for loader workers or a faster
disk; a low use of the GPU with little waiting, for larger blocks.
"""

import time
from importlib.util import find_spec
from typing import Any

import lightning.pytorch as pl
import torch

from atft.callbacks.record.run_record import RunRecord

GIGABYTE = 1e9


class Throughput(pl.Callback):
    """Log ``speed/*`` once an epoch: stock-days and days a second, share waiting for data, GPU memory and use.

    ``speed/stock_days_per_second`` and ``speed/days_per_second`` count all devices; ``speed/waiting_share`` is
    the share of the time between blocks, in [0, 1]; ``speed/gpu_memory_gb`` the most that tensors took in the
    epoch, ``speed/gpu_use`` NVIDIA's figure of busy time at the epoch's end, in [0, 1], where its library
    (pynvml) is installed. All of the first device. Without a GPU the last two do not appear.

    Args:
        record: of the run; it counts a block before this reads the counters.
    """

    def __init__(self, record: RunRecord) -> None:
        self.record = record

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if pl_module.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(pl_module.device)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        if not trainer.is_last_batch:
            return
        # Logged here and not when the epoch is over: validation comes in between.
        rows, days = self.record.seen("train", trainer)
        seconds = max(time.perf_counter() - self.record.epoch_started, 1e-9)
        speeds = {
            "speed/stock_days_per_second": rows / seconds,
            "speed/days_per_second": days / seconds,
            "speed/waiting_share": self.record.epoch_waiting / seconds,
        }
        pl_module.log_dict(speeds | gpu_figures(pl_module.device), on_step=False, on_epoch=True)


def gpu_figures(device: torch.device) -> dict[str, float]:
    """Peak memory since the last reset, and the busy share where NVIDIA's library says it; empty without a GPU."""
    if device.type != "cuda":
        return {}
    figures = {"speed/gpu_memory_gb": torch.cuda.max_memory_allocated(device) / GIGABYTE}
    if find_spec("pynvml") is not None:
        figures["speed/gpu_use"] = torch.cuda.utilization(device) / 100
    return figures
