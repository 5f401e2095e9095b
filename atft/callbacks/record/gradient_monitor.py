"""How hard each block of the network is pulled: the norm of its part of a step's gradient, before clipping.

A block whose norm is 0 learns nothing, one whose norm is far above the others' holds the clip for all of them; both
hide in a single number. Measured once in a while, since reading a number makes the processor wait for the
device: a measured step costs a pass over the gradient, the others nothing.
"""

from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from atft.batch import DayBatch
from atft.errors import InputError

NORM, SHARE, HISTOGRAM = "health/gradient_norm", "health/gradient_non_finite", "health/gradient"


class GradientMonitor(pl.Callback):
    """Log each block's gradient norm and the share of the gradient that is not finite; draw histograms.

    Under a loss scaler (precision 16-mixed) the norms are those of the scaled loss.

    Args:
        every: optimiser steps between two measurements of the norms; 0 never measures.
        histogram_every: optimiser steps between two histograms of each block's gradient in TensorBoard; 0 draws
            none.

    Raises:
        InputError: an option is negative.
    """

    def __init__(self, every: int = 50, histogram_every: int = 500) -> None:
        for name, value in (("every", every), ("histogram_every", histogram_every)):
            if value < 0:
                raise InputError(f"gradient_monitor.{name} must be at least 0, got {value}")
        self.every, self.histogram_every = every, histogram_every
        self._closes = False

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: Any, batch: DayBatch, batch_idx: int
    ) -> None:
        self._closes = batch.closes_step

    def on_after_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        norms, draws = (self._due(trainer, n) for n in (self.every, self.histogram_every))
        if not (norms or draws) or not trainer.is_global_zero or not trainer.loggers:
            return
        parts = gradient_parts(pl_module.network)
        place = trainer.global_step + 1  # of the step that this block closes
        if norms and parts:
            values = gradient_health(parts)
            for logger in trainer.loggers:
                logger.log_metrics(values, step=place)
        for logger in trainer.loggers if draws else ():
            if isinstance(logger, TensorBoardLogger):
                _draw(logger, parts, place)

    def _due(self, trainer: pl.Trainer, every: int) -> bool:
        return self._closes and every > 0 and trainer.global_step % every == 0


def gradient_parts(network: Any) -> dict[str, list[Tensor]]:
    """Gradients by the network's parameter groups: its blocks, the input's projection, the heads.

    A group that rests, because its block is off or a phase freezes it, or that has no gradient yet, is left out.

    Args:
        network: with ``parameter_groups()``.
    """
    held = {
        name: [p.grad for p in group if p.grad is not None]
        for name, group in network.parameter_groups().items()
    }
    return {name: gradients for name, gradients in held.items() if gradients}


def gradient_health(parts: dict[str, list[Tensor]]) -> dict[str, float]:
    """Norm of each part's gradient, of the whole, and the share of numbers that are not finite.

    Args:
        parts: gradients by block, at least one.

    Returns:
        ``health/gradient_norm/<block>``, ``health/gradient_norm/all`` and ``health/gradient_non_finite`` (0 is
        healthy, 1 a gradient without a single number); one wait for the device for all of them.
    """
    norms = torch.stack([torch.nn.utils.get_total_norm(g).double() for g in parts.values()])
    gradients = [g for part in parts.values() for g in part]
    broken = torch.stack([(~g.isfinite()).sum() for g in gradients]).sum() / sum(g.numel() for g in gradients)
    values = torch.cat([norms, norms.norm()[None], broken.double()[None]]).tolist()
    return dict(zip([*(f"{NORM}/{name}" for name in parts), f"{NORM}/all", SHARE], values, strict=True))


def _draw(logger: TensorBoardLogger, parts: dict[str, list[Tensor]], step: int) -> None:
    for name, gradients in parts.items():
        flat = torch.cat([g.flatten().float() for g in gradients])
        flat = flat[flat.isfinite()]  # a histogram has no place for the others; their share is logged
        if len(flat):
            logger.experiment.add_histogram(f"{HISTOGRAM}/{name}", flat, step)
