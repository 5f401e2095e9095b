"""Fail a run whose network gives all stocks of a day nearly the same score: such a ranking is rounding noise.

Decides by validation metrics that are logged anyway, so it costs nothing. A single collapsed validation may be a
bad step that the next epoch corrects: it only warns.
"""

import math
from typing import Any

import lightning.pytorch as pl

from atft.callbacks.record.messages import warn
from atft.errors import InputError, VarianceCollapse

FAILING_VALIDATIONS = 2
"""Collapsed validations in a row that fail the run; the ones before the last warn."""
ADVICE = "lower the learning rate, clip the gradient (model.gradient_clip) or look for constant features"


class CollapseGuard(pl.Callback):
    """Warn, then fail with `VarianceCollapse`, when the scores of a day no longer differ between stocks.

    Args:
        floor: smallest healthy val/scale, the std of a day's scores over that of its targets, at least 0; 0 leaves
            only the check that val/rank_ic is a number.
    """

    def __init__(self, floor: float = 0.01) -> None:
        if not (math.isfinite(floor) and floor >= 0):
            raise InputError(f"collapse_guard.floor must be a number >= 0, got {floor}")
        self.floor = floor
        self.collapsed: list[str] = []
        """The scale of each collapsed validation in a row; empty while the run is healthy."""

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.sanity_checking:
            return
        metrics = trainer.callback_metrics
        fault = self.observe(float(metrics["val/scale"]), float(metrics["val/rank_ic"]))
        if fault is not None:
            warn(trainer, fault)
        if len(self.collapsed) >= FAILING_VALIDATIONS:
            raise VarianceCollapse(f"{fault}; {ADVICE}")

    def observe(self, scale: float, rank_ic: float) -> str | None:
        """Count one validation and describe its collapse; None when it is healthy.

        A scale that is not a number (scores that are not finite) counts as a collapse, and so does such a
        ``rank_ic`` (too many days with constant scores).
        """
        if scale >= self.floor and not math.isnan(rank_ic):
            self.collapsed = []
            return None
        self.collapsed.append(f"{scale:.2g}" if not scale >= self.floor else f"{scale:.2g} (rank_ic NaN)")
        return (
            f"the scores have collapsed: val/scale {', '.join(self.collapsed)} (floor {self.floor:g}), "
            f"val/rank_ic {rank_ic:.4f}, validation {len(self.collapsed)} of the {FAILING_VALIDATIONS} that fail"
        )

    def state_dict(self) -> dict[str, Any]:
        return {"collapsed": list(self.collapsed)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.collapsed = list(state_dict["collapsed"])
