"""Counts the steps that float16 training skips, and stops a run that does nothing else any more.

In precision 16-mixed a scaler multiplies the loss so that small gradients survive in float16; when a gradient
overflows it skips the step and halves its factor. A few such steps at the beginning are how it finds the factor.
A factor below 1 means that gradients overflow without any help: each further step would be skipped as well, while
the loss looks finite and the epochs pass. Cost: reading one number a step, for which the scaler waits anyway.
"""

from typing import Any

import lightning.pytorch as pl

from atft.batch import DayBatch
from atft.callbacks.record.alarm import sound_alarm
from atft.callbacks.record.run_checkpoint import find_checkpoint
from atft.callbacks.record.run_record import find_record
from atft.errors import LossScaleCollapse

LEAST_SCALE = 1.0


class LossScaleGuard(pl.Callback):
    """Fail with `LossScaleCollapse` when the loss scale falls below 1; count the skipped steps in the receipt.

    Logs ``health/loss_scale`` and ``health/skipped_steps/loss_scale`` (over the run so far) once an epoch. Rests in
    all other precisions.
    """

    def __init__(self) -> None:
        self.skipped = 0
        self._scale = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._scale = _scale(trainer) or 0.0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: DayBatch, batch_idx: int
    ) -> None:
        scale = _scale(trainer) if batch.closes_step else None
        if scale is not None:
            self.observe(scale, trainer)
        if trainer.is_last_batch and _scale(trainer) is not None:
            figures = {"loss_scale": self._scale, "skipped_steps/loss_scale": float(self.skipped)}
            pl_module.log_dict({f"health/{n}": v for n, v in figures.items()}, on_step=False, on_epoch=True)

    def observe(self, scale: float, trainer: pl.Trainer) -> None:
        """Compare the scale with that before the step: a smaller one says that the step was skipped."""
        if scale < self._scale:
            self.skipped += 1
            record = find_record(trainer)
            if record is not None:
                record.receipt.skipped_steps["loss_scale"] = self.skipped
        self._scale = scale
        if scale < LEAST_SCALE:
            last = getattr(find_checkpoint(trainer), "last_model_path", "") or "none yet"
            text = (
                f"the loss scale fell to {scale:g} in step {trainer.global_step}: gradients overflow float16 even "
                f"unscaled, {self.skipped} steps were skipped, the weights did not take them up, last good "
                f"checkpoint: {last}; train in precision bf16-mixed or 32-true, or lower the learning rate"
            )
            sound_alarm(trainer, text)
            raise LossScaleCollapse(text)

    def state_dict(self) -> dict[str, Any]:
        return {"skipped": self.skipped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.skipped = int(state_dict["skipped"])


def _scale(trainer: pl.Trainer) -> float | None:
    scaler = getattr(trainer.precision_plugin, "scaler", None)
    return None if scaler is None else float(scaler.get_scale())
