"""The post-condition: a feature that is the same for all stocks of a day says nothing of any of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32

from atft.errors import InputError

MIN_STOCKS = 10
FLAT_DAYS_SHARE = 0.05
FLAT_FEATURES_SHARE = 0.05


class SpreadCheck:
    """Counts, per feature, the days on which it has no spread across the universe."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.days = 0
        self.known_days = np.zeros(len(self.names), dtype=np.int64)
        self.flat_days = np.zeros(len(self.names), dtype=np.int64)

    def update(
        self,
        features: Float32[np.ndarray, "features days stocks"],
        universe: Bool[np.ndarray, "days stocks"],
        filling: Bool[np.ndarray, " days"] | None = None,
    ) -> None:
        """Count some days, in order.

        Days with fewer than 10 stocks in the universe are passed over, and a feature's days before the first
        one on which it is known at all: its window was still filling.

        Args:
            features: of these days.
            universe: stocks that may be ranked.
            filling: days that follow a gap, whose windows may be filling again: unknown, they are passed over.
        """
        count = universe.sum(axis=1)
        universe = universe & (count >= MIN_STOCKS)[:, None]
        day, stock = np.nonzero(universe)
        if not len(day):
            return
        starts = np.flatnonzero(np.diff(day, prepend=-1))
        again = np.zeros(len(starts), dtype=bool) if filling is None else filling[day[starts]]
        self.days += len(starts)
        for i, values in enumerate(features):
            ranked = values[day, stock]
            most, least = np.fmax.reduceat(ranked, starts), np.fmin.reduceat(ranked, starts)
            counts = ~(again & np.isnan(most))
            most, least = most[counts], least[counts]
            if not self.known_days[i]:
                known = ~np.isnan(most)
                warm = int(known.argmax()) if known.any() else len(most)
                most, least = most[warm:], least[warm:]
            self.known_days[i] += len(most)
            # NaN compares false: a day on which no value is known counts as flat.
            self.flat_days[i] += int((~(most > least)).sum())

    def flat(self, where: Path) -> tuple[str, ...]:
        """Features without spread on more than 5 % of the days.

        Raises:
            InputError: more than 5 % of the features are; the message names them.
        """
        if not self.days:
            return ()
        never = self.known_days == 0
        flat_days = self.flat_days > FLAT_DAYS_SHARE * self.known_days
        flat = tuple(n for n, dead in zip(self.names, never | flat_days, strict=True) if dead)
        if len(flat) > FLAT_FEATURES_SHARE * len(self.names):
            if never.any():
                unknown = [n for n, dead in zip(self.names, never, strict=True) if dead]
                raise InputError(
                    f"{where}: {len(unknown)} features are never known in the universe, as "
                    f"{', '.join(unknown[:3])}; fill the price columns that are empty, or give more than the "
                    f"250 days that the longest windows read"
                )
            shown = ", ".join(flat[:3]) + (", ..." if len(flat) > 3 else "")
            raise InputError(
                f"{where}: {len(flat)} features are the same for all stocks of the universe on more than "
                f"{FLAT_DAYS_SHARE:.0%} of {self.days:,} days: {shown}; look at the columns they are made of "
                f"(a constant open, high, low or volume?)"
            )
        return flat
