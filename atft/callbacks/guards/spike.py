"""Leaves out the optimiser steps whose loss jumps far out of its recent range: one bad day must not undo a week.

A step is not applied when its loss lies more than ``sigmas`` standard deviations above the mean of the last
steps' losses. Its gradient is taken away right before the optimiser: an optimiser passes over a parameter without
a gradient, so neither the weights nor the optimiser's moments nor the weight decay move, while the step counts
and the schedule goes on. All devices decide by the same loss, that of the whole step.

Why ten: the default objective ranks the targets within the day, so a market crash does not show in the loss, and
losses of healthy steps stay within a few standard deviations; what lies ten out is a broken batch or a
step into a wall. A loss that stays high is no spike: after five skipped steps in a row the next is applied and the
range is learned anew; so it is when the terms' weights change (a phase, or terms that are balanced), since the loss
is then another one.

Cost: reading one number a step. On a GPU it is copied while the backward pass runs, and waited for when the
backward pass has been handed over, so that the device does not run dry.
"""

import math
from collections import deque
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from atft.batch import DayBatch
from atft.callbacks.record.alarm import sound_alarm
from atft.callbacks.record.run_record import find_record
from atft.errors import InputError

FEWEST_STEPS = 30
"""Steps whose losses must be known before one can be out of range."""
MOST_IN_A_ROW = 5
ALARMS = 3
"""Skipped steps that sound an alarm; later ones are only counted."""
LEAST_SPREAD = 1e-3
"""Smallest standard deviation, as a share of the mean: losses that hardly differ make no jump of a rounding."""


class SpikeGuard(pl.Callback):
    """Skip steps whose loss jumps; count them in the receipt and in ``health/skipped_steps/loss_spike``.

    Args:
        sigmas: standard deviations above the mean of the recent losses from which a step is not applied; null
            applies every step.
        window: recent steps whose losses give mean and standard deviation.

    Raises:
        InputError: an option is out of range.
    """

    def __init__(self, sigmas: float | None = 10.0, window: int = 100) -> None:
        if sigmas is not None and not (math.isfinite(sigmas) and sigmas > 0):
            raise InputError(f"spike_guard.sigmas must be a number above 0, or null, got {sigmas}")
        if window < FEWEST_STEPS:
            raise InputError(f"spike_guard.window must be at least {FEWEST_STEPS}, got {window}")
        self.sigmas, self.window = sigmas, window
        self.skipped = 0
        self._losses: deque[float] = deque(maxlen=window)
        self._in_a_row = 0
        self._weights: list[float] = []
        """The terms' weights of the losses that are remembered."""
        self._blocks: dict[int, Tensor] = {}
        """Weighted loss of each block of the open step, on its way to the processor."""
        self._block = 0
        self._sent: torch.cuda.Event | None = None
        self._hook: RemovableHandle | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.sigmas is not None:
            self._hook = pl_module.objective.register_forward_hook(self._observe)  # type: ignore[union-attr]

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._blocks = {}

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: Any, batch: DayBatch, batch_idx: int
    ) -> None:
        self._block = batch_idx

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        if self.sigmas is None:
            return
        loss = self._step_loss(trainer, pl_module.device)
        usual = list(self._losses)
        if not self.judge(loss):
            return
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None
        record = find_record(trainer)
        if record is not None:
            record.receipt.skipped_steps["loss_spike"] = self.skipped
        if self.skipped <= ALARMS:
            last = "; later ones are only counted, in the receipt" if self.skipped == ALARMS else ""
            sound_alarm(
                trainer,
                f"step {trainer.global_step + 1} was not applied: its loss {loss:.4g} lies more than "
                f"{self.sigmas:g} standard deviations above the {sum(usual) / len(usual):.4g} of the last "
                f"{len(usual)} steps (epoch {trainer.current_epoch + 1}, spike {self.skipped} of the run){last}",
            )

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: DayBatch, batch_idx: int
    ) -> None:
        if trainer.is_last_batch and self.sigmas is not None:
            name = "health/skipped_steps/loss_spike"
            pl_module.log(name, float(self.skipped), on_step=False, on_epoch=True, batch_size=1)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._let_go()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        self._let_go()

    def judge(self, loss: float) -> bool:
        """Take the next step's loss in; True when the step must not be applied.

        Args:
            loss: of the whole step. One that is not finite is left to the guard that stops the run for it.
        """
        if self.sigmas is None or not math.isfinite(loss):
            return False
        if len(self._losses) >= FEWEST_STEPS and loss > self._ceiling(self.sigmas):
            if self._in_a_row < MOST_IN_A_ROW:
                self._in_a_row += 1
                self.skipped += 1
                return True
            self._losses.clear()
        self._in_a_row = 0
        self._losses.append(loss)
        return False

    def forget(self) -> None:
        """Learn the range anew, where the loss has become another one."""
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
        self._losses = deque(state_dict["losses"], maxlen=self.window)
        self._weights = list(state_dict["weights"])
        self._in_a_row, self.skipped = int(state_dict["in_a_row"]), int(state_dict["skipped"])

    # -- inside

    def _ceiling(self, sigmas: float) -> float:
        losses = self._losses
        mean = math.fsum(losses) / len(losses)
        spread = math.sqrt(math.fsum((x - mean) ** 2 for x in losses) / len(losses))
        return mean + sigmas * max(spread, LEAST_SPREAD * abs(mean))

    def _observe(self, objective: torch.nn.Module, given: Any, value: Any) -> None:
        """Send a block's loss to the processor before its backward pass; a second attempt takes its place."""
        if objective.training:
            weights = list(objective.term_weights.values())  # type: ignore[operator]
            if weights != self._weights:
                self._weights = weights
                self.forget()
            loss = (given[1].weight * value.loss.detach()).sum()
            self._blocks[self._block] = loss.to("cpu", non_blocking=True)
            self._sent = torch.cuda.Event() if loss.is_cuda else None  # type: ignore[no-untyped-call]
            if self._sent is not None:
                self._sent.record()

    def _step_loss(self, trainer: pl.Trainer, device: torch.device) -> float:
        if self._sent is not None:
            self._sent.synchronize()
        own = torch.stack(list(self._blocks.values())).sum()
        self._blocks = {}
        if trainer.world_size > 1:
            own = trainer.strategy.reduce(own.to(device), reduce_op="sum")
        return float(own)

    def _let_go(self) -> None:
        if self._hook is not None:
            self._hook.remove()
            self._hook = None
