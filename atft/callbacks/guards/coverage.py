"""Fail a run whose epochs show the network less data than planned, so that every figure describes all of it.

A healthy epoch sees 100 % of its days and rows on any number of devices; `RunRecord` counts them. Not a failure:
batches limited on purpose (``limit_train_batches`` and its like), or an epoch cut short by the time limit.
"""

import lightning.pytorch as pl

from atft.callbacks.record.messages import warn
from atft.callbacks.record.receipt import Coverage
from atft.callbacks.record.run_end import limits
from atft.callbacks.record.run_record import find_record
from atft.errors import InputError, LowCoverage

SPLITS = {"train": "training", "val": "validation"}


class CoverageGuard(pl.Callback):
    """Log ``health/coverage_days`` and ``health/coverage_rows``; warn below 100 %, fail below a floor.

    Both are shares of the training split's plan, 1 when all of it was seen. Validation is watched as well.

    Args:
        floor: smallest share of the planned days, and of the planned rows, in [0, 1], that an epoch may show;
            below it the run fails with `LowCoverage`. 0 only warns.
    """

    def __init__(self, floor: float = 0.99) -> None:
        if not 0 <= floor <= 1:
            raise InputError(f"coverage_guard.floor must be in [0, 1], got {floor}")
        self.floor = floor

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        record = find_record(trainer)
        if record is None:
            return
        days, rows = record.receipt.days, record.receipt.rows
        values = {"health/coverage_days": share(days["train"]), "health/coverage_rows": share(rows["train"])}
        for logger in trainer.loggers:
            logger.log_metrics(values, step=trainer.global_step)
        whole = trainer.is_last_batch and not limits(trainer)
        for split in SPLITS if whole else ():
            self._check(split, days[split], rows[split], trainer)

    def _check(self, split: str, days: Coverage, rows: Coverage, trainer: pl.Trainer) -> None:
        """Warn, or fail, if less of a split was seen than planned."""
        least = min(share(days), share(rows))
        if least == 1 or (split == "val" and rows.seen == 0):  # no validation has run yet
            return
        text = (
            f"epoch {trainer.current_epoch + 1} saw {days.seen:,} of {days.planned:,} {SPLITS[split]} days and "
            f"{rows.seen:,} of {rows.planned:,} rows ({100 * least:.1f} %)"
        )
        warn(trainer, text)
        if least < self.floor:
            raise LowCoverage(
                f"{text}, less than coverage_guard.floor {self.floor:g}; the loader did not deliver the rest; "
                f"a part on purpose is trainer.limit_{split}_batches"
            )


def share(count: Coverage) -> float:
    """Share of the plan that was seen; 1 where nothing was planned. Above 1, a day was seen twice."""
    return count.seen / count.planned if count.planned else 1.0
