"""Log the gradient norm of each part of the network, before clipping.

A part whose norm is 0 learns nothing; one whose norm is far above the others' decides how much all are clipped. A
measured step costs a pass over the gradient and a wait for the device.
"""

from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from atft.errors import InputError
from atft.network import Network

HISTOGRAM_EVERY = 10
"""Measurements of the norms for each histogram of the gradient."""
MAX_DRAWN = 1e18
"""Largest number in a histogram: TensorBoard's bins end at 1e20, and where all are beyond it raises."""
NORM, SHARE, HISTOGRAM = "health/gradient_norm", "health/gradient_non_finite", "health/gradient"


class GradientMonitor(pl.Callback):
    """Log each part's gradient norm and the share of the gradient that is not finite.

    Every tenth measurement also draws each part's gradient as a histogram in TensorBoard. Under a loss scaler
    (precision 16-mixed) the norms are those of the scaled loss.

    Args:
        every: optimiser steps between two measurements, at least 0; 0 never measures.
    """

    def __init__(self, every: int = 50) -> None:
        if every < 0:
            raise InputError(f"gradient_monitor.every must be at least 0, got {every}")
        self.every = every

    def on_after_backward(self, trainer: pl.Trainer, pl_module: Any) -> None:
        step = pl_module.step
        due = self.every > 0 and step.closes and step.number % self.every == 0
        if not due or not trainer.is_global_zero or not trainer.loggers:
            return
        parts = gradient_parts(pl_module.network)
        values = gradient_health(parts) if parts else {}
        for logger in trainer.loggers:
            if values:
                logger.log_metrics(values, step=step.number + 1)
            if isinstance(logger, TensorBoardLogger) and step.number % (self.every * HISTOGRAM_EVERY) == 0:
                _draw_histograms(logger, parts, step.number + 1)


def gradient_parts(network: Network) -> dict[str, list[Tensor]]:
    """Gradients by the network's parameter groups, without groups that have none (switched off or frozen)."""
    groups = network.parameter_groups().items()
    gradients = {name: [p.grad for p in group if p.grad is not None] for name, group in groups}
    return {name: parts for name, parts in gradients.items() if parts}


def gradient_health(parts: dict[str, list[Tensor]]) -> dict[str, float]:
    """Norm of each part's gradient, of the whole, and the share of numbers that are not finite.

    Returns:
        ``health/gradient_norm/<part>``, ``health/gradient_norm/all`` and ``health/gradient_non_finite`` (0 is
        healthy, 1 a gradient without a single number); one wait for the device for all of them.
    """
    norms = torch.stack([torch.nn.utils.get_total_norm(g).double() for g in parts.values()])
    gradients = [g for part in parts.values() for g in part]
    broken = torch.stack([(~g.isfinite()).sum() for g in gradients]).sum() / sum(g.numel() for g in gradients)
    values = torch.cat([norms, norms.norm()[None], broken.double()[None]]).tolist()
    return dict(zip([*(f"{NORM}/{name}" for name in parts), f"{NORM}/all", SHARE], values, strict=True))


def _draw_histograms(logger: TensorBoardLogger, parts: dict[str, list[Tensor]], step: int) -> None:
    for name, gradients in parts.items():
        flat = torch.cat([g.flatten().float() for g in gradients])
        flat = flat[flat.isfinite()]  # a histogram has no bin for the others; their share is logged
        if len(flat):
            logger.experiment.add_histogram(f"{HISTOGRAM}/{name}", flat.clamp(-MAX_DRAWN, MAX_DRAWN), step)
