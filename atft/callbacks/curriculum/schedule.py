"""Runs a curriculum: at each epoch's start the network, the optimiser and the loss are set as the phase says.

Everything is built once. A phase switches parts, lets parameter groups train or rest (``requires_grad``), and
sets factors and weights; what it sets is a function of the epoch alone, so that a resumed run goes on exactly.
At each epoch's end it is checked that the epoch ran that way. Its neighbours are told: early stopping counts its
patience afresh in each phase (the best score and checkpoint stay the whole run's); the spike guard learns its
range anew, since another loss may lie elsewhere; DDP looks for parameters that rest; a checkpoint remembers its
parts (`RankingTask`). The collapse guard is left alone: scores that are all alike are worthless in any phase.
Cost: one pass over the resting parameters an epoch.
"""

from dataclasses import asdict
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from torch import Tensor

from atft.callbacks.curriculum.phase import Phase
from atft.callbacks.curriculum.plan import (
    ResolvedPhase,
    check_names,
    phase_at,
    phase_cells,
    plan_table,
    resolve,
)
from atft.callbacks.curriculum.state import apply_phase, check_state, fingerprints, let_train
from atft.callbacks.guards.spike import SpikeGuard
from atft.callbacks.record.messages import log, warn
from atft.callbacks.record.receipt import PhaseRun
from atft.callbacks.record.run_checkpoint import find_checkpoint
from atft.callbacks.record.run_record import find_record
from atft.errors import CriterionFailed, InputError, nearest


class PhaseSchedule(pl.Callback):
    """Train in phases: parts, parameter groups, learning rates, loss weights and criteria by epoch.

    Args:
        phases: in the order in which they run; none trains all epochs as the model's configuration says.

    Raises:
        InputError: two phases of one name.
    """

    def __init__(self, phases: list[Phase] | None = None) -> None:
        self.phases = list(phases or [])
        check_names(self.phases)
        self.quiet = False
        """Write to ``run.log`` only, where many runs share a terminal."""
        self.plan: tuple[ResolvedPhase, ...] = ()
        self.runs: list[PhaseRun] = []
        """The phases as they ran, those before an interruption included."""
        self._refused: str | None = None
        self._pending: str | None = None
        self._begun = False
        self._resting: dict[str, Tensor] = {}

    # -- before the first step

    def bind(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Resolve the phases against the model, and refuse what cannot run.

        Raises:
            InputError: a phase contradicts the model, a criterion reads a metric that nothing logs, or the
                trainer cannot run the phases.
        """
        self.plan = resolve(self.phases, pl_module.network.options, pl_module.objective.options)
        for phase in self.plan:
            if phase.criterion is not None:
                _check_criterion(phase, trainer, pl_module.logged_names())
        weights = {(tuple((p.terms or {}).items()), tuple(p.horizon_shares.items())) for p in self.plan}
        for callback in trainer.callbacks if len(weights) > 1 else ():  # type: ignore[attr-defined]
            if getattr(callback, "monitor", None) == "train/loss":
                kind = type(callback).__name__
                raise InputError(
                    f"{kind}: train/loss means another thing in each phase, the weights differ; monitor val/rank_ic"
                )
        if self._toggles() and not isinstance(trainer.strategy, SingleDeviceStrategy | DDPStrategy):
            kind = type(trainer.strategy).__name__
            raise InputError(
                f"trainer.strategy: {kind} cannot let parts rest by phase; use one device, or ddp"
            )

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Let everything that some phase trains ask for a gradient, until the optimiser and DDP know of it."""
        if stage != "fit" or not self.phases:
            return
        self.bind(trainer, pl_module)
        trained = {name for phase in self.plan for name in phase.lr_factors}
        let_train(pl_module, trained)
        if self._toggles() and isinstance(trainer.strategy, DDPStrategy):
            trainer.strategy._ddp_kwargs["find_unused_parameters"] = True

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the plan; refuse to go on behind a criterion that said no."""
        if not self.plan:
            return
        self._check_passed_criteria()
        log(trainer, plan_table(self.plan), self.quiet)
        left = [p.name for p in self.plan if p.first_epoch >= (trainer.max_epochs or 0)]
        if left:
            text = f"trainer.max_epochs {trainer.max_epochs} ends the curriculum early"
            warn(trainer, f"{text}; never run: {', '.join(left)}")
        record = find_record(trainer)
        if record is not None:
            record.receipt.phases = self.runs

    # -- every epoch

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if not self._begun:  # an epoch that is resumed in its middle has no start
            self.on_train_epoch_start(trainer, pl_module)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._begun = True
        if not self.plan:
            return
        self._say_pending(trainer)
        place = phase_at(self.plan, trainer.current_epoch)
        phase = self.plan[place]
        apply_phase(phase, pl_module, trainer.optimizers[0])
        self._resting = fingerprints(pl_module, phase)
        if not self.runs or self.runs[-1].name != phase.name:
            self._enter(place, trainer)
        pl_module.log("train/phase", float(place + 1), on_step=False, on_epoch=True, batch_size=1)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not self.plan:
            return
        phase = self.plan[phase_at(self.plan, trainer.current_epoch)]
        check_state(phase, pl_module, trainer.optimizers[0], self._resting)
        self.runs[-1].last_epoch = trainer.current_epoch + 1
        if phase.criterion is not None and phase.criterion_epoch == trainer.current_epoch:
            self._ask(phase, trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say in which phase the best checkpoint was selected: it is scored with that phase's parts."""
        self._say_pending(trainer)
        checkpoint = find_checkpoint(trainer)
        if self.plan and checkpoint is not None and checkpoint.selected is not None:
            epoch = checkpoint.selected.epoch
            phase = self.plan[phase_at(self.plan, epoch)]
            parts = ", ".join(phase.parts_on) or "none"
            log(
                trainer,
                f"best checkpoint: epoch {epoch + 1}, phase {phase.name} (parts on: {parts})",
                self.quiet,
            )

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Fail the run whose criterion says so, once its last epoch is recorded."""
        if self._refused is not None:
            raise CriterionFailed(self._refused)

    # -- what a checkpoint carries

    def state_dict(self) -> dict[str, Any]:
        return {"runs": [asdict(run) for run in self.runs]} if self.plan else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.runs = [PhaseRun(**run) for run in state_dict["runs"]]

    # -- inside

    def _toggles(self) -> bool:
        return len({frozenset(phase.lr_factors) for phase in self.plan}) > 1

    def _enter(self, place: int, trainer: pl.Trainer) -> None:
        phase, epoch = self.plan[place], trainer.current_epoch
        self.runs.append(
            PhaseRun(
                name=phase.name,
                first_epoch=epoch + 1,
                last_epoch=epoch + 1,
                parts=phase.parts_on,
                lr_factors=dict(phase.lr_factors),
                terms=dict(phase.terms or {}),
                horizon_shares={f"{h}d": share for h, share in phase.horizon_shares.items()},
            )
        )
        cells = phase_cells(phase)
        before = phase_cells(self.plan[place - 1]) if place else {}
        said = "   ".join(f"{what}: {value}" for what, value in cells.items() if value != before.get(what))
        log(trainer, f"phase {place + 1}/{len(self.plan)} {phase.name}   {said}", self.quiet)
        for logger in trainer.loggers if trainer.is_global_zero else ():
            if isinstance(logger, TensorBoardLogger):
                rows = "\n".join(f"| {what} | {value} |" for what, value in cells.items())
                logger.experiment.add_text(
                    "phase", f"| {phase.name} | |\n| --- | --- |\n{rows}", trainer.global_step
                )
        for callback in trainer.callbacks if epoch == phase.first_epoch else ():  # type: ignore[attr-defined]
            if isinstance(callback, EarlyStopping):
                callback.wait_count = 0
            if isinstance(callback, SpikeGuard):
                callback.forget()

    def _ask(self, phase: ResolvedPhase, trainer: pl.Trainer) -> None:
        criterion = phase.criterion
        assert criterion is not None
        if criterion.metric not in trainer.callback_metrics:
            raise InputError(
                f"criterion of phase {phase.name}: epoch {phase.criterion_epoch + 1} logged no {criterion.metric}"
            )
        value = float(trainer.callback_metrics[criterion.metric])
        no = trainer.strategy.reduce_boolean_decision(not criterion.passes(value), all=False)
        epoch = phase.criterion_epoch + 1
        said = f"{criterion.metric} {value:.4g} after epoch {epoch}, asked {criterion.condition()}"
        self.runs[-1].criterion = f"{criterion.otherwise if no else 'passed'}: {said}"
        if not no:
            return
        text = f"criterion of phase {phase.name}: {said}"
        if criterion.otherwise == "continue":
            self._pending = text
            return
        trainer.should_stop = True
        if criterion.otherwise == "fail":
            self._refused = text
        record = find_record(trainer)
        if record is not None and self._refused is None:  # a run that a criterion fails is not concluded
            record.stopped = text

    def _check_passed_criteria(self) -> None:
        """A resumed run is not a way around a criterion."""
        criteria = {p.name: p.criterion for p in self.plan if p.criterion is not None}
        for run in self.runs:
            criterion = criteria.get(run.name)
            if (
                criterion is not None
                and run.criterion.startswith(("stop", "fail"))
                and run.criterion.endswith(criterion.condition())
            ):
                raise CriterionFailed(
                    f"criterion of phase {run.name} ended this run ({run.criterion}); "
                    f"change the criterion to go on from here"
                )

    def _say_pending(self, trainer: pl.Trainer) -> None:
        # An epoch's bar stands on the terminal until the epoch is over.
        if self._pending is not None:
            warn(trainer, self._pending)
            self._pending = None


def _check_criterion(phase: ResolvedPhase, trainer: pl.Trainer, known: set[str]) -> None:
    criterion = phase.criterion
    assert criterion is not None
    if criterion.metric not in known:
        raise InputError(
            f"criterion of phase {phase.name}: no metric {criterion.metric!r}{nearest(criterion.metric, known)}"
        )
    every = trainer.check_val_every_n_epoch or 1
    if criterion.metric.startswith("val/") and (phase.criterion_epoch + 1) % every:
        raise InputError(
            f"criterion of phase {phase.name}: epoch {phase.criterion_epoch + 1} is not validated "
            f"(trainer.check_val_every_n_epoch is {every}); move the criterion"
        )
    if (trainer.min_epochs or 0) > phase.criterion_epoch + 1:
        raise InputError(
            f"criterion of phase {phase.name}: trainer.min_epochs {trainer.min_epochs} would go on past "
            f"epoch {phase.criterion_epoch + 1}; lower it"
        )
