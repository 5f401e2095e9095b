"""Run a curriculum: at each epoch's start, set the network, the optimiser and the loss as its phase says.

All of it is a function of the epoch alone, so that a resumed run continues exactly. Other callbacks follow:
early stopping counts its patience again in each phase (the best score and checkpoint stay the whole run's); the
spike guard learns its range again, since another loss has another scale; a checkpoint remembers its parts
(`RankingTask`). The collapse guard is left alone: scores that are all alike are worthless in any phase.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy

from atft.callbacks.curriculum.phase import Criterion, Phase
from atft.callbacks.curriculum.plan import first_epochs, freezes_by_phase, phase_at, phase_cells, plan_table
from atft.callbacks.guards.spike import SpikeGuard
from atft.callbacks.record.messages import log, warn
from atft.callbacks.record.run_checkpoint import selected_epoch
from atft.callbacks.record.run_record import RunRecord
from atft.errors import CriterionFailed, InputError
from atft.optim.phase_rates import set_factors


def apply_phase(phase: Phase, pl_module: Any, optimizer: torch.optim.Optimizer) -> None:
    """Set the parts, frozen groups, learning-rate factors and loss weights of a resolved phase."""
    pl_module.network.set_parts(**phase.parts)
    train_only(pl_module, phase.factors)
    set_factors(optimizer, phase.factors)
    pl_module.objective.set_weights(phase.terms or None, phase.horizon_weights)


def train_only(pl_module: Any, names: Iterable[str]) -> None:
    """Let exactly the named parameter groups require a gradient."""
    names = set(names)
    for name, group in pl_module.network.parameter_groups().items():
        for parameter in group:
            parameter.requires_grad_(name in names)


class PhaseSchedule(pl.Callback):
    """Train by a plan of resolved and checked phases, at least one; the receipt gets them as they ran.

    Args:
        quiet: write to ``run.log`` only, where many runs share a terminal.
    """

    def __init__(self, plan: Sequence[Phase], record: RunRecord | None = None, quiet: bool = False) -> None:
        self.plan, self.record, self.quiet = list(plan), record, quiet
        self.runs: list[dict[str, Any]] = []
        """The phases as they ran, those before an interruption included; epochs are counted from 1."""
        self._failed: str | None = None
        self._started = False

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Unfreeze everything that some phase trains, until the optimiser and DDP know of it."""
        if stage == "fit":
            train_only(pl_module, {name for phase in self.plan for name in phase.factors})
            if freezes_by_phase(self.plan) and isinstance(trainer.strategy, DDPStrategy):
                trainer.strategy._ddp_kwargs["find_unused_parameters"] = True

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.record is not None:
            self.record.receipt.phases = self.runs  # also of a run that is resumed for no further epoch

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the plan, unless a criterion had ended the run that is resumed.

        Raises:
            CriterionFailed: resuming is not a way around a criterion.
        """
        criteria = {phase.name: phase.parsed_criterion() for phase in self.plan}
        for run in self.runs:
            ended = run.get("criterion", "").startswith(("stop", "fail"))
            if ended and run["criterion"].endswith(f"required {criteria.get(run['name'])}"):
                raise CriterionFailed(
                    f"criterion of phase {run['name']} ended this run ({run['criterion']}); "
                    f"change the criterion to go on from here"
                )
        log(trainer, plan_table(self.plan), self.quiet)
        starts = zip(self.plan, first_epochs(self.plan), strict=False)
        never = [phase.name for phase, first in starts if first >= (trainer.max_epochs or 0)]
        if never:
            text = f"trainer.max_epochs {trainer.max_epochs} ends the curriculum early"
            warn(trainer, f"{text}; never run: {', '.join(never)}")

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        if not self._started:  # an epoch that is resumed midway has no start
            self.on_train_epoch_start(trainer, pl_module)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._started = True
        index = phase_at(self.plan, trainer.current_epoch)
        apply_phase(self.plan[index], pl_module, trainer.optimizers[0])
        if not self.runs or self.runs[-1]["name"] != self.plan[index].name:
            self._enter(index, trainer)
        pl_module.log("train/phase", float(index + 1), on_step=False, on_epoch=True, batch_size=1)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        index, done = phase_at(self.plan, trainer.current_epoch), trainer.current_epoch + 1
        self.runs[-1]["last_epoch"] = done
        criterion = self.plan[index].parsed_criterion()
        # A stop may have cut the epoch off: the phase is not over then.
        if criterion is not None and done == first_epochs(self.plan)[index + 1] and trainer.is_last_batch:
            self._check(self.plan[index], criterion, trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log in which phase the checkpoint was selected: it is scored with that phase's parts."""
        selected = selected_epoch(trainer)
        if selected is not None:
            phase = self.plan[phase_at(self.plan, selected.epoch)]
            parts = ", ".join(phase.parts_on) or "none"
            text = f"selected checkpoint: epoch {selected.epoch + 1}, phase {phase.name} (parts on: {parts})"
            log(trainer, text, self.quiet)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Fail the run that has missed a criterion with ``fail``, once its last epoch is recorded."""
        if self._failed is not None:
            raise CriterionFailed(self._failed)

    def state_dict(self) -> dict[str, Any]:
        return {"runs": self.runs}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.runs = state_dict["runs"]

    def _enter(self, index: int, trainer: pl.Trainer) -> None:
        """Record and log a phase that begins, and let other callbacks start over."""
        phase, epoch = self.plan[index], trainer.current_epoch
        run = {
            "name": phase.name,
            "first_epoch": epoch + 1,
            "last_epoch": epoch + 1,
            "parts": phase.parts_on,
            "lr_factors": phase.factors,
            "terms": phase.terms,
            "horizon_weights": phase.horizon_weights,
            "criterion": "",
        }
        self.runs.append(run)
        cells = phase_cells(self.plan, index)
        before = phase_cells(self.plan, index - 1) if index else {}
        changes = "   ".join(f"{what}: {cell}" for what, cell in cells.items() if cell != before.get(what))
        log(trainer, f"phase {index + 1}/{len(self.plan)} {phase.name}   {changes}", self.quiet)
        rows = "\n".join(f"| {what} | {cell} |" for what, cell in cells.items())
        for logger in trainer.loggers if trainer.is_global_zero else ():
            if isinstance(logger, TensorBoardLogger):
                table = f"| {phase.name} | |\n| --- | --- |\n{rows}"
                logger.experiment.add_text("phase", table, trainer.global_step)
        if epoch == first_epochs(self.plan)[index]:
            for callback in trainer.callbacks:  # type: ignore[attr-defined]
                if isinstance(callback, EarlyStopping):
                    callback.wait_count = 0
                if isinstance(callback, SpikeGuard):
                    callback.forget()

    def _check(self, phase: Phase, criterion: Criterion, trainer: pl.Trainer) -> None:
        """Check the criterion of a phase that is over; what follows is its ``otherwise``."""
        epoch = trainer.current_epoch + 1
        if criterion.metric not in trainer.callback_metrics:
            raise InputError(f"criterion of phase {phase.name}: epoch {epoch} logged no {criterion.metric}")
        value = float(trainer.callback_metrics[criterion.metric])
        # The same answer on all ranks: one of them must not stop alone.
        missed = trainer.strategy.reduce_boolean_decision(not criterion.met_by(value), all=False)
        verdict = f"{criterion.metric} {value:.4g} after epoch {epoch}, required {criterion}"
        self.runs[-1]["criterion"] = f"{phase.otherwise if missed else 'passed'}: {verdict}"
        if not missed:
            return
        text = f"criterion of phase {phase.name}: {verdict}"
        if phase.otherwise == "continue":
            warn(trainer, text)
            return
        trainer.should_stop = True
        if phase.otherwise == "fail":
            self._failed = text
            return  # a run that fails is not concluded
        if self.record is not None:
            self.record.stopped = text
