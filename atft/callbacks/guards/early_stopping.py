"""Early stopping, which waits for a divergence where the last epoch's weights are scored.

Where the best epoch's weights are scored, epochs without a better score are wasted. Where the last epoch's are, the
run's schedule and averages are meant to end: one noisy validation year does not end it earlier, only a score that
has fallen so far that the weights at the end would be useless.
"""

from typing import Literal

import lightning.pytorch as pl
from lightning.pytorch.callbacks import early_stopping as lightning
from torch import Tensor

from atft.callbacks.record.run_checkpoint import find_checkpoint

DIVERGED_SHARE = 0.5
"""Of the best score's size: a score that is worse than the best one by more than that has diverged."""


class EarlyStopping(lightning.EarlyStopping):
    """End a run after ``patience`` validations without a better score, or of diverged scores.

    With ``checkpoint.select: last`` a validation counts only where its score is worse than the best one by more
    than half of the best one's size, or is not finite; any other validation starts the count again.

    Args:
        monitor: metric of an epoch.
        mode: ``max`` where a higher one is better, else ``min``.
        patience: validations without a better score after which a run ends.
        min_delta: a score is better where it differs by more than that.
        stopping_threshold: a score that is better than that ends the run at once.
        divergence_threshold: a score that is worse than that ends the run at once.
    """

    def __init__(
        self,
        monitor: str = "val/rank_ic",
        mode: Literal["max", "min"] = "max",
        patience: int = 10,
        min_delta: float = 0.0,
        stopping_threshold: float | None = None,
        divergence_threshold: float | None = None,
    ) -> None:
        super().__init__(
            monitor,
            min_delta,
            patience,
            mode=mode,
            check_finite=False,  # a NaN metric is reported by the receipt, with its reason
            stopping_threshold=stopping_threshold,
            divergence_threshold=divergence_threshold,
        )

    waits_for_divergence = False
    """The last epoch's weights are scored."""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        checkpoint = find_checkpoint(trainer)
        self.waits_for_divergence = checkpoint is not None and checkpoint.select == "last"

    def _evaluate_stopping_criteria(self, current: Tensor) -> tuple[bool, str | None]:
        best = self.best_score.to(current.device)
        worse = (best - current) if self.mode == "max" else (current - best)
        # A NaN is always worse.
        if self.waits_for_divergence and worse <= DIVERGED_SHARE * best.abs():
            self.wait_count = -2  # below any patience, once the call has added one
        decision: tuple[bool, str | None] = super()._evaluate_stopping_criteria(current)
        self.wait_count = max(self.wait_count, 0)
        return decision
