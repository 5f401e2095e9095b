"""Tells when memory ran out and a block was tried again in smaller chunks of days.

The task makes the retry and keeps a record of it; this says so on the terminal and in the receipt. There are few
lines of it in a run, since the size that worked is kept. Costs nothing.
"""

from typing import Any

import lightning.pytorch as pl
import torch

from atft.callbacks.record.alarm import sound_alarm
from atft.callbacks.record.run_record import find_record


class MemoryRetries(pl.Callback):
    """Copy the task's retries into ``receipt.retries``, sound an alarm for each, log ``health/memory_retries``.

    The scalar counts all devices, over the run so far; receipt and alarms give the first device's own retries, and
    once an epoch how many more there were on the others.
    """

    def __init__(self) -> None:
        self._told = self._told_of_others = 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._tell(trainer, pl_module)
        if trainer.is_last_batch:
            own = len(pl_module.memory_retries)
            everywhere = int(
                trainer.strategy.reduce(torch.tensor(own, device=pl_module.device), reduce_op="sum")
            )
            if everywhere - own > self._told_of_others:
                self._told_of_others = everywhere - own
                sound_alarm(trainer, f"memory ran out {everywhere - own} times so far on the other devices")
            pl_module.log(
                "health/memory_retries", float(everywhere), on_step=False, on_epoch=True, batch_size=1
            )

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: Any,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._tell(trainer, pl_module)

    def _tell(self, trainer: pl.Trainer, pl_module: Any) -> None:
        record = find_record(trainer)
        for retry in pl_module.memory_retries[self._told :]:
            if record is not None:
                record.receipt.retries.append(retry._asdict())
            sound_alarm(
                trainer,
                f"memory ran out ({retry.split}, epoch {retry.epoch}, step {retry.step + 1}) with "
                f"{retry.from_days} days of {retry.stocks} stocks at once; going on with {retry.to_days} at once: "
                f"same gradient and steps, one forward more; data.loader.block_days {retry.to_days} would save it",
            )
        self._told = len(pl_module.memory_retries)
