"""The post-condition: a feature that is the same for all stocks of a day ranks none of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32

from atft.errors import InputError

MIN_STOCKS = 10
FLAT_DAYS_SHARE = 0.05
FLAT_FEATURES_SHARE = 0.05


class VariationCheck:
    """Counts, per feature, the days on which it does not vary across the universe.

    Days with fewer than 10 stocks in the universe do not count, nor do a feature's days before the first one on
    which it is known at all: its window was still filling.

    Args:
        names: of the features.
        universe: stocks that may be ranked, on every day of the calendar.
        filling: days after a gap, whose windows may be filling again: where unknown, they do not count.
    """

    def __init__(
        self,
        names: Sequence[str],
        universe: Bool[np.ndarray, "calendar stocks"],
        filling: Bool[np.ndarray, " calendar"],
    ) -> None:
        self.names = np.array(names)
        self.days = 0
        self.known_days, self.flat_days = np.zeros((2, len(names)), dtype=np.int64)
        self._universe = universe & (universe.sum(axis=1) >= MIN_STOCKS)[:, None]
        self._filling = filling

    def update(self, features: Float32[np.ndarray, "features days stocks"], first: int) -> None:
        """Count the days from ``first`` on, in order."""
        day, stock = np.nonzero(self._universe[first : first + features.shape[1]])
        if not len(day):
            return
        starts = np.flatnonzero(np.diff(day, prepend=-1))
        filling = self._filling[first + day[starts]]
        self.days += len(starts)
        for i, values in enumerate(features):
            ranked = values[day, stock]
            high, low = np.fmax.reduceat(ranked, starts), np.fmin.reduceat(ranked, starts)
            counts = ~(filling & np.isnan(high))
            high, low = high[counts], low[counts]
            if not self.known_days[i]:
                known = ~np.isnan(high)
                warm = int(known.argmax()) if known.any() else len(high)
                high, low = high[warm:], low[warm:]
            self.known_days[i] += len(high)
            # NaN compares false: a day on which no value is known counts as flat.
            self.flat_days[i] += int((~(high > low)).sum())

    def flat(self, path: Path) -> tuple[str, ...]:
        """Features that do not vary on more than 5 % of the days.

        Raises:
            InputError: more than 5 % of the features are flat; the message names them.
        """
        if not self.days:
            return ()
        never = self.known_days == 0
        flat = self.names[never | (self.flat_days > FLAT_DAYS_SHARE * self.known_days)].tolist()
        if len(flat) > FLAT_FEATURES_SHARE * len(self.names):
            if never.any():
                raise InputError(
                    f"{path}: {never.sum()} features are never known in the universe, as "
                    f"{', '.join(self.names[never][:3])}; fill the price columns that are empty, or give more than "
                    f"the 250 days that the longest windows read"
                )
            shown = ", ".join(flat[:3]) + (", ..." if len(flat) > 3 else "")
            raise InputError(
                f"{path}: {len(flat)} features are the same for all stocks of the universe on more than "
                f"{FLAT_DAYS_SHARE:.0%} of {self.days:,} days: {shown}; look at the columns they are made of "
                f"(a constant open, high, low or volume?)"
            )
        return tuple(flat)
