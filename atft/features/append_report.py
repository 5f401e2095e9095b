"""What an append has done to a panel, as figures and as text."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from atft.errors import counted, first_of
from atft.features.checked_prices import CheckedPrices


@dataclass(frozen=True)
class AppendReport:
    """What was appended."""

    out: Path
    last_day: date
    """The panel's last trading day, whether or not one of its rows has passed the checks."""
    new_days: tuple[date, ...]
    """Trading days that the panel did not have; empty where the prices have none, and then nothing was written."""
    rebuilt_from: date | None
    """The first past day that was made again, labels apart; None where there was none."""
    rows: int
    """Rows of the new days."""
    universe_rows: int
    """Of those, the ones in the universe."""
    notes: tuple[str, ...]
    """What was left out of the new days, or found in them; a line each."""

    def lines(self) -> list[str]:
        """The report as text, a fact a line."""
        if not self.new_days and self.rebuilt_from is None:
            return [f"{self.out}: no new day in the prices; nothing to append", *self.notes]
        days = self.new_days
        span = f" ({days[0]}{f' to {days[-1]}' if len(days) > 1 else ''})" if days else ""
        lines = [
            f"{self.out}: {counted(len(days), 'new day')}{span}, {counted(self.rows, 'row')}; "
            f"{self.universe_rows:,} in the universe"
        ]
        if self.rebuilt_from is not None:
            lines.append(f"built again from {self.rebuilt_from} on: past prices or the calendar have changed")
        return [*lines, *self.notes]


def report_append(
    panel: Path,
    prices: CheckedPrices,
    past: Sequence[date],
    rebuilt_from: date | None,
    notes: Sequence[str],
) -> AppendReport:
    """The report of prices whose new days are those that are not in ``past``, the panel's former calendar.

    A day that came late is a new day too, though later ones were there before it.
    """
    former = set(past)
    new = [index for index, day in enumerate(prices.calendar) if day not in former]
    days = tuple(prices.calendar[index] for index in new)
    rows, universe_rows = (int(np.asarray(cells)[new].sum()) for cells in (prices.kept, prices.universe))
    last_day, notes = prices.calendar[-1], (*notes, *_changed_codes(prices, new), *prices.notes)
    return AppendReport(panel, last_day, days, rebuilt_from, rows, universe_rows, notes)


def _changed_codes(prices: CheckedPrices, new: Sequence[int]) -> list[str]:
    """A line for the codes that begin on the new days, and one for those that had a row on the day before only."""
    if not new or not new[0]:
        return []
    before, now = new[0] - 1, prices.kept[new].any(axis=0)
    lines = []
    for what, which in (
        ("codes that are new", now & (prices.age[before] == 0)),
        ("codes without a row on the new days", prices.kept[before] & ~now),
    ):
        if which.any():
            names = [prices.codes[stock] for stock in np.flatnonzero(which)]
            lines.append(f"{what}: {len(names):,}: {first_of(names, 3)}")
    return lines
