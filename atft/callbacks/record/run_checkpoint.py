"""Which weights a run keeps: the best epoch's in ``best_model.ckpt``, every finished epoch's in ``last.ckpt``.

Both are written when an epoch is over, its validation included, so that going on from one starts the next epoch
exactly as if nothing had happened. ``best_model.ckpt`` is the best epoch's under every option: where several epochs
are kept, or a file name is given, these are files of their own and it is a link to the best of them. A resumed run
takes the selection of the run before along: it is over all epochs, not over those since the interruption. Cost: two
writes an epoch.
"""

import os
import shutil
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from atft.callbacks.record.measured import Measured, measured_now, measured_of
from atft.errors import InputError
from atft.publish import published

BEST = "best_model.ckpt"
STEP_NAME = "step_{step}"


class RunCheckpoint(ModelCheckpoint):
    """Lightning's checkpoint callback: selects among whole epochs, ``last.ckpt`` after each, a memory over resumes.

    ``every_n_train_steps`` writes ``last.ckpt`` between epochs too; the best is selected at their ends.

    Raises:
        InputError: an option under which a file would not hold what its name says.
    """

    def __init__(self, **options: Any) -> None:
        check_options(options)
        try:
            super().__init__(**options)
        except MisconfigurationException as error:
            raise InputError(f"checkpoint: {' '.join(str(error).split())}") from error
        if self.save_top_k != 1 and self.filename == Path(BEST).stem:
            self.filename = STEP_NAME
        self._save_on_train_epoch_end = True
        self._every_n_epochs = self._every_n_epochs or 1
        self.selected: Measured | None = None
        """What was measured of the weights in ``best_model_path``; None before the first selection."""
        self.lost = ""
        """The previous run's best checkpoint, where a resumed run cannot find it."""
        self._resumed_in = Path()

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Remember where the run before is now, for :meth:`load_state_dict`."""
        self._resumed_in = Path(trainer.ckpt_path or "").parent

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save ``last.ckpt`` where ``every_n_train_steps`` asks for it; an epoch's last step waits for its end."""
        due = self._every_n_train_steps > 0 and trainer.global_step % self._every_n_train_steps == 0
        if due and batch.closes_step and not trainer.is_last_batch:
            self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the epoch where it was measured and is the best, and as the last one in any case."""
        if self.monitor is None or self.monitor in trainer.callback_metrics:
            super().on_train_epoch_end(trainer, pl_module)
        # Lightning renews last.ckpt in the best epochs only; a resume would repeat the others.
        if not self._should_skip_saving_checkpoint(trainer):
            self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))

    def _should_skip_saving_checkpoint(self, trainer: pl.Trainer) -> bool:
        # Lightning's own answer, but for fast_dev_run: a smoke run tries what follows training too.
        return (
            trainer.state.fn != TrainerFn.FITTING
            or trainer.sanity_checking
            or self._last_global_step_saved == trainer.global_step
        )

    def _save_topk_checkpoint(self, trainer: pl.Trainer, monitor_candidates: dict[str, Tensor]) -> None:
        super()._save_topk_checkpoint(trainer, monitor_candidates)
        saved = self._last_global_step_saved == trainer.global_step
        if saved and self._last_checkpoint_saved == self.best_model_path:
            self.selected = measured_now(trainer)
            if trainer.is_global_zero:
                self._publish_best()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from another run: take what it selected along, and remember what that scored."""
        if self.dirpath is None or state_dict.get("dirpath") == self.dirpath:
            super().load_state_dict(state_dict)
            if Path(self.best_model_path).is_file():
                self.selected = measured_of(Path(self.best_model_path))
            return
        alone = {state_dict.get("best_model_path", ""): torch.tensor(torch.nan)}  # no metric selects
        scores = dict(state_dict.get("best_k_models") or alone)
        sign = 1 if self.mode == "max" else -1
        ranked = sorted(filter(None, scores), key=lambda path: -sign * float(scores[path]))
        for path in ranked[: None if self.save_top_k == -1 else self.save_top_k]:
            former = self._find(Path(path), float(scores[path]))
            if former is None:
                self.lost = path if path == ranked[0] else self.lost
                continue
            own = str(Path(self.dirpath) / self._name_of(former))
            link_or_copy(former, Path(own))
            self.best_k_models[own] = self.kth_value = scores[path]
            self.kth_best_model_path = own
        if not self.best_k_models:
            return
        self.best_model_path = next(iter(self.best_k_models))
        self.best_model_score = self.best_k_models[self.best_model_path]
        self.selected = measured_of(Path(self.best_model_path))
        self._publish_best()

    def _find(self, path: Path, score: float) -> Path | None:
        """The file of the run before, which may have been moved since; another run's in its place is none."""
        for place in (self._resumed_in / path.name, path):
            if place.is_file():
                metrics = measured_of(place).metrics
                if self.monitor is None or metrics.get(self.monitor, score) == score:
                    return place
        return None

    def _name_of(self, former: Path) -> str:
        """Of a file that is taken over: with its step where more than the best is kept."""
        return BEST if self.save_top_k == 1 else f"{STEP_NAME.format(step=measured_of(former).step)}.ckpt"

    def _publish_best(self) -> None:
        chosen = Path(self.best_model_path)
        if chosen.name != BEST:
            link_or_copy(chosen, chosen.with_name(BEST))


def check_options(options: dict[str, Any]) -> None:
    """Check options of Lightning's callback that would put other weights into a file than its name says.

    Raises:
        InputError: with what to use instead.
    """
    k, name = options.get("save_top_k", 1), options.get("filename")
    within = "add lightning.pytorch.callbacks.ModelCheckpoint to trainer.callbacks"
    wrong = {
        "save_top_k": (k == 0, "0 keeps nothing to score the unseen days with; 1 keeps the best epoch"),
        "save_last": (options.get("save_last") == "link", "link would name another epoch; true or false"),
        "every_n_epochs": (options.get("every_n_epochs") == 0, "must be at least 1, or null for every epoch"),
        "save_on_train_epoch_end": (
            options.get("save_on_train_epoch_end") is False,
            "false would save an epoch before it is over; leave it out",
        ),
        "save_on_exception": (
            bool(options.get("save_on_exception")),
            f"the best epoch's file would be overwritten; last.ckpt is there, or {within}",
        ),
        "train_time_interval": (
            options.get("train_time_interval") is not None,
            f"a run selects among whole epochs; give checkpoint.every_n_train_steps, or {within}",
        ),
        "dirpath": (
            options.get("dirpath") is not None,
            "checkpoints stay in the run's own directory; give trainer.default_root_dir or name",
        ),
        "filename": (
            name == ModelCheckpoint.CHECKPOINT_NAME_LAST,
            f"{name} is the name of the last epoch's file; give another one",
        ),
    }
    several = k not in (0, 1) and name not in (None, Path(BEST).stem)
    if several and "{step" not in str(name) and "{epoch" not in str(name):
        wrong["filename"] = (True, f"{name} would name all of save_top_k {k} alike; put {{step}} in it")
    for key, (is_wrong, advice) in wrong.items():
        if is_wrong:
            raise InputError(f"checkpoint.{key}: {advice}")


def find_checkpoint(trainer: pl.Trainer) -> RunCheckpoint | None:
    """The callback that selects the run's checkpoint; others may keep files of their own beside it."""
    return next((c for c in trainer.callbacks if isinstance(c, RunCheckpoint)), None)  # type: ignore[attr-defined]


def link_or_copy(former: Path, own: Path) -> None:
    """Publish a file under a second name, without a copy of its bytes where the disk allows that."""
    with published(own) as beside:
        beside.unlink()
        try:
            os.link(former, beside)
        except OSError:  # another disk, or one without links
            shutil.copyfile(former, beside)
