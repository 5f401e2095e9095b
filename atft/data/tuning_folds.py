"""The folds whose mean a sweep optimises: several validations instead of one, and never a test day.

They are folds like any other (`atft.data.folds`). Those that the sweep makes have no test days: the days that
select the checkpoint also give the value. Costs a little less than k trainings; the spread over folds is what one
validation hides.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from atft.data.folds import FoldOptions
from atft.data.split import SplitOptions, count_folds, parse_period, period_days
from atft.errors import InputError


def tuning_folds(
    calendar: Sequence[date], options: SplitOptions, longest_label_days: int, lookback: int, count: int
) -> list[SplitOptions]:
    """Give the splits that a sweep takes the mean over, two or more, oldest first: the folds of ``options.folds``.

    Where the configuration has none, the last fold validates on the configured validation days, each earlier one on
    as many days right before, and all train on everything before those: what a model would have been fitted on at
    that time. None has test days, and the configured test days are in none.

    Raises:
        InputError: ``count`` is another number of folds than the configuration's, or leaves the first fold fewer
            training days than validation days; or the configuration's folds reach the test days.
    """
    plain = replace(options, fold=None)
    folds = options.folds
    if folds is None:
        days = period_days(calendar, plain, longest_label_days, lookback)
        first, last = int(days["val"][0]), int(days["val"][-1])
        length = last - first + 1  # days of too few stocks inside count as days
        first -= (count - 1) * length
        left = max(0, first - longest_label_days - options.embargo_days - int(days["train"][0]))
        if left < length:
            raise InputError(
                f"folds: {count} validations of {length} days leave {left} training days to the first, which must "
                f"be at least as many; lower folds or shorten data.split.val"
            )
        period = [calendar[first].isoformat(), calendar[last].isoformat()]
        folds = FoldOptions(period=period, every=length, val_days=None)
    elif options.test is not None:
        test = parse_period("data.split.test", options.test)
        if folds.period is None or parse_period("data.split.folds.period", folds.period)[1] >= test[0]:
            raise InputError(
                f"a sweep never looks at test days, and data.split.folds validates among them; end "
                f"data.split.folds.period before {test[0]}"
            )
    splits = [replace(options, fold=fold, folds=folds) for fold in range(count)]
    made = count_folds(calendar, splits[0], longest_label_days, lookback)
    if made != count:
        raise InputError(
            f"folds is {count}, data.split.folds makes {made}; set folds to {made}, or data.split.folds to null"
        )
    return splits
