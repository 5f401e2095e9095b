"""What a run prints, on the terminal and in its ``run.log``: warnings, and a line an epoch.

epoch  3/12   loss 0.912   val/rank_ic +0.0421   val/ic +0.0402   val/scale 0.31   9,812 stock-days/s   12.3 s
"""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch

from atft.callbacks.record.run_checkpoint import find_checkpoint
from atft.callbacks.record.run_record import find_record
from atft.errors import kind_and_text

RUN_LOG = "run.log"


def log(trainer: pl.Trainer, text: str, quiet: bool = False) -> None:
    """Print a line or a table on the first device, unless ``quiet``, and keep it in the run's log."""
    if not trainer.is_global_zero:
        return
    if not quiet:
        sys.stderr.write(f"{text}\n")  # rich puts it above a bar that is on the terminal
    record = find_record(trainer)
    if record is not None:
        append_log(record.directory, text)


def warn(trainer: pl.Trainer, text: str) -> None:
    """Print a warning of one line, and keep it in the run's log and in ``receipt.alarms``.

    The receipt is published after the epoch, or with the error that ends the run.
    """
    log(trainer, f"warning: {text}")
    record = find_record(trainer)
    if record is not None and trainer.is_global_zero:
        record.receipt.alarms.append(text)


def append_log(directory: Path, text: str) -> None:
    """Append ``text`` to ``run.log`` in one write; nothing where the run's directory does not exist."""
    if directory.is_dir():
        with (directory / RUN_LOG).open("a", encoding="utf-8") as run_log:
            run_log.write(text.rstrip() + "\n")


def print_and_log(directory: Path, *lines: str) -> None:
    """Print lines on the standard output, and keep them in ``run.log``."""
    for line in lines:
        print(line)  # noqa: T201
        append_log(directory, line)


class EpochLine(pl.Callback):
    """Print a line an epoch; warn when memory runs out.

    The line shows loss, RankIC, IC, scale and speed, and every metric that a callback monitors: what selects the
    checkpoint and what stops training early.

    Each retry of the first device is a warning, and once an epoch their number on the others. The metric
    ``health/memory_retries`` counts those of all devices over the run so far.

    Args:
        quiet: write to ``run.log`` only, where many runs share a terminal.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._retries = self._retries_elsewhere = 0  # reported so far
        self._graph_failure = ""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        checkpoint = find_checkpoint(trainer)
        if checkpoint is not None and checkpoint.lost:
            warn(
                trainer,
                f"{checkpoint.lost}: the previous run's best checkpoint is missing, also beside the one resumed "
                f"from; an epoch is selected without it",
            )

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        self._report_retries(trainer, pl_module)
        failure = getattr(getattr(pl_module, "block_graphs", None), "failure", "")
        if failure and not self._graph_failure:
            self._graph_failure = failure
            warn(
                trainer, f"no CUDA graphs, operators run one by one: {failure}; set model.cuda_graphs: false"
            )
        if trainer.is_last_batch:
            count = torch.tensor(len(pl_module.memory_retries), device=pl_module.device)
            everywhere = int(trainer.strategy.reduce(count, reduce_op="sum"))
            elsewhere = everywhere - len(pl_module.memory_retries)
            if elsewhere > self._retries_elsewhere:
                self._retries_elsewhere = elsewhere
                warn(trainer, f"memory ran out {elsewhere} times so far on the other devices")
            metrics = {"health/memory_retries": float(everywhere)}
            pl_module.log_dict(metrics, on_step=False, on_epoch=True, batch_size=1)

    def on_validation_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        self._report_retries(trainer, pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        metrics = trainer.callback_metrics
        parts = [epoch_of(trainer)]
        if "train/loss" in metrics:
            parts.append(f"loss {float(metrics['train/loss']):.4f}")
        shown = dict.fromkeys(("train/explained", "train/explained_rows", "val/rank_ic", "val/ic"))
        shown |= dict.fromkeys(name for name in monitored(trainer) if name not in ("train/loss", "val/scale"))
        parts += [f"{n} {float(metrics[n]):+.4f}" for n in shown if n in metrics]
        if "val/scale" in metrics:
            parts.append(f"val/scale {float(metrics['val/scale']):.2f}")
        if "speed/stock_days_per_second" in metrics:
            parts.append(f"{float(metrics['speed/stock_days_per_second']):,.0f} stock-days/s")
        record = find_record(trainer)
        if record is not None:
            parts.append(f"{record.history[-1]['seconds']:.1f} s")
        log(trainer, "   ".join(parts), self.quiet)

    def on_exception(self, trainer: pl.Trainer, pl_module: Any, exception: BaseException) -> None:
        with suppress(OSError):  # a full disk may be what ended the run
            log(trainer, f"ended by {kind_and_text(exception)}", quiet=True)

    def _report_retries(self, trainer: pl.Trainer, task: Any) -> None:
        for retry in task.memory_retries[self._retries :]:
            warn(
                trainer,
                f"memory ran out ({retry.split}, epoch {retry.epoch}, step {retry.step + 1}) with "
                f"{retry.from_days} days of {retry.stocks} stocks at once; continuing with {retry.to_days}: "
                f"same gradient and steps, one more forward pass; data.loader.block_days {retry.to_days} avoids it",
            )
        self._retries = len(task.memory_retries)


def monitored(trainer: pl.Trainer) -> list[str]:
    """Metrics that the trainer's callbacks monitor, in their order."""
    names = (getattr(callback, "monitor", None) for callback in trainer.callbacks)  # type: ignore[attr-defined]
    return [name for name in names if isinstance(name, str)]


def epoch_of(trainer: pl.Trainer) -> str:
    """The epoch that runs, the first is 1, and how many there are: ``epoch   3/12``."""
    last = trainer.max_epochs if trainer.max_epochs and trainer.max_epochs > 0 else "?"
    return f"epoch {trainer.current_epoch + 1:>3}/{last}"
