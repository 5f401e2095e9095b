"""Keeps the run's receipt and metrics files true while it runs.

Counts what really went through the network (rows, days, optimiser steps), times the epochs and the waiting for
data, and republishes ``receipt.json`` and ``metrics.json`` after every epoch. Counters stay on the device and
are read once an epoch, so nothing waits for the GPU between steps.
"""

import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import EarlyStopping
from torch import Tensor

from atft.batch import DayBatch
from atft.callbacks.receipt import (
    Coverage,
    Receipt,
    code_digest,
    library_versions,
    publish_json,
    text_digest,
    write_receipt,
)


class RunRecord(pl.Callback):
    """Publish ``receipt.json`` and ``metrics.json`` of a training run.

    Args:
        planned: days and rows that one epoch of each split has, as ``{"train": (days, rows), ...}``.
        digests: digests of the data and of the resolved configuration's text.
        resumed_from: the checkpoint that this run goes on from.
    """

    def __init__(self, config_text: str, resumed_from: str | None = None) -> None:
        self.receipt = Receipt(resumed_from=resumed_from, versions=library_versions())
        self.receipt.digests = {"config": text_digest(config_text), "code": code_digest()}
        self.history: list[dict[str, Any]] = []
        self._rows: dict[str, list[Tensor]] = {"train": [], "val": []}
        self._days: dict[str, list[Tensor]] = {"train": [], "val": []}
        self._started = self._epoch_started = self._idle_since = 0.0
        self._waiting = 0.0

    # -- the beginning

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._started = time.perf_counter()
        data = trainer.datamodule  # type: ignore[attr-defined]
        self.receipt.run = str(trainer.log_dir)
        self.receipt.digests["data"] = data.digest
        self.receipt.optimizer = type(trainer.optimizers[0]).__name__ if trainer.optimizers else ""
        self.receipt.scheduler = _scheduler_name(trainer)
        for split, (days, rows) in data.planned().items():
            self.receipt.days[split] = Coverage(planned=days)
            self.receipt.rows[split] = Coverage(planned=rows)
        self._publish(trainer)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._epoch_started = self._idle_since = time.perf_counter()
        self._waiting = 0.0
        self._forget("train")

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._forget("val")

    # -- counting

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: Any, batch: DayBatch, batch_idx: int
    ) -> None:
        self._waiting += time.perf_counter() - self._idle_since

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: DayBatch, batch_idx: int
    ) -> None:
        self._count("train", batch)
        self._idle_since = time.perf_counter()

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: Any,
        outputs: Any,
        batch: DayBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if not trainer.sanity_checking:
            self._count("val", batch)

    # -- the end of an epoch, of the run

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        for split in ("train", "val"):
            self._read_counters(split, trainer)
        self.receipt.epochs = trainer.current_epoch + 1
        self.receipt.steps = trainer.global_step
        seconds = time.perf_counter() - self._epoch_started
        self.receipt.seconds.setdefault("per_epoch", []).append(round(seconds, 3))
        waited = self.receipt.seconds.get("waiting_for_data", 0.0) + self._waiting
        self.receipt.seconds["waiting_for_data"] = round(waited, 3)
        values = {k: float(v) for k, v in trainer.callback_metrics.items()}
        self.history.append({"epoch": trainer.current_epoch, "seconds": seconds, **values})
        self.receipt.metrics = {k: v for k, v in values.items() if k.startswith("val/")}
        self._average_terms()
        self._publish(trainer)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.receipt.seconds["total"] = round(time.perf_counter() - self._started, 3)
        self.receipt.status, self.receipt.reason = _outcome(trainer)
        self._publish(trainer)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        interrupted = isinstance(exception, KeyboardInterrupt)
        self.receipt.status = "stopped" if interrupted else "failed"
        self.receipt.reason = f"{type(exception).__name__}: {exception}".strip(": ")
        if trainer.log_dir:
            self._publish(trainer)

    def finish(self, directory: Path, final: dict[str, float]) -> None:
        """Add the figures of the evaluation after training; a missing one fails the run.

        Args:
            directory: the run's directory.
            final: metrics by name, of the selected checkpoint.
        """
        self.receipt.metrics = {**self.receipt.metrics, **final}
        broken = sorted(k for k, v in final.items() if k.endswith("/rank_ic") and v != v)
        if broken and self.receipt.status in ("completed", "stopped"):
            self.receipt.status = "failed"
            self.receipt.reason = f"{', '.join(broken)} is not a number: too many days with constant scores"
        write_receipt(self.receipt, directory)
        publish_json(directory / "metrics.json", self._metrics())

    # -- inside

    def _count(self, split: str, batch: DayBatch) -> None:
        self._rows[split].append(batch.universe.sum())
        self._days[split].append(batch.day[batch.universe.any(dim=1)] if not batch.day.is_cuda else batch.day)

    def _forget(self, split: str) -> None:
        self._rows[split], self._days[split] = [], []

    def _read_counters(self, split: str, trainer: pl.Trainer) -> None:
        rows, days = self._rows[split], self._days[split]
        if rows:
            seen = torch.stack([r.float() for r in rows]).double().sum()
            self.receipt.rows[split].seen = int(trainer.strategy.reduce(seen, reduce_op="sum"))
            every = (
                trainer.strategy.all_gather(torch.cat(days)) if trainer.world_size == 1 else torch.cat(days)
            )
            self.receipt.days[split].seen = int(torch.unique(every).numel())

    def _average_terms(self) -> None:
        prefix = {"value": "train/term/", "gradient_share": "train/gradient_share/"}
        for kind, start in prefix.items():
            for name in {k for epoch in self.history for k in epoch if k.startswith(start)}:
                values = [epoch[name] for epoch in self.history if name in epoch]
                self.receipt.terms.setdefault(name.removeprefix(start), {})[kind] = sum(values) / len(values)

    def _metrics(self) -> dict[str, Any]:
        return {"final": self.receipt.metrics, "epochs": self.history, "digests": self.receipt.digests}

    def _publish(self, trainer: pl.Trainer) -> None:
        if trainer.is_global_zero and trainer.log_dir:
            directory = Path(trainer.log_dir)
            directory.mkdir(parents=True, exist_ok=True)
            write_receipt(self.receipt, directory)
            publish_json(directory / "metrics.json", self._metrics())


def _scheduler_name(trainer: pl.Trainer) -> str:
    configs = trainer.lr_scheduler_configs
    return type(configs[0].scheduler).__name__ if configs else "none"


def _outcome(trainer: pl.Trainer) -> tuple[str, str]:
    limits = {
        "limit_train_batches": trainer.limit_train_batches,
        "limit_val_batches": trainer.limit_val_batches,
    }
    reduced = [f"{name}={value}" for name, value in limits.items() if value != 1.0]
    if trainer.max_steps != -1:
        reduced.append(f"max_steps={trainer.max_steps}")
    if reduced:
        return "limited", ", ".join(reduced)
    stopping = next((c for c in trainer.callbacks if isinstance(c, EarlyStopping)), None)  # type: ignore[attr-defined]
    if stopping is not None and stopping.stopped_epoch:
        best = float(stopping.best_score)
        return "stopped", f"no better {stopping.monitor} than {best:.4f} for {stopping.patience} epochs"
    return "completed", ""
