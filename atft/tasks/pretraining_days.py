"""The days that pretraining reads: the training days, and those before and between them that nothing scores.

Features need no label, so the days that a split leaves out of training for their labels' sake count too, and those
before its first date. No day after the last training day is read, and no day of a fold that validates or tests.
"""

import lightning.pytorch as pl
import numpy as np

from atft.data.split import Days
from atft.tasks.day_data import DayData


class PretrainingDays(DayData):
    """The day data of `DayData`, which gives pretraining its days and validates on none.

    The arguments are those of `DayData`.
    """

    def pretraining_days(self) -> Days:
        """Days of enough stocks and history up to the last training day, ascending, none of them scored."""
        split, rows = self.split, np.array(self.open_cache().manifest.universe_rows, dtype=np.int64)
        days = np.arange(self.loader_options.lookback - 1, split.train[-1] + 1, dtype=np.int64)
        scored = np.concatenate([split.whole["val"], split.whole["test"]])
        return days[(rows[days] >= split.min_stocks) & ~np.isin(days, scored)]

    def epoch_days(self) -> dict[str, Days]:
        """The days to pretrain on, and none that validate."""
        return {"train": self.pretraining_days(), "val": np.empty(0, dtype=np.int64)}

    # As if it were not defined, so that Lightning asks for none: every later day stays unread.
    val_dataloader = pl.LightningDataModule.val_dataloader
