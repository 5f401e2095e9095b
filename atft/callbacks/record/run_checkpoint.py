"""Keep the selected epoch's weights in ``best_model.ckpt`` and every finished epoch's in ``last.ckpt``.

The selected epoch is the best one by a metric, or the last one that was validated: one noisy validation year says
little about which of two epochs is better, and averaged weights of the last epoch need no choice. Both files are
written when an epoch is over, its validation included: resuming from one starts the next epoch exactly as if
nothing had happened. Where a stop cuts an epoch off (a time limit, ``max_steps``, a callback), what there is of it
may be selected, while ``last.ckpt`` is of before its validation: resuming trains on the rest of its days. Where
several epochs are kept, ``best_model.ckpt`` is a link to the best of their files. Cost: two writes an epoch.

Metrics belong to the weights that they were measured with. `RankingTask` clears ``trainer.callback_metrics`` when
an epoch starts and validates only at an epoch's end, so that a checkpoint never carries metrics of other weights.
"""

import math
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import lightning.pytorch as pl
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from atft.batch import DayBatch
from atft.errors import InputError
from atft.files.checkpoint_file import BEST, read_checkpoint
from atft.files.publish import published

STEP_NAME = "step_{step}"


class Measured(NamedTuple):
    """Metrics of the weights after one optimiser step."""

    step: int
    """Optimiser steps taken."""
    epoch: int
    """Counted from 0, as in metrics.json."""
    metrics: dict[str, float]
    """By name, those of the epoch's training included."""


def validation_of(metrics: Mapping[str, float]) -> dict[str, float]:
    """The validation's part of an epoch's metrics; empty where it was not validated."""
    return {name: value for name, value in metrics.items() if name.startswith("val/")}


def measured_now(trainer: pl.Trainer) -> Measured:
    """Metrics of the present weights."""
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    return Measured(trainer.global_step, trainer.current_epoch, metrics)


def measured_of(checkpoint: Path) -> Measured:
    """Metrics that a checkpoint's weights had when it was written; InputError where it cannot be read."""
    content = read_checkpoint(checkpoint)
    metrics = content["atft"].get("measured", {})
    return Measured(int(content["global_step"]), int(content["epoch"]), dict(metrics))


class RunCheckpoint(ModelCheckpoint):
    """Lightning's checkpoint callback, which selects among whole epochs and continues a previous run's selection.

    Args:
        select: epoch whose weights are scored on the days after training, and kept in best_model.ckpt: ``best`` by
            ``monitor``, or ``last``, the last one that was validated.
        monitor: metric of an epoch.
        mode: ``max`` where a higher one is better, else ``min``.
        save_top_k: best epochs to keep, -1 for all; of several each is in ``step_<n>.ckpt``.
        save_last: also keep ``last.ckpt``, from which a run goes on.
        save_weights_only: without what a run needs to go on.
        every_n_epochs: only each so many epochs may be selected.
        every_n_train_steps: write ``last.ckpt`` each so many steps too; null for the ends of epochs alone.

    Raises:
        InputError: a number or word out of range, or options that exclude each other.
    """

    def __init__(
        self,
        select: Literal["best", "last"] = "best",
        monitor: str = "val/rank_ic",
        mode: Literal["max", "min"] = "max",
        save_top_k: int = 1,
        save_last: bool = True,
        save_weights_only: bool = False,
        every_n_epochs: int = 1,
        every_n_train_steps: int | None = None,
    ) -> None:
        if select not in ("best", "last"):
            raise InputError(f"checkpoint.select: must be best or last, got {select!r:.40}")
        if select == "last" and save_top_k != 1:
            raise InputError(
                f"checkpoint.save_top_k: {save_top_k} keeps the best epochs, and checkpoint.select last keeps the "
                f"last one; leave it out"
            )
        if save_top_k == 0:
            raise InputError(
                "checkpoint.save_top_k: 0 keeps nothing to score the unseen days with; 1 keeps the best epoch"
            )
        if every_n_epochs < 1:
            raise InputError(f"checkpoint.every_n_epochs: must be at least 1, got {every_n_epochs}")
        try:
            super().__init__(
                filename=Path(BEST).stem if save_top_k == 1 else STEP_NAME,
                monitor=monitor,
                mode=mode,
                save_top_k=save_top_k,
                save_last=save_last,
                save_weights_only=save_weights_only,
                every_n_train_steps=every_n_train_steps,
                save_on_train_epoch_end=True,  # a resume then starts with the next epoch
                auto_insert_metric_name=False,
                enable_version_counter=False,
            )
        except MisconfigurationException as error:
            raise InputError(f"checkpoint: {' '.join(str(error).split())}") from error
        self.select = select
        self._every_n_epochs = every_n_epochs
        self.selected: Measured | None = None
        """Metrics of the weights in ``best_model_path``; None before the first selection."""
        self.lost = ""
        """The previous run's best checkpoint, where a resumed run cannot find it."""
        self._resumed, self._resumed_within = Path(), False
        self._kept_within = 0  # steps taken when last.ckpt was last written within an epoch

    @property
    def state_key(self) -> str:
        """The same under all options: with Lightning's, a resume that changes one would forget the selection."""
        return type(self).__qualname__

    def on_load_checkpoint(self, trainer: pl.Trainer, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Remember the file that is resumed and so its folder, for :meth:`load_state_dict`."""
        self._resumed = Path(trainer.ckpt_path or "")
        epochs = checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]
        self._resumed_within = epochs["processed"] < epochs["started"]

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: DayBatch, *_: Any
    ) -> None:
        """Save ``last.ckpt`` every ``every_n_train_steps``, and where a stop cuts the epoch off.

        Not after an epoch's last step: its end saves it.
        """
        due = self._every_n_train_steps > 0 and trainer.global_step % self._every_n_train_steps == 0
        cut = trainer.fit_loop.epoch_loop.done and not self.save_weights_only  # those alone do not go on
        if (due or cut) and batch.closes_step and not trainer.is_last_batch:
            self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))
            # The epoch may end here, and be selected.
            self._kept_within, self._last_global_step_saved = trainer.global_step, 0

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the epoch as the selected one where its metric, or ``select``, says so, and ``last.ckpt``."""
        if self._should_skip_saving_checkpoint(trainer):
            return
        metrics = self._monitor_candidates(trainer)
        measured = self.monitor in (None, *trainer.callback_metrics)
        if measured and (trainer.current_epoch + 1) % self._every_n_epochs == 0:
            self._save_topk_checkpoint(trainer, metrics)
        if self._kept_within != trainer.global_step:
            self._save_last_checkpoint(trainer, metrics)

    def _should_skip_saving_checkpoint(self, trainer: pl.Trainer) -> bool:
        # As in Lightning, except that fast_dev_run saves: it tries what follows training too.
        return (
            trainer.state.fn != TrainerFn.FITTING
            or trainer.sanity_checking
            or self._last_global_step_saved == trainer.global_step
        )

    def _save_topk_checkpoint(self, trainer: pl.Trainer, monitor_candidates: dict[str, Tensor]) -> None:
        if self.select == "last":
            self._save_none_monitor_checkpoint(trainer, monitor_candidates)
        else:
            super()._save_topk_checkpoint(trainer, monitor_candidates)
        saved = self._last_global_step_saved == trainer.global_step
        if saved and self._last_checkpoint_saved == self.best_model_path:
            self.selected = measured_now(trainer)
            if trainer.is_global_zero:
                self._publish_best()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the files that the previous run selected, with their scores."""
        scores = self._former_scores(state_dict)
        best_first = sorted(scores, key=lambda path: float(scores[path]), reverse=self.mode == "max")
        for path in best_first[: None if self.save_top_k == -1 else self.save_top_k]:
            former = self._find(Path(path), float(scores[path]))
            if former is not None:
                self._take_over(*former, scores[path])
            elif path == best_first[0]:
                self.lost = path
        if self.best_model_path:
            self.best_model_score = self.best_k_models.get(self.best_model_path)
            self._publish_best()

    def _former_scores(self, state_dict: dict[str, Any]) -> dict[str, Tensor]:
        """Files that the previous run selected, with their scores by ``monitor``."""
        resumed = self._resumed
        if self.select == "last" and resumed.is_file() and validation_of(measured_of(resumed).metrics):
            return {str(resumed): torch.tensor(torch.nan)}
        best, kept = state_dict.get("best_model_path"), state_dict.get("best_k_models")
        if kept and state_dict["monitor"] == self.monitor:
            scores = dict(kept)
        else:
            # Selected by another metric, or for being the last: the best of these files by this run's.
            scores = {path: self._score(Path(path)) for path in kept or filter(None, [best])}
        # What a stop cut off within an epoch was selected after the file that goes on from there was written.
        cut = resumed.parent / BEST
        if self._resumed_within and cut.is_file() and measured_of(cut).step == measured_of(resumed).step:
            scores[str(cut)] = self._score(cut)
        return scores

    def _score(self, path: Path) -> Tensor:
        """The previous run's file by ``monitor``; as in Lightning the worst where that is not a number."""
        former = self._find(path, math.nan)
        score = math.nan if former is None else former[1].metrics.get(self.monitor or "", math.nan)
        worst = -math.inf if self.mode == "max" else math.inf
        return torch.tensor(worst if math.isnan(score) else score, dtype=torch.float64)

    def _find(self, path: Path, score: float) -> tuple[Path, Measured] | None:
        """The previous run's file, which may have been moved; not another run's that is now at its path."""
        for candidate in (self._resumed.parent / path.name, path):
            if candidate.is_file():
                measured = measured_of(candidate)
                if not math.isfinite(score) or measured.metrics.get(self.monitor or "", score) == score:
                    return candidate, measured
        return None

    def _take_over(self, file: Path, measured: Measured, score: Tensor) -> None:
        """Keep a file of the previous run under a name of this run's own; the best one comes first."""
        name = BEST if self.save_top_k == 1 else f"{STEP_NAME.format(step=measured.step)}.ckpt"
        path = Path(self.dirpath or "") / name
        link_or_copy(file, path)
        if not self.best_model_path:
            self.best_model_path, self.selected = str(path), measured
        if self.select == "best":
            self.best_k_models[str(path)] = self.kth_value = score
            self.kth_best_model_path = str(path)

    def _publish_best(self) -> None:
        best = Path(self.best_model_path)
        if best.name != BEST:
            link_or_copy(best, best.with_name(BEST))


def find_checkpoint(trainer: pl.Trainer) -> RunCheckpoint | None:
    """The callback that selects the run's checkpoint; a user's ModelCheckpoint is not it."""
    return next((c for c in trainer.callbacks if isinstance(c, RunCheckpoint)), None)  # type: ignore[attr-defined]


def selected_epoch(trainer: pl.Trainer) -> Measured | None:
    """The epoch whose checkpoint the run has selected; None before the first selection."""
    checkpoint = find_checkpoint(trainer)
    return checkpoint.selected if checkpoint is not None else None


def link_or_copy(source: Path, target: Path) -> None:
    """Publish a file under a second name, as a link where the disk allows it."""
    with published(target) as beside:
        beside.unlink()
        try:
            os.link(source, beside)
        except OSError:  # another disk, or one without links
            shutil.copyfile(source, beside)
