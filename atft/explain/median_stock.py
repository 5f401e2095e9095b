"""The day's median stock: what a stock is compared with.

Each feature has its median over the day's universe, on each day of the window. It knows what the stock knows: where
a stock's value is unknown, so is the median stock's, and the feature explains nothing.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from atft.batch import DayBatch
from atft.cross_section import median


def median_window(batch: DayBatch) -> Float[Tensor, "lookback 1 features"]:
    """The median of each feature of a one-day block, on each day of its window; NaN where no stock knows it.

    Of an even number of stocks the mean of the two in the middle.
    """
    members = batch.features[:, batch.universe[0]].movedim(1, -1)
    return median(members, members.isfinite())[:, None]


def percentiles(batch: DayBatch, stock: int) -> Float[Tensor, " features"]:
    """Percentile of a stock among the universe's known values on a day, from 0 (lowest) to 100; NaN unknown.

    100 x (stocks below + half of the equal ones) / stocks.
    """
    value, members = batch.features[-1, stock], batch.features[-1, batch.universe[0]]
    below, equal = (members < value).sum(0), (members == value).sum(0)
    return torch.where(value.isfinite(), 100 * (below + equal / 2) / members.isfinite().sum(0), torch.nan)
