"""The days that the trials of a sweep train and validate on, checked before the first of them begins.

They are the same for all points but for a searched ``lookback``, so a period without a usable day, or more folds
than the days have room for, would fail every trial.
"""

from typing import TYPE_CHECKING

from atft.data.split import SplitOptions
from atft.data.tuning_folds import tuning_folds
from atft.search.question.config import trial_config
from atft.search.question.options import SweepOptions

if TYPE_CHECKING:
    from atft.tasks.day_data import DayData


def check_days(sweep: SweepOptions) -> None:
    """Build the cache where it is missing, and raise InputError where a trial's days cannot train or validate."""
    from atft.commands.train import build

    data = build("fit", trial_config(sweep, {}), quiet=True).datamodule
    if sweep.folds is None:
        data.prepare_training()
    else:
        for split in fold_splits(data, sweep.folds):
            data.split_by(split)


def fold_splits(data: "DayData", folds: int) -> list[SplitOptions]:
    """The splits of a trial's folds on a panel; raises InputError as `tuning_folds` does."""
    manifest, lookback = data.open_cache().manifest, data.loader_options.lookback
    return tuning_folds(manifest.dates, data.split_options, manifest.longest_label_days, lookback, folds)
