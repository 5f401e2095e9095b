"""Quantile heads: which levels are the ends of an interval, how far calibration moves them, and whether they cross.

`atft.metrics.prediction_intervals` measures how far; the checkpoint keeps it. What is here needs torch only.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from atft.errors import InputError


def quantile_column(level: float) -> str:
    """Name of the column of a quantile, its level in whole percent: ``q05``."""
    return f"q{round(100 * level):02d}"


class LevelPair(NamedTuple):
    """Two levels of the quantile heads, the ends of an interval."""

    low: int
    high: int
    level: float
    """Share of the targets that the interval is to cover: the difference of its ends' levels."""

    @property
    def percent(self) -> str:
        """The level as columns name it: ``80``."""
        return f"{round(100 * self.level):02d}"


def level_pairs(levels: Sequence[float]) -> list[LevelPair]:
    """Pair the lowest level with the highest, the next with the next: intervals from the widest to the narrowest.

    A middle level has no pair; fewer than two levels have no interval.
    """
    last = len(levels) - 1
    return [LevelPair(i, last - i, levels[last - i] - levels[i]) for i in range((last + 1) // 2)]


def read_widths(
    content: Mapping[str, Any], horizons: Sequence[int], levels: Sequence[float]
) -> dict[int, list[float]]:
    """Read the widths that a checkpoint carries, by horizon; empty where it carries none.

    Args:
        content: by horizon as text, in the order of the horizons.
        horizons: of the network.
        levels: of its quantile heads.

    Raises:
        InputError: they are of other horizons or intervals, or are no numbers.
    """
    intervals = len(level_pairs(levels))
    fits = not content or list(content) == [str(horizon) for horizon in horizons]
    for widths in content.values():
        numbers = all(isinstance(width, float) and not math.isnan(width) for width in widths)
        fits = fits and numbers and len(widths) == intervals
    if not fits:
        raise InputError(
            f"checkpoint: its widths of intervals are not those of horizons {', '.join(map(str, horizons))} and of "
            f"{intervals} intervals; name another checkpoint"
        )
    return {int(horizon): list(widths) for horizon, widths in content.items()}


def calibrated_intervals(
    quantiles: Float[Tensor, "*rows horizons levels"],
    widths: Mapping[int, Sequence[float]],
    pairs: Sequence[LevelPair],
) -> Float[Tensor, "*rows horizons intervals 2"]:
    """Move the ends of each interval outwards by its width, and nest the intervals.

    Ends that would cross meet in the middle, and an interval reaches at least as far as the narrower ones: both
    only widen it, so that what it covers is not less.

    Args:
        quantiles: of the heads, ascending along the last axis.
        widths: of each horizon, ascending, as `ConformalWidths` gives them.
        pairs: of the heads' levels, the widest first.

    Returns:
        Low and high end, in the unit of the quantiles.
    """
    wider = quantiles.new_tensor([list(widths[horizon]) for horizon in sorted(widths)])
    ends: list[Tensor] = []
    for i in reversed(range(len(pairs))):
        low, high = quantiles[..., pairs[i].low], quantiles[..., pairs[i].high]
        middle = (low + high) / 2
        low, high = torch.minimum(low - wider[:, i], middle), torch.maximum(high + wider[:, i], middle)
        if ends:
            low, high = torch.minimum(low, ends[-1][..., 0]), torch.maximum(high, ends[-1][..., 1])
        ends.append(torch.stack((low, high), dim=-1))
    return torch.stack(ends[::-1], dim=-2)


def crossing_share(
    quantiles: Float[Tensor, "days stocks horizons levels"], counted: Bool[Tensor, "days stocks"]
) -> Float[Tensor, ""]:
    """Share of neighbouring quantiles in the wrong order: 0 all ascend, 1 all descend.

    Heads that are ordered by construction give 0; anything else is a bug. Without a counted stock, or with one
    level only, the share is 0.
    """
    # Counted, not selected: the number of selected rows would make the CPU wait for a GPU.
    wrong = (quantiles.diff(dim=-1) < 0) & counted[..., None, None]
    pairs = counted.sum() * (quantiles.shape[-2] * (quantiles.shape[-1] - 1))
    return wrong.sum() / pairs.clamp_min(1)
