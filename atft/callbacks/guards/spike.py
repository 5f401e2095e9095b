"""Skip optimiser steps whose loss jumps far out of its recent range: one bad day must not undo a week of training.

The gradient of such a step is removed right before the optimiser, which passes over a parameter without a gradient:
weights, moments and weight decay stay, while the step counts and the schedule advances. All devices decide by the
same loss, that of the whole step.

Why ten: the default objective ranks the targets within the day, so a market crash does not show in the loss, and
losses of healthy steps stay within a few standard deviations; ten is a broken batch or a diverging step. A loss
that stays high is no spike: after five skipped steps in a row the next is applied and the range is measured again;
likewise when the terms' weights change (a phase, or balanced terms), since the loss is then another one.

Cost: reading one number a step. On a GPU it is copied while the backward pass runs, and waited for when that pass
has been queued, so that the device stays busy.
"""

import math
from collections import deque
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor
from torch.optim import Optimizer

from atft.callbacks.record.messages import warn
from atft.device_read import DeviceRead
from atft.errors import InputError

WINDOW_STEPS = 100
"""Recent steps whose losses give mean and standard deviation."""
MIN_STEPS = 30
"""Steps whose losses must be known before one can be out of range."""
MAX_IN_A_ROW = 5
MAX_SPIKE_WARNINGS = 3
"""Skipped steps that are warned of; later ones are only counted."""
MIN_RELATIVE_STD = 1e-3
"""Smallest standard deviation, as a share of the mean: a rounding of nearly constant losses is no jump."""
SKIPPED = "health/skipped_steps/loss_spike"


class SpikeGuard(pl.Callback):
    """Skip steps whose loss jumps; count them in the receipt and in ``health/skipped_steps/loss_spike``.

    Args:
        sigmas: standard deviations above the mean of the recent losses from which a step is not applied, above 0;
            null applies every step.
    """

    def __init__(self, sigmas: float | None = 10.0) -> None:
        if sigmas is not None and not (math.isfinite(sigmas) and sigmas > 0):
            raise InputError(f"spike_guard.sigmas must be a number above 0, or null, got {sigmas}")
        self.sigmas = sigmas
        self.skipped = 0
        self._losses: deque[float] = deque(maxlen=WINDOW_STEPS)
        self._in_a_row = 0
        self._weights: list[float] = []
        """The terms' weights that the remembered losses had."""
        self._step_loss = DeviceRead(torch.tensor(math.nan))
        """This device's part of the step's loss."""

    def on_fit_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if self.skipped:  # before a resume
            pl_module.skipped_steps["loss_spike"] = self.skipped

    def on_before_backward(self, trainer: pl.Trainer, pl_module: Any, loss: Tensor) -> None:
        """Start copying the step's loss to the CPU before the closing block's backward pass."""
        if self.sigmas is None or not pl_module.step.closes:
            return
        weights = list(pl_module.objective.term_weights.values())
        if weights != self._weights:
            self._weights = weights
            self.forget()
        self._step_loss = DeviceRead(pl_module.step.sums["train/loss"])

    def on_before_optimizer_step(self, trainer: pl.Trainer, pl_module: Any, optimizer: Optimizer) -> None:
        if self.sigmas is None:
            return
        part = self._step_loss.values()
        if trainer.world_size > 1:
            part = trainer.strategy.reduce(part.to(pl_module.device, copy=True), reduce_op="sum")
        loss, recent = float(part), list(self._losses)
        if not self.judge(loss):
            return
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None
        pl_module.skipped_steps["loss_spike"] = self.skipped
        if self.skipped <= MAX_SPIKE_WARNINGS:
            is_last = self.skipped == MAX_SPIKE_WARNINGS
            last = "; later ones are only counted, in the receipt" if is_last else ""
            warn(
                trainer,
                f"step {trainer.global_step + 1} was not applied: its loss {loss:.4g} is more than "
                f"{self.sigmas:g} standard deviations above the {sum(recent) / len(recent):.4g} of the last "
                f"{len(recent)} steps (epoch {trainer.current_epoch + 1}, spike {self.skipped} of the run){last}",
            )

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        if trainer.is_last_batch and self.sigmas is not None:
            pl_module.log(SKIPPED, float(self.skipped), on_step=False, on_epoch=True, batch_size=1)

    def judge(self, loss: float) -> bool:
        """Decide by a step's loss whether to skip it, and remember the loss; one that is not finite is ignored."""
        if self.sigmas is None or not math.isfinite(loss):
            return False
        if len(self._losses) >= MIN_STEPS and loss > self._limit(self.sigmas):
            if self._in_a_row < MAX_IN_A_ROW:
                self._in_a_row += 1
                self.skipped += 1
                return True
            self._losses.clear()
        self._in_a_row = 0
        self._losses.append(loss)
        return False

    def forget(self) -> None:
        """Measure the range again, where the loss has become another one."""
        self._losses.clear()
        self._in_a_row = 0

    def state_dict(self) -> dict[str, Any]:
        return {
            "losses": list(self._losses),
            "in_a_row": self._in_a_row,
            "skipped": self.skipped,
            "weights": self._weights,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._losses.clear()
        self._losses.extend(state_dict["losses"])
        self._weights = list(state_dict["weights"])
        self._in_a_row, self.skipped = int(state_dict["in_a_row"]), int(state_dict["skipped"])

    def _limit(self, sigmas: float) -> float:
        losses = self._losses
        mean = math.fsum(losses) / len(losses)
        std = math.sqrt(math.fsum((x - mean) ** 2 for x in losses) / len(losses))
        return mean + sigmas * max(std, MIN_RELATIVE_STD * abs(mean))
