"""Measure each loss term's share of the gradient while a run trains: log it, balance the terms, find dead ones.

Measured right before a step's gradients are applied, every `MEASURED_EVERY_STEPS`, at the step's last block: all
devices take what the one that has it measured. And at every block while a term has had no gradient yet in its
epoch. A measurement costs one forward and backward of the terms.
"""

from collections.abc import Mapping

import lightning.pytorch as pl
import torch
from torch import Tensor

from atft.batch import DayBatch, Forecast
from atft.device_read import DeviceRead
from atft.errors import DeadTerm
from atft.losses.dead_terms import DeadTerms
from atft.losses.objective import DayObjective, measure_shares
from atft.tasks.step_log import log_at, over_devices

MEASURED_EVERY_STEPS = 50
"""Optimiser steps between two measurements that are logged, and that balanced weights follow."""


class TermShares:
    """Measure the terms' shares of the gradient, balance the terms by them, and end a run with a dead term."""

    def __init__(self, objective: DayObjective) -> None:
        self.objective = objective
        self._dead_terms = DeadTerms(objective.term_weights)
        self._taken: tuple[DeviceRead, int | None] | None = None  # and the step for which it is logged
        self._to_log: tuple[int, dict[str, Tensor]] | None = None
        self._from_first_block = False

    def begin_epoch(self) -> None:
        """Note that the epoch is seen from its first block on; not called for one that is resumed in its middle."""
        self._from_first_block = True

    def measure_if_due(
        self, task: pl.LightningModule, forecast: Forecast, batch: DayBatch, ends_step: bool
    ) -> None:
        """Measure a block where it is due, before its step is applied; :meth:`read` uses the measurement.

        ``ends_step`` says that it is the last block of its step on all devices.
        """
        # Due at the same block on all ranks and for any block size; which terms are pending differs by rank.
        due = batch.closes_step and task.global_step % MEASURED_EVERY_STEPS == 0
        if not (due or self._dead_terms.pending):
            return
        shares = measure_shares(self.objective, forecast, batch)
        everywhere = shares.float() * ends_step
        if due:
            everywhere = over_devices(task.trainer, everywhere)
        step = task.global_step + 1 if due else None  # the step that this block closes
        self._taken = DeviceRead(torch.stack((shares, everywhere.to(shares.dtype)))), step
        if task.device.type != "cuda":  # nothing to wait for
            self.read(task)

    def read(self, task: pl.LightningModule) -> None:
        """Use the last measurement: call it before the next block, when a GPU has done most of what came before.

        Logs ``train/gradient_share/<term>`` and, where weights are balanced, ``train/weight/<term>``.
        """
        self._use()
        if self._to_log is None:
            return
        (step, values), self._to_log = self._to_log, None
        task.log_dict(values, on_step=True, on_epoch=False, logger=False, batch_size=1)
        log_at(task.trainer, {name: float(value) for name, value in values.items()}, step)

    def _use(self) -> None:
        """Let the last measurement count, and change the balanced weights by it."""
        if self._taken is None:
            return
        (reading, step), self._taken = self._taken, None
        names, (here, everywhere) = tuple(self.objective.term_weights), reading.values()
        self._dead_terms.record(dict(zip(names, here.tolist(), strict=True)))
        if step is None:
            return
        shares = dict(zip(names, everywhere.tolist(), strict=True))
        values = {f"train/gradient_share/{name}": share for name, share in shares.items()}
        if self.objective.options.gradient_shares:
            self.objective.balance(shares)
            values |= {f"train/weight/{name}": weight for name, weight in self.objective.term_weights.items()}
        # On the CPU, where the loggers read them: a number would be copied to the device first.
        self._to_log = step, {name: torch.tensor(value) for name, value in values.items()}

    def close_epoch(self, task: pl.LightningModule) -> None:
        """Check that every term with a weight had a gradient in the epoch, on some rank.

        The few blocks of an epoch that is resumed near its end, or cut off near its start, say nothing of a term.

        Raises:
            DeadTerm: with the names of those that had none.
        """
        self.read(task)
        dead, watched = self._dead_terms.close_epoch(), self._dead_terms.watched
        whole, self._from_first_block = self._from_first_block and task.trainer.is_last_batch, False
        if not whole:
            return
        alive = torch.tensor([float(n not in dead) for n in watched], device=task.device)
        alive = over_devices(task.trainer, alive)
        names = [n for n, ranks in zip(watched, alive.tolist(), strict=True) if ranks == 0]
        if names:
            raise DeadTerm(
                f"model.objective.terms.{', '.join(names)}: a weight above 0 and a gradient of exactly 0 in all of "
                f"epoch {task.current_epoch + 1}; set the weight to 0, or fix what the term reads"
            )

    def balanced(self) -> dict[str, float]:
        """Present weights of the balanced terms, for a checkpoint."""
        self._use()
        return {n: self.objective.term_weights[n] for n in self.objective.options.gradient_shares}

    def restore(self, balanced: Mapping[str, float]) -> None:
        """Continue with a checkpoint's :meth:`balanced` weights, unless it balanced other terms."""
        if balanced.keys() == self.balanced().keys():
            self.objective.term_weights.update(balanced)
