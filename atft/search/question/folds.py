"""Several validations instead of one: the mean over purged folds that walk forward through the training period.

The last fold is the configured split itself. Each earlier fold validates on as many days right before, and trains
on everything up to there, always from the same first day: what a model would have been fitted on at that time.
Labels and embargo are purged between training and validation of each fold, as in any split, and the test days are
never part of one. Costs a little less than k trainings; the spread over folds is what one validation hides.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

from atft.data.split import Split, SplitOptions
from atft.errors import InputError


def fold_splits(
    calendar: Sequence[date], split: Split, options: SplitOptions, folds: int
) -> list[dict[str, Any]]:
    """``data.split`` of each of two folds or more, oldest first.

    ``options`` are the configured ones, of which all but the dates is kept; ``split`` is what they give: purged, so
    that no label reaches into its test days. Raises InputError where the first fold would have fewer training days
    than validation days.
    """
    length = int(split.val[-1] - split.val[0]) + 1  # days of too few stocks inside count as days
    oldest = (folds - 1) * length
    left = int(split.train[-1] - split.train[0]) + 1 - oldest
    if left < length:
        raise InputError(
            f"folds: {folds} validations of {length} days leave {max(left, 0)} training days to the first, which "
            f"must be at least as many; lower folds or shorten data.split.val"
        )

    def dates(first: int, last: int) -> list[str]:
        return [calendar[first].isoformat(), calendar[last].isoformat()]

    return [
        {
            **asdict(options),
            "train": dates(int(split.train[0]), int(split.train[-1]) - back),
            "val": dates(int(split.val[0]) - back, int(split.val[-1]) - back),
            "test": None,
        }
        for back in range(oldest, -1, -length)
    ]
