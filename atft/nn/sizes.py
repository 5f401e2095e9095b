"""Bounds of a network's sizes, and what is derived from them, so that any point of a search space builds."""

import math
from collections.abc import Sequence

from atft.errors import InputError

INIT_ARGS = "model.network.init_args"
"""Section of the options of a network, for messages."""


def check_sizes(low: int, high: int, **sizes: int) -> None:
    """Check that sizes, by the names of their options, are ``low`` to ``high``."""
    for name, value in sizes.items():
        if not low <= value <= high:
            raise InputError(f"{INIT_ARGS}.{name} must be {low} to {high}, got {value}")


def check_shares(**shares: float) -> None:
    """Check that shares, by the names of their options, are at least 0 and below 1."""
    for name, value in shares.items():
        if not 0 <= value < 1:
            raise InputError(f"{INIT_ARGS}.{name} must be at least 0 and below 1, got {value}")


def check_positive(**numbers: float) -> None:
    """Check that numbers, by the names of their options, are finite and above 0."""
    for name, value in numbers.items():
        if not 0 < value < math.inf:
            raise InputError(f"{INIT_ARGS}.{name} must be a number above 0, got {value}")


def check_horizons(horizons: Sequence[int]) -> None:
    """Check that horizons are ascending trading days."""
    if not horizons or min(horizons) < 1 or sorted(set(horizons)) != list(horizons):
        raise InputError(f"model.horizons must be ascending trading days >= 1, got {list(horizons)}")


def check_levels(quantiles: Sequence[float], key: str = f"{INIT_ARGS}.quantiles") -> None:
    """Check the levels of quantile heads; none is fine. ``key`` is what messages call them.

    Raises:
        InputError: they do not ascend, or leave (0, 1); or two of them, or of the intervals between the lowest and
            the highest, the next and the next, are the same in whole percent, by which columns are named.
    """
    if sorted(set(quantiles)) != list(quantiles) or not all(0 < level < 1 for level in quantiles):
        raise InputError(f"{key} must ascend strictly inside (0, 1), got {list(quantiles)}")
    last = len(quantiles) - 1
    widths = [quantiles[last - i] - quantiles[i] for i in range((last + 1) // 2)]
    for what, shares in (("levels", quantiles), ("intervals", widths)):
        percents = [round(100 * share) for share in shares]
        twice = [percent for percent in percents if percents.count(percent) > 1]
        if twice:
            raise InputError(
                f"{key} {list(quantiles)} have two {what} of {twice[0]} %, whose columns would "
                f"have one name; give levels that differ in whole percent"
            )


def head_count(hidden_size: int) -> int:
    """Derive a width's attention heads: the most of 8, 4, 2, 1 that have 16 channels or more each."""
    return next((heads for heads in (8, 4, 2) if hidden_size % heads == 0 and hidden_size // heads >= 16), 1)
