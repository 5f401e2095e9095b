"""Which weights a run keeps: the best epoch's in ``best_model.ckpt``, every finished epoch's in ``last.ckpt``.

Both are written when an epoch is over, its validation included, so that going on from one starts the next epoch
exactly as if nothing had happened. A run that goes on from another one's checkpoint takes that run's best
along: the selection is over all epochs, not over those since the interruption. Cost: two writes an epoch.
"""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.trainer.states import TrainerFn

from atft.publish import published


class RunCheckpoint(ModelCheckpoint):
    """Lightning's checkpoint callback, with a ``last.ckpt`` after every epoch, and a memory over resumes."""

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save where ``every_n_train_steps`` asks for it, between steps; the last one waits for its epoch."""
        if batch.closes_step and not trainer.is_last_batch:
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the epoch where it is the best, and as the last one in any case."""
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

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from another run: copy its best checkpoint here, and remember what it scored."""
        former = Path(state_dict.get("best_model_path") or "")
        if self.dirpath is None or state_dict.get("dirpath") == self.dirpath:
            super().load_state_dict(state_dict)
            return
        if not former.is_file() or state_dict.get("best_model_score") is None:
            return  # the former run's folder is gone: select among the epochs to come
        own = str(Path(self.dirpath) / former.name)
        with published(Path(own)) as beside:
            beside.write_bytes(former.read_bytes())
        self.best_model_path = self.kth_best_model_path = own
        self.best_model_score = self.kth_value = state_dict["best_model_score"]
        self.best_k_models = {own: state_dict["best_model_score"]}
