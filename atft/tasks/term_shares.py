"""Measure each loss term's share of the gradient while a run trains: log it, balance the terms, find dead ones.

Measured right before a step's gradients are applied, every `MEASURED_EVERY_STEPS`, at the step's last block: all
devices take what the one that has it measured. And at every block while a term has had no gradient yet in its
epoch. A measurement costs one forward and backward of the terms.
"""

from collections.abc import Mapping
from typing import cast

import lightning.pytorch as pl
import torch
from torch import Tensor

from atft.batch import DayBatch, Forecast
from atft.errors import DeadTerm
from atft.losses.dead_terms import DeadTerms
from atft.losses.objective import DayObjective, gradient_shares
from atft.tasks.step_log import log_at

MEASURED_EVERY_STEPS = 50
"""Optimiser steps between two measurements that are logged, and that balanced weights follow."""


class TermShares:
    """Measure the terms' shares of the gradient, balance the terms by them, and end a run with a dead term."""

    def __init__(self, objective: DayObjective) -> None:
        self.objective = objective
        self._dead_terms = DeadTerms(objective.term_weights)

    def take(self, task: pl.LightningModule, forecast: Forecast, batch: DayBatch, ends_step: bool) -> None:
        """Measure at a block where a measurement is due, before its step is applied.

        Logs ``train/gradient_share/<term>`` and, where weights are balanced, ``train/weight/<term>``.

        Args:
            task: the module that trains.
            forecast: of the block.
            batch: the block.
            ends_step: it is the last block of its step on all devices.
        """
        # Due at the same block on all ranks and for any block size; which terms are pending differs by rank.
        due = batch.closes_step and task.global_step % MEASURED_EVERY_STEPS == 0
        if not (due or self._dead_terms.pending):
            return
        shares = gradient_shares(self.objective, forecast, batch)
        self._dead_terms.see(shares)
        if not due:
            return
        measured = torch.tensor(list(shares.values()), device=task.device) * ends_step
        measured = cast(Tensor, task.trainer.strategy.reduce(measured, reduce_op="sum"))
        shares = dict(zip(shares, measured.tolist(), strict=True))
        values = {f"train/gradient_share/{name}": share for name, share in shares.items()}
        if self.objective.options.gradient_shares:
            self.objective.balance(shares)
            values |= {f"train/weight/{name}": weight for name, weight in self.objective.term_weights.items()}
        task.log_dict(values, on_step=True, on_epoch=False, logger=False, batch_size=1)
        log_at(task.trainer, values, task.global_step + 1)  # of the step that this block closes

    def close_epoch(self, task: pl.LightningModule) -> None:
        """Check that every term with a weight had a gradient in the epoch, on some rank.

        Raises:
            DeadTerm: with the names of those that had none.
        """
        dead, watched = self._dead_terms.close_epoch(), self._dead_terms.watched
        alive = torch.tensor([float(n not in dead) for n in watched], device=task.device)
        alive = cast(Tensor, task.trainer.strategy.reduce(alive, reduce_op="sum"))
        names = [n for n, ranks in zip(watched, alive.tolist(), strict=True) if ranks == 0]
        if names:
            raise DeadTerm(
                f"objective.terms.{', '.join(names)}: a weight above 0 and a gradient of exactly 0 in all of epoch "
                f"{task.current_epoch + 1}; set the weight to 0, or fix what the term reads"
            )

    def balanced(self) -> dict[str, float]:
        """Present weights of the balanced terms, for a checkpoint."""
        return {n: self.objective.term_weights[n] for n in self.objective.options.gradient_shares}

    def restore(self, balanced: Mapping[str, float]) -> None:
        """Continue with a checkpoint's :meth:`balanced` weights, unless it balanced other terms."""
        if balanced.keys() == self.balanced().keys():
            self.objective.term_weights.update(balanced)
