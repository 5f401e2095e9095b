"""Keep a run's receipt and metrics up to date, and count and time what goes through the network.

Counters stay on the device and are read after an epoch's last block, so that no step waits for the GPU and the time
includes what the device still had to do; validation and checkpoints are not timed. A high share of waiting asks for
loader workers or a faster disk; a low use of the GPU with little waiting, for larger blocks.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from atft.batch import DayBatch
from atft.callbacks.record.receipt import Coverage, Receipt, code_digest, library_versions, write_receipt
from atft.callbacks.record.run_checkpoint import find_checkpoint, measured_now, selected_epoch, validation_of
from atft.callbacks.record.run_end import run_status
from atft.data.loader import BlockLoader
from atft.errors import InputError, kind_and_text, users_line
from atft.files.digest import text_digest
from atft.files.publish import publish_text
from atft.process.termination import how_stopped

GIGABYTE = 1e9


class RunRecord(pl.Callback):
    """Publish ``config.yaml``, ``receipt.json`` and ``metrics.json`` of a training run; log its speed.

    The last two are written at the start, after each epoch and at the end. Once an epoch it logs
    ``speed/stock_days_per_second`` and ``speed/days_per_second`` of all devices; ``speed/waiting_share``, the share
    of the time between blocks, in [0, 1]; and the figures of `gpu_figures`.

    Args:
        config_text: the resolved configuration as YAML; kept as ``config.yaml``.
        directory: the run's; made when training starts.
    """

    def __init__(self, config_text: str, directory: Path) -> None:
        self.config_text, self.directory = config_text, directory
        self.receipt = Receipt(run=str(directory), versions=library_versions())
        self.receipt.digests = {"config": text_digest(config_text), "code": code_digest()}
        self.history: list[dict[str, Any]] = []
        """Metrics of each epoch by name, oldest first, those of a resumed run included."""
        self.stopped = ""
        """Why a criterion or a sweep ended the run; empty while they did not."""
        self.to_write: tuple[str, ...] = ()
        """What the caller writes once training is over."""
        self.former_retries: list[dict[str, Any]] = []
        """Retries of a trial's earlier attempts."""
        self.over = False
        """Training was over at the checkpoint that is resumed: only what follows is left to do."""
        self._stepped = False
        self._outcome = ("completed", "")
        self._rows: dict[str, Tensor] = {}
        self._days: dict[str, Tensor] = {}
        self._seen_before: dict[str, tuple[int, int]] = {}  # rows and days of the last epoch before a resume
        self._calendar_days = 0  # length of the panel's calendar
        self._first_block: int | None = None  # of the epoch that this process trains: where it was resumed
        self._started = time.perf_counter()
        self._epoch_waiting = 0.0  # seconds of the epoch between two blocks

    # -- the beginning

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._started = self._epoch_started = self._idle_since = time.perf_counter()
        data = trainer.datamodule  # type: ignore[attr-defined]
        self.receipt.digests["data"] = data.digest
        self.receipt.fold, self.receipt.causal = data.split_options.fold, data.split.causal
        self.receipt.missing = list(self.to_write)
        if self.over:
            trainer.should_stop = True
            trainer.stopped_by = None  # type: ignore[attr-defined]
        self._calendar_days = len(data.open_cache())
        device = pl_module.device
        self.receipt.device = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
        self.receipt.precision = str(trainer.precision)
        self.receipt.optimizer = type(trainer.optimizers[0]).__name__ if trainer.optimizers else ""
        schedulers = trainer.lr_scheduler_configs
        self.receipt.scheduler = type(schedulers[0].scheduler).__name__ if schedulers else "none"
        for split, (days, rows) in data.planned().items():
            rows_before, days_before = self._seen_before.get(split, (0, 0))
            self.receipt.days[split] = Coverage(planned=days, seen=days_before)
            self.receipt.rows[split] = Coverage(planned=rows, seen=rows_before)
        if trainer.is_global_zero:
            publish_text(self.directory / "config.yaml", self.config_text)
        self._publish(trainer, pl_module)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._epoch_started = self._idle_since = time.perf_counter()
        self._epoch_waiting = 0.0
        self._first_block = None
        self._rows.pop("train", None)
        if pl_module.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(pl_module.device)

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._rows.pop("val", None)

    # -- counting

    def on_train_batch_start(self, *_: Any) -> None:
        self._epoch_waiting += time.perf_counter() - self._idle_since

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: DayBatch, *_: Any
    ) -> None:
        if self._first_block is None:
            self._first_block = batch.position
        self._count("train", batch)
        self._stepped |= batch.closes_step
        if trainer.is_last_batch:
            # Logged here and not when the epoch is over: validation comes in between.
            rows, days = self._seen("train", trainer)
            seconds = max(time.perf_counter() - self._epoch_started, 1e-9)
            speeds = {
                "speed/stock_days_per_second": rows / seconds,
                "speed/days_per_second": days / seconds,
                "speed/waiting_share": self._epoch_waiting / seconds,
            }
            pl_module.log_dict(speeds | gpu_figures(pl_module.device), on_step=False, on_epoch=True)
        self._idle_since = time.perf_counter()

    def on_validation_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: DayBatch, *_: Any
    ) -> None:
        if not trainer.sanity_checking:
            self._count("val", batch)

    def _seen(self, split: str, trainer: pl.Trainer) -> tuple[int, int]:
        """Stock-days and different days of a split that went through the network this epoch, on all devices.

        Waits for the device and for the other ranks: call it at the end of an epoch, on every rank.
        """
        # Copies: this is called several times in an epoch, and the reduction works in place.
        counters = (self._rows[split].clone(), self._days[split].clone())
        rows, days = (trainer.strategy.reduce(c, reduce_op="sum") for c in counters)
        return int(rows), int((days > 0).sum())

    # -- the end of an epoch, of the run

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._add_before_resume(trainer.train_dataloader, pl_module.device)
        for split in self._rows:
            self.receipt.rows[split].seen, self.receipt.days[split].seen = self._seen(split, trainer)
        self.receipt.epochs = trainer.current_epoch + 1
        self.receipt.steps = trainer.global_step
        seconds = time.perf_counter() - self._epoch_started
        self.receipt.seconds.setdefault("per_epoch", []).append(round(seconds, 3))
        waited = self.receipt.seconds.get("waiting_for_data", 0.0) + self._epoch_waiting
        self.receipt.seconds["waiting_for_data"] = round(waited, 3)
        now = measured_now(trainer)
        self.history.append({"epoch": now.epoch, "step": now.step, "seconds": seconds, **now.metrics})
        self._average_terms()
        self._publish(trainer, pl_module)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._outcome = run_status(trainer, self.receipt.epochs, self._stepped or self.over, self.stopped)
        self.receipt.steps = trainer.global_step
        if self.receipt.missing:
            self.receipt.reason = f"training is over; not written yet: {', '.join(self.receipt.missing)}"
        else:
            self.receipt.status, self.receipt.reason = self._outcome
        self._publish(trainer, pl_module)

    def on_exception(self, trainer: pl.Trainer, pl_module: Any, exception: BaseException) -> None:
        # An error before the run has a directory leaves none behind.
        if trainer.is_global_zero and self.directory.is_dir():
            self._update(trainer, pl_module)
            self._fail(exception)

    @contextmanager
    def concluding(self) -> Iterator[None]:
        """Write an error of what follows training to the receipt."""
        try:
            yield
        except BaseException as error:
            self._fail(error)
            raise

    def finish(self, final: dict[str, float]) -> None:
        """Add the selected checkpoint's metrics after training; a RankIC that is not a number fails the run."""
        self.receipt.status, self.receipt.reason = self._outcome
        self.receipt.missing = []
        self.receipt.metrics = {**self.receipt.metrics, **final}
        broken = sorted(k for k, v in final.items() if k.endswith("/rank_ic") and v != v)
        if broken and self.receipt.status in ("completed", "stopped"):
            self.receipt.status = "failed"
            self.receipt.reason = f"{', '.join(broken)} is not a number: too many days with constant scores"
        self._write()

    def state_dict(self) -> dict[str, Any]:
        seen = {n: (c.seen, self.receipt.days[n].seen) for n, c in self.receipt.rows.items()}
        return {"history": list(self.history), "stopped": self.stopped, "seen": seen}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history = list(state_dict["history"])
        self.receipt.epochs = len(self.history)
        self._average_terms()
        self._seen_before = state_dict.get("seen", {})  # older checkpoints have none
        self.stopped = state_dict["stopped"] if self.over else ""

    # -- inside

    def _count(self, split: str, batch: DayBatch) -> None:
        self._add(split, batch.day, batch.universe.any(dim=1), batch.universe.sum())

    def _add(self, split: str, day: Tensor, seen: Tensor, rows: Tensor | int) -> None:
        if split not in self._rows:
            self._rows[split] = torch.zeros((), dtype=torch.int64, device=day.device)
            self._days[split] = torch.zeros(self._calendar_days, dtype=torch.int64, device=day.device)
        self._rows[split] += rows
        self._days[split].index_add_(0, day, seen.long())

    def _add_before_resume(self, loader: Any, device: torch.device) -> None:
        """Add the epoch's blocks that an earlier process trained: those of the plan before the first one here."""
        blocks = loader.plan.plan()[: self._first_block] if isinstance(loader, BlockLoader) else []
        for block in blocks:
            day = torch.tensor(block.calendar_days, device=device)
            self._add("train", day, torch.full_like(day, not block.empty), block.rows)

    def _average_terms(self) -> None:
        """Mean value and gradient share of each term over the epochs; the last weight of balanced ones."""
        for kind, folder in (("value", "term"), ("gradient_share", "gradient_share"), ("weight", "weight")):
            prefix = f"train/{folder}/"
            for name in dict.fromkeys(k for epoch in self.history for k in epoch if k.startswith(prefix)):
                values = [epoch[name] for epoch in self.history if name in epoch]
                figure = values[-1] if kind == "weight" else sum(values) / len(values)
                self.receipt.terms.setdefault(name.removeprefix(prefix), {})[kind] = figure

    def _publish(self, trainer: pl.Trainer, task: Any) -> None:
        self._update(trainer, task)
        if trainer.is_global_zero:
            self._write()

    def _update(self, trainer: pl.Trainer, task: Any) -> None:
        """Copy what the task and the checkpoint report into the receipt."""
        self.receipt.retries = self.former_retries + [retry._asdict() for retry in task.memory_retries]
        self.receipt.skipped_steps = dict(task.skipped_steps)
        if self.history:  # of the resumed run, where this one has trained no further
            self.receipt.last_epoch = dict(validation_of(self.history[-1]))
        checkpoint = find_checkpoint(trainer)
        if checkpoint is not None:
            self.receipt.select = checkpoint.select
        selected = selected_epoch(trainer)
        if selected is not None:
            self.receipt.selected_step = selected.step
            self.receipt.metrics = dict(validation_of(selected.metrics))

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, KeyboardInterrupt):
            self.receipt.status, self.receipt.reason = "stopped", how_stopped(error)
        else:
            self.receipt.status, self.receipt.reason = "failed", kind_and_text(error)
            if where := users_line(error):  # the last line below the traceback, whose end may be in torch
                error.add_note(f"raised{where}; everything about the run: {self.directory}")
        # On a full disk this fails too; the first error is the one to show.
        with suppress(InputError, OSError):
            self._write()

    def _write(self) -> None:
        self.receipt.seconds["total"] = round(time.perf_counter() - self._started, 3)
        write_receipt(self.receipt, self.directory, self.history)


def gpu_figures(device: torch.device) -> dict[str, float]:
    """Measure an epoch's use of the first GPU; empty without one.

    Returns:
        ``speed/gpu_memory_gb``, the most that tensors took in the epoch; and ``speed/gpu_use``, NVIDIA's figure of
        busy time now, in [0, 1], where its library (pynvml) is installed.
    """
    if device.type != "cuda":
        return {}
    figures = {"speed/gpu_memory_gb": torch.cuda.max_memory_allocated(device) / GIGABYTE}
    if find_spec("pynvml") is not None:
        figures["speed/gpu_use"] = torch.cuda.utilization(device) / 100
    return figures


def find_record(trainer: pl.Trainer) -> RunRecord | None:
    """The run's record, where it keeps one."""
    return next((c for c in trainer.callbacks if isinstance(c, RunRecord)), None)  # type: ignore[attr-defined]
