"""Stops a run at a loss or gradient that is not finite, before the weights have taken it up.

Reading a number from a GPU makes the processor wait for it, so nothing is read per step: whether the step's
gradient and each day's terms are finite stays on the device as flags. A gradient that is not finite is emptied
there, without anyone waiting, which keeps NaN out of the weights; the flags are read every few steps and after
an epoch's last block, before validation and every checkpoint, and then the run stops and says which days and terms
it was. Cost: the gradient's norm and a few flags per block.
"""

from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from atft.batch import DayBatch
from atft.callbacks.record.alarm import sound_alarm
from atft.callbacks.record.run_checkpoint import find_checkpoint
from atft.errors import InputError, NonFiniteLoss

NAMED_DAYS = 5


class NonFiniteGuard(pl.Callback):
    """Fail with `NonFiniteLoss` when a loss or gradient is not finite; the weights stay those before it.

    Under a loss scaler (precision 16-mixed), which meets infinite gradients by design and skips them, only the
    loss is watched here; the `LossScaleGuard` watches the scaler.

    Args:
        every: optimiser steps between two readings of the device's flags; 1 stops at once and makes each step
            wait for the device.

    Raises:
        InputError: ``every`` is below 1.
    """

    def __init__(self, every: int = 10) -> None:
        if every < 1:
            raise InputError(f"non_finite_guard.every must be at least 1, got {every}")
        self.every = every
        self._names: tuple[str, ...] = ()
        self._blocks: list[tuple[int, Tensor, Tensor]] = []
        """Step, days [days] and flags [1 + terms, days] of each block since the last reading."""
        self._steps: list[tuple[int, Tensor]] = []
        """Step and flag of each gradient since the last reading."""
        self._step = 0
        self._closes = False
        self._hook: RemovableHandle | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._forget()
        self._hook = pl_module.objective.register_forward_hook(self._observe)  # type: ignore[union-attr]

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: Any, batch: DayBatch, batch_idx: int
    ) -> None:
        self._step, self._closes = trainer.global_step, batch.closes_step

    def on_after_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Flag the step's whole gradient, before it is clipped, and empty it where it is not finite."""
        if not self._closes or getattr(trainer.precision_plugin, "scaler", None) is not None:
            return
        gradients = [p.grad for p in pl_module.parameters() if p.grad is not None]
        if not gradients:
            return
        # The norm of a gradient overflows only where clipping could not save it either.
        finite = torch.nn.utils.get_total_norm(gradients).isfinite()
        if finite.device.type != "cpu" or not finite:  # a processor's own numbers are read without waiting
            for gradient in gradients:
                gradient.masked_fill_(~finite, 0)
        self._steps.append((self._step, finite))

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: DayBatch, batch_idx: int
    ) -> None:
        if trainer.is_last_batch or (batch.closes_step and trainer.global_step % self.every == 0):
            self._read(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._let_go()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        self._let_go()

    # -- inside

    def _observe(self, objective: torch.nn.Module, given: Any, value: Any) -> None:
        """Flag each term on each day of a block, where the objective has just valued it."""
        if objective.training:
            self._names = tuple(value.terms)
            flags = torch.stack([value.loss.detach(), *value.terms.values()]).isfinite()
            self._blocks.append((self._step, given[1].day, flags))

    def _read(self, trainer: pl.Trainer) -> None:
        flags = [f.all() for _, _, f in self._blocks] + [f for _, f in self._steps]
        mine = not bool(torch.stack(flags).all()) if flags else False
        # Devices stop together: one that went on alone would wait for the others for ever.
        if trainer.strategy.reduce_boolean_decision(mine, all=False):
            text = self._sentence(trainer)
            sound_alarm(trainer, text)
            raise NonFiniteLoss(text)
        self._forget()

    def _sentence(self, trainer: pl.Trainer) -> str:
        broken = [(s, d, f) for s, d, f in self._blocks if not bool(f.all())]
        steps = [s for s, finite in self._steps if not bool(finite)]
        last = getattr(find_checkpoint(trainer), "last_model_path", "") or "none yet"
        after = (
            f"epoch {trainer.current_epoch + 1}; the weights did not take it up, last good checkpoint: {last}"
        )
        if broken:
            step, day, flags = broken[0]
            spoilt = ~flags.cpu()
            days = _dates(trainer, day.cpu()[spoilt.any(0)])
            terms = [n for n, bad in zip(self._names, spoilt[1:].any(1).tolist(), strict=True) if bad]
            which = f"terms {', '.join(terms)}" if terms else "every term is, their weighted sum is not"
            advice = "look at these days' features and returns, or lower the learning rate"
            return f"loss not finite on {days} ({which}), step {step + 1}, {after}; {advice}"
        if steps:
            days = _dates(trainer, torch.cat([d for s, d, _ in self._blocks if s == steps[0]]).cpu())
            advice = "lower the learning rate, or train in precision 32-true"
            return f"gradient not finite, loss finite, days {days}, step {steps[0] + 1}, {after}; {advice}"
        return f"loss not finite on another device, {after}"

    def _forget(self) -> None:
        self._blocks, self._steps = [], []

    def _let_go(self) -> None:
        if self._hook is not None:
            self._hook.remove()
            self._hook = None


def _dates(trainer: pl.Trainer, days: Tensor) -> str:
    """Name days by their dates; by their place on the calendar where the data has none."""
    data = getattr(trainer, "datamodule", None)
    calendar = data.open_cache().manifest.dates if data is not None else None
    chosen = sorted(set(days.tolist()))
    names = [str(d if calendar is None else calendar[d]) for d in chosen[:NAMED_DAYS]]
    more = len(chosen) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
