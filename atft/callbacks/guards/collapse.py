"""Ends a run whose network gives all stocks of a day nearly the same score: what it ranks is rounding noise.

Decides by the validation metrics that are logged anyway, so it costs nothing: ``val/scale``, the standard
deviation of the scores over that of the targets, mean over days and horizons, or a ``val/rank_ic`` that is not a
number (too many days whose scores are constant). One such validation may be a bad step that the next epoch
mends, so the first ones warn and only a row of them fails the run. An ended run keeps its checkpoints.
"""

import math
from typing import Any

import lightning.pytorch as pl

from atft.callbacks.record.alarm import sound_alarm
from atft.errors import InputError, VarianceCollapse

WATCHED = ("val/scale", "val/rank_ic")
ADVICE = "lower the learning rate, clip the gradient (model.gradient_clip) or look for constant features"


class CollapseGuard(pl.Callback):
    """Warn, then fail with `VarianceCollapse`, when the scores of a day no longer differ between stocks.

    Args:
        floor: smallest healthy val/scale, the std of a day's scores over that of its targets; 0 leaves only
            the check that val/rank_ic is a number.
        validations: collapsed validations in a row that fail the run; the ones before the last warn.

    Raises:
        InputError: an option is out of range, or validation logs none of the metrics that are watched.
    """

    def __init__(self, floor: float = 0.01, validations: int = 2) -> None:
        if not (math.isfinite(floor) and floor >= 0):
            raise InputError(f"collapse_guard.floor must be a number >= 0, got {floor}")
        if validations < 1:
            raise InputError(f"collapse_guard.validations must be at least 1, got {validations}")
        self.floor, self.validations = floor, validations
        self.collapsed: list[str] = []
        """What each validation of the present row said; empty while the run is healthy."""

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.sanity_checking:
            return
        missing = [n for n in WATCHED if n not in trainer.callback_metrics]
        if missing:
            raise InputError(
                f"collapse_guard: validation logs no {missing[0]}; log it, or leave the guard out"
            )
        scale, rank_ic = (float(trainer.callback_metrics[n]) for n in WATCHED)
        found = self.observe(scale, rank_ic)
        if found is not None:
            sound_alarm(trainer, found)
        if len(self.collapsed) >= self.validations:
            raise VarianceCollapse(f"{found}; {ADVICE}")

    def observe(self, scale: float, rank_ic: float) -> str | None:
        """Count one validation; say what is wrong with it, or None when nothing is.

        Args:
            scale: val/scale; 0 is a full collapse, NaN (scores that are not finite) counts as one.
            rank_ic: val/rank_ic; NaN where too many days have constant scores.
        """
        if scale >= self.floor and not math.isnan(rank_ic):
            self.collapsed = []
            return None
        self.collapsed.append(f"{scale:.2g}" if not scale >= self.floor else f"{scale:.2g} (rank_ic NaN)")
        return (
            f"the scores have collapsed: val/scale {', '.join(self.collapsed)} (floor {self.floor:g}), "
            f"val/rank_ic {rank_ic:.4f}, validation {len(self.collapsed)} of the {self.validations} that fail"
        )

    def state_dict(self) -> dict[str, Any]:
        return {"collapsed": list(self.collapsed)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.collapsed = list(state_dict["collapsed"])
