"""Hide a part of what a block shows of its stock-days, and say what a network then has to predict.

The values to predict are ranks within the day: a rank has the same unit for every feature and day, is bounded, and
its median is 0, so that the day's median is the baseline that knows nothing of a stock.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from atft.batch import DayBatch
from atft.cross_section import rank_uniform
from atft.data.scaling import UNIFORM_WIDTH
from atft.nn.dropout import STEPS, random_lanes


class HiddenBlock(NamedTuple):
    """A block of which a part is hidden, and where on its days something known is."""

    batch: DayBatch
    """The same block; a hidden value is NaN, a hidden row is not observed."""
    values: Bool[Tensor, "days stocks features"]
    """Known values of the universe that are hidden, those of whole rows included."""
    rows: Bool[Tensor, "days stocks"]
    """Stock-days whose whole row is hidden."""


def hide_values(batch: DayBatch, feature_share: float, day_share: float) -> HiddenBlock:
    """Hide values and whole rows of a block at random, in the history of its days too.

    A row is hidden once for all windows that it stands in, so no day sees what another day has to predict.

    Args:
        batch: the block; it is not changed.
        feature_share: share of the values to hide, drawn for each value by itself.
        day_share: share of the stock-days whose whole row is hidden; none where there is no history to predict it
            from (lookback 1).
    """
    rows = _drawn(batch.observed, day_share if batch.lookback > 1 else 0)
    values = _drawn(batch.features, feature_share) | rows[..., None]
    hidden = batch._replace(
        features=batch.features.masked_fill(values, torch.nan), observed=batch.observed & ~rows
    )
    last = slice(batch.lookback - 1, None)
    known = batch.universe[..., None] & ~batch.features[last].isnan()
    return HiddenBlock(hidden, known & values[last], rows[last])


def _drawn(like: Tensor, share: float) -> Tensor:
    """A mask of the shape of a tensor, each cell True with a probability, to 1 in 65,536."""
    # On a CPU drawing is what costs time here.
    return random_lanes(like) < round(STEPS * share) - STEPS // 2


def day_ranks(batch: DayBatch, scaling: Sequence[str]) -> Float[Tensor, "days stocks features"]:
    r"""Rank each feature in the universe of each of the block's days, as a uniform variable of mean 0 and std 1.

    :math:`\sqrt{12}\,((r - 1/2) / n - 1/2)` with r the average rank among the day's n known values. A feature that
    the cache holds ranked is taken as it is. A value that is unknown, or outside the universe, may be any number.

    Args:
        batch: the block.
        scaling: of each feature in the cache: raw, rank or zscore.
    """
    values = batch.features[batch.lookback - 1 :].float()
    unranked = [column for column, way in enumerate(scaling) if way != "rank"]
    if not unranked:
        return values
    chosen = values[..., unranked].transpose(1, 2)
    valid = batch.universe[:, None] & ~chosen.isnan()
    values = values.clone()
    values[..., unranked] = UNIFORM_WIDTH * rank_uniform(chosen, valid).transpose(1, 2)
    return values
