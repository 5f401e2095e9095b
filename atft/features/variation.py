"""The post-condition of features: one that is the same for all stocks of a day cannot rank them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int

from atft.errors import InputError
from atft.features.checked_prices import REACH_DAYS
from atft.features.windows import Flags, Grid

MIN_STOCKS = 10
FLAT_DAYS_SHARE = 0.05
FLAT_FEATURES_SHARE = 0.05


def day_variation(features: Sequence[Grid], universe: Flags) -> Bool[np.ndarray, "2 features days"]:
    """Whether each feature is known on each day, and whether it varies across the stocks of the universe."""
    day, stock = np.nonzero(universe)
    starts = np.flatnonzero(np.diff(day, prepend=-1))
    result = np.zeros((2, len(features), len(universe)), dtype=bool)
    for i, values in enumerate(features):
        ranked = values[day, stock]
        high, low = np.fmax.reduceat(ranked, starts), np.fmin.reduceat(ranked, starts)
        # NaN compares false: a day on which no value is known does not vary.
        result[:, i, day[starts]] = ~np.isnan(high), high > low
    return result


def flat_features(
    path: Path,
    names: Sequence[str],
    variation: Bool[np.ndarray, "2 features days"],
    ranked: Int[np.ndarray, " days"],
    inserted: Iterable[int],
) -> tuple[str, ...]:
    """Name the features that do not vary on more than 5 % of the days; ``ranked`` counts each day's universe.

    Days with fewer than 10 stocks in the universe do not count, nor do a feature's days before the first one on
    which it is known at all, nor those on which it is unknown while windows fill again after a gap: the days
    ``inserted`` there and the longest reach after them. Raises InputError where more than 5 % of the features are
    flat.
    """
    counted = ranked >= MIN_STOCKS
    if not counted.any():
        return ()
    filling = np.zeros(len(ranked), dtype=bool)
    for day in inserted:
        filling[day : day + REACH_DAYS] = True
    known, varies = variation[:, :, counted]
    judged = np.logical_or.accumulate(known, axis=1) & (known | ~filling[counted])
    never = ~known.any(axis=1)
    flat_days = (judged & ~varies).sum(axis=1)
    flat = np.array(names)[never | (flat_days > FLAT_DAYS_SHARE * judged.sum(axis=1))].tolist()
    if len(flat) <= FLAT_FEATURES_SHARE * len(names):
        return tuple(flat)
    if never.any():
        raise InputError(
            f"{path}: {never.sum()} features are never known in the universe, as "
            f"{', '.join(np.array(names)[never][:3])}; fill the price columns that are empty, or give more than "
            f"the 250 days that the longest windows read"
        )
    shown = ", ".join(flat[:3]) + (", ..." if len(flat) > 3 else "")
    raise InputError(
        f"{path}: {len(flat)} features are the same for all stocks of the universe on more than "
        f"{FLAT_DAYS_SHARE:.0%} of {counted.sum():,} days: {shown}; look at the columns they are made of "
        f"(a constant open, high, low or volume?)"
    )
