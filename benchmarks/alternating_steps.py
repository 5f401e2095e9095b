"""Times optimiser steps with all monitors and with none, in turn, within one training run.

A machine's speed drifts by more than monitors cost, so each step with them is compared with the steps right
before and after it, which have none. What monitors do only once in a while (write to disk, measure gradients, draw
histograms) is done at every turn here and counted at the frequency of the configuration.
"""

import time
from dataclasses import dataclass
from statistics import median, stdev
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from atft.callbacks.record import gradient_monitor
from atft.tasks import term_shares

NEVER = 10**9
KINDS = ("plain", "logged", "measured", "drawn")
"""What a step with monitors does: what each does; writes the log; norms and shares; histograms."""
ORDER = ("plain", "logged", "plain", "measured", "plain", "drawn")
"""Steps with monitors in turn: what is done at every step decides the sum, so it is timed most."""


@dataclass(frozen=True)
class MonitorCost:
    """Seconds of a step without monitors, and what each kind of step with them adds, medians over the turns."""

    step: float
    added: dict[str, float]
    every: dict[str, int]
    error: float
    """Standard error of what a plain step adds, seconds."""

    @property
    def share(self) -> float:
        """Cost of all monitors as a share of the step, at the configuration's frequencies."""
        plain = self.added["plain"]
        rare = (max(0.0, self.added[k] - plain) / n for k, n in self.every.items() if n)
        return (plain + sum(rare)) / self.step


class AlternatingSteps(pl.Callback):
    """First among a trainer's callbacks: takes the others away for every second optimiser step.

    Off, a step is the network, the objective, backward and the optimiser: no guard, no record, no metric of the
    training days, nothing logged. Validation is not timed, nor are the first and last step of an epoch.

    Args:
        turns: steps of each rare kind to time; the run ends after them.
    """

    def __init__(self, turns: int) -> None:
        self.turns = turns
        self._others: list[pl.Callback] = []
        self._steps: list[tuple[str, float]] = []  # of the present epoch
        self._added: dict[str, list[float]] = {kind: [] for kind in KINDS}
        self._bare: list[float] = []
        self._every: dict[str, int] = {}
        self._turn, self._kind, self._began = 0, "", 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self._others = trainer.callbacks[1:]  # type: ignore[attr-defined]
        self._gradients = next(c for c in self._others if type(c).__name__ == "GradientMonitor")
        self._every = {
            "logged": trainer.log_every_n_steps,  # type: ignore[attr-defined]
            "measured": self._gradients.every,  # type: ignore[attr-defined]
            "drawn": self._gradients.every * gradient_monitor.HISTOGRAM_EVERY,  # type: ignore[attr-defined]
        }
        self._log, self._update = pl_module.log, pl_module.train_metrics.update

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self._steps, self._kind = [], ""

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx and not self._closed:
            return
        if pl_module.device.type == "cuda":
            torch.cuda.synchronize()
        now = time.perf_counter()
        if self._kind:
            self._steps.append((self._kind, now - self._began))
        self._turn += 1
        on = self._turn % 2 == 0
        self._kind = ORDER[self._turn // 2 % len(ORDER)] if on else "off"
        self._set(trainer, pl_module, on)
        self._began = now

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._closed = batch.closes_step
        if trainer.is_last_batch:
            self._set(trainer, pl_module, on=True)
            self._compare()
            trainer.should_stop = min(len(v) for v in self._added.values()) >= self.turns

    def cost(self) -> MonitorCost:
        """What the run measured."""
        plain = self._added["plain"]
        error = 1.25 * stdev(plain) / len(plain) ** 0.5  # of a median of normal values
        added = {kind: median(seconds) for kind, seconds in self._added.items()}
        return MonitorCost(median(self._bare), added, self._every, error)

    def _set(self, trainer: pl.Trainer, pl_module: Any, on: bool) -> None:
        kept = (ModelCheckpoint, EarlyStopping)
        # In place: the hook that is being called goes on with the new list.
        trainer.callbacks[1:] = self._others if on else [c for c in self._others if isinstance(c, kept)]  # type: ignore[attr-defined]
        trainer.log_every_n_steps = 1 if self._kind == "logged" else NEVER  # type: ignore[attr-defined]
        self._gradients.every = int(self._kind in ("measured", "drawn"))  # type: ignore[attr-defined]
        gradient_monitor.HISTOGRAM_EVERY = 1 if self._kind == "drawn" else NEVER
        term_shares.MEASURED_EVERY_STEPS = 1 if self._kind == "measured" else NEVER
        pl_module.log = self._log if on else _nothing
        pl_module.train_metrics.update = self._update if on else _nothing

    def _compare(self) -> None:
        for (_, before), (kind, seconds), (_, after) in zip(
            self._steps[1:], self._steps[2:], self._steps[3:], strict=False
        ):
            if kind != "off":
                self._bare += [before, after]
                self._added[kind].append(seconds - (before + after) / 2)


def _nothing(*args: Any, **named: Any) -> None:
    return None
