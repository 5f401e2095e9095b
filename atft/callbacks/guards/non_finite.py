"""Stop a run at a loss or gradient that is not finite, before it reaches a weight or a checkpoint.

Reading a number from a GPU makes the CPU wait for it, so nothing is read per step: whether the step's gradient and
each day's terms are finite stays on the device as flags. A gradient that is not finite is set to 0 there, which
keeps NaN out of the weights; momentum and weight decay still move them. The flags are read every few steps, at an
epoch's end and before any checkpoint: up to nine more steps are taken first, and no checkpoint is written. Cost:
the gradient's norm and a few flags per block.

In precision 16-mixed a scaler multiplies the loss so that small gradients survive in float16; when a gradient
overflows it skips the step and halves its factor, which is normal for the first steps. A factor below 1 means that
gradients overflow unscaled: every further step would be skipped while the loss looks finite.
"""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins import MixedPrecision
from torch import Tensor
from torch.optim import Optimizer

from atft.callbacks.record.messages import warn
from atft.callbacks.record.run_checkpoint import find_checkpoint
from atft.errors import LossScaleCollapse, NonFiniteLoss, first_of

READ_EVERY_STEPS = 10
"""Optimiser steps between two readings of the device's flags; 1 would make each step wait for the device."""
MAX_NAMED_DAYS = 5
MIN_LOSS_SCALE = 1.0


class NonFiniteGuard(pl.Callback):
    """Raise `NonFiniteLoss` when a loss or gradient is not finite; the last checkpoint is from before it.

    Under a loss scaler (precision 16-mixed), which skips infinite gradients by design, it raises
    `LossScaleCollapse` when the scale falls below 1, counts the skipped steps of the run in the receipt and logs
    them once an epoch (``health/skipped_steps/loss_scale``) with ``health/loss_scale``.
    """

    def __init__(self) -> None:
        self.skipped = 0
        """Steps that the loss scaler skipped."""
        self._terms: tuple[str, ...] = ()
        self._blocks: list[tuple[int, Tensor, Tensor]] = []
        """Step, days [days] and flags [1 + terms, days] of each block since the last reading."""
        self._steps: list[tuple[int, Tensor]] = []
        """Step and flag of each gradient since the last reading."""
        self._scale = 0.0

    def on_fit_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if self.skipped:  # before a resume
            pl_module.skipped_steps["loss_scale"] = self.skipped

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._blocks, self._steps = [], []
        scaler = loss_scaler(trainer)
        self._scale = 0.0 if scaler is None else scaler.get_scale()

    def on_before_optimizer_step(self, trainer: pl.Trainer, pl_module: Any, optimizer: Optimizer) -> None:
        """Flag the step's whole gradient before it is clipped, and set it to 0 where it is not finite."""
        gradients = [p.grad for g in optimizer.param_groups for p in g["params"] if p.grad is not None]
        if not gradients or loss_scaler(trainer) is not None:
            return
        # The norm of a gradient overflows only where clipping could not save it either.
        finite = torch.nn.utils.get_total_norm(gradients).isfinite()
        if finite.device.type != "cpu" or not finite:  # a CPU tensor needs no sync
            for gradient in gradients:
                gradient.masked_fill_(~finite, 0)
        self._steps.append((pl_module.step.number, finite))

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        step = pl_module.step
        self._terms = tuple(step.value.terms)
        flags = torch.stack([step.value.loss, *step.value.terms.values()]).isfinite()
        self._blocks.append((step.number, step.day, flags))
        if trainer.is_last_batch or (step.closes and self._due(trainer)):
            self._read(trainer)
        scaler = loss_scaler(trainer)
        if scaler is not None and step.closes:
            self._check_scale(scaler.get_scale(), trainer, pl_module)
        if scaler is not None and trainer.is_last_batch:
            figures = {
                "health/loss_scale": self._scale,
                "health/skipped_steps/loss_scale": float(self.skipped),
            }
            pl_module.log_dict(figures, on_step=False, on_epoch=True)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        # Each device by itself: a cluster's signal may come to them in different steps, where a sum would wait.
        self._read(trainer, together=False)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._read(trainer)  # what is left of an epoch that was cut off

    def state_dict(self) -> dict[str, Any]:
        return {"skipped": self.skipped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.skipped = int(state_dict["skipped"])

    # -- inside

    def _due(self, trainer: pl.Trainer) -> bool:
        """Whether the flags are to be read after this step: it is the turn, or a checkpoint follows."""
        # Lightning calls checkpoints last, so that this guard has read before they write.
        saves = [
            c._every_n_train_steps for c in trainer.checkpoint_callbacks if isinstance(c, ModelCheckpoint)
        ]
        return any(trainer.global_step % every == 0 for every in (READ_EVERY_STEPS, *filter(None, saves)))

    def _read(self, trainer: pl.Trainer, together: bool = True) -> None:
        if not self._blocks:
            return
        flags = [f.all() for _, _, f in self._blocks] + [f for _, f in self._steps]
        broken = not bool(torch.stack(flags).all())
        # Devices stop together: one that continued alone would wait for the others for ever.
        if together:
            broken = trainer.strategy.reduce_boolean_decision(broken, all=False)
        if broken:
            text = self._message(trainer)
            warn(trainer, text)
            raise NonFiniteLoss(text)
        self._blocks, self._steps = [], []

    def _message(self, trainer: pl.Trainer) -> str:
        blocks = [(s, d, f) for s, d, f in self._blocks if not bool(f.all())]
        steps = [s for s, finite in self._steps if not bool(finite)]
        after = f"epoch {trainer.current_epoch + 1}; {_last_checkpoint(trainer)}"
        if blocks:
            number, day, flags = blocks[0]
            broken = ~flags.cpu()
            dates = _dates(trainer, day.cpu()[broken.any(0)])
            terms = [n for n, bad in zip(self._terms, broken[1:].any(1).tolist(), strict=True) if bad]
            which = f"terms {', '.join(terms)}" if terms else "every term is, their weighted sum is not"
            advice = "look at these days' features and returns, or lower the learning rate"
            return f"loss not finite on {dates} ({which}), step {number + 1}, {after}; {advice}"
        if steps:
            dates = _dates(trainer, torch.cat([d for s, d, _ in self._blocks if s == steps[0]]).cpu())
            advice = "lower the learning rate, or train in precision 32-true"
            return f"gradient not finite, loss finite, days {dates}, step {steps[0] + 1}, {after}; {advice}"
        return f"loss not finite on another device, {after}"

    def _check_scale(self, scale: float, trainer: pl.Trainer, task: Any) -> None:
        """Compare the scale with that before the step: a smaller one means that the step was skipped."""
        if scale < self._scale:
            self.skipped += 1
            task.skipped_steps["loss_scale"] = self.skipped
        self._scale = scale
        if scale < MIN_LOSS_SCALE:
            text = (
                f"the loss scale fell to {scale:g} in step {trainer.global_step}: gradients overflow float16 even "
                f"unscaled, {self.skipped} steps were skipped; {_last_checkpoint(trainer)}; "
                f"train in precision bf16-mixed or 32-true, or lower the learning rate"
            )
            warn(trainer, text)
            raise LossScaleCollapse(text)


def loss_scaler(trainer: pl.Trainer) -> torch.amp.GradScaler | None:
    """The scaler of precision 16-mixed; None in other precisions."""
    plugin = trainer.precision_plugin
    return plugin.scaler if isinstance(plugin, MixedPrecision) else None


def _last_checkpoint(trainer: pl.Trainer) -> str:
    checkpoint = find_checkpoint(trainer)
    last = checkpoint.last_model_path if checkpoint is not None else ""
    # Lightning names a file before it writes it.
    return f"last good checkpoint: {last if last and Path(last).is_file() else 'none yet'}"


def _dates(trainer: pl.Trainer, days: Tensor) -> str:
    """Name days by their dates; by their index on the calendar where the trainer has no data module."""
    data = trainer.datamodule  # type: ignore[attr-defined]
    calendar = data.open_cache().manifest.dates if data is not None else None
    indices = sorted(set(days.tolist()))
    return first_of([str(d if calendar is None else calendar[d]) for d in indices], MAX_NAMED_DAYS)
