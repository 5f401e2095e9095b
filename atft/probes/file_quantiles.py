"""Was a column cut at quantiles of the whole file, the days to come included?

Cut into bins of equal counts (``qcut``), a column has as many values in one bin as in another over the file, to
the rounding, while its days do not; cut within each day, its days do too. Clipped at two quantiles, a column's
ends are reached by exactly that share of its values. Counts are exact, so rows that were added or left out
afterwards hide both.
"""

import numpy as np

from atft.probes.finding import FALSE_ALARM, Suspect
from atft.probes.panel_grid import RowDays, WholeColumn

MIN_VALUES = 1000
"""Of a column, below which its counts over the whole file say nothing."""
MAX_BINS = 100
SAMPLED_VALUES = 10_000
BY_DAY = 2.0
"""Values by which the bins of a day that was cut by itself differ from an equal share, at most."""
MAX_OFF, MAX_OFF_CYCLE = 0.1, 0.3
"""Of the file's bins, over what the differences of single days add up to by chance; at least, of the
first half's, where the column is no cycle."""
CLIPPED_SHARES = (0.001, 0.005, 0.01, 0.02, 0.025, 0.05, 0.1)
"""Of the values on either side, that winsorising usually takes."""


def file_quantiles_suspect(name: str, values: WholeColumn, day: RowDays, columns: int) -> Suspect | None:
    """Accuse a column that was cut into bins, or clipped, at quantiles of all rows of the file.

    The level is divided by ``columns``, all that are probed.
    """
    here = np.isfinite(values)
    known = values[here]
    if len(known) < MIN_VALUES:
        return None
    level = FALSE_ALARM / columns
    # A column of many values shows them in any part of it.
    few = len(np.unique(known[:: len(known) // SAMPLED_VALUES + 1])) <= MAX_BINS
    text = _equal_bins(known, day[here], level) if few else _clipped(known, day[here], level)
    return Suspect(name, text) if text else None


def _equal_bins(known: WholeColumn, day: RowDays, level: float) -> str | None:
    levels, bins = np.unique(known, return_inverse=True)
    many = len(levels)
    if not 3 <= many <= MAX_BINS:
        return None
    counts = np.bincount(day.astype(np.int64) * many + bins, minlength=many * (int(day.max()) + 1))
    by_day = counts.reshape(-1, many).astype(np.float64)
    by_day = by_day[by_day.any(axis=1)]
    differs = by_day - by_day.mean(axis=1, keepdims=True)
    if float(np.median(np.abs(differs).max(axis=1))) <= BY_DAY:
        return None
    off = _off_equal(differs)
    # A number that counts up and starts again is even over half of the days too.
    if (
        off > MAX_OFF
        or (0.8 * off) ** (many - 1) > level
        or _off_equal(differs[: len(differs) // 2]) < MAX_OFF_CYCLE
    ):
        return None
    most = np.abs(differs.sum(axis=0)).max()
    return (
        f"its {many} values stand in equally many rows of the file ({len(known) / many:,.0f}, to {most:.0f}), but "
        f"not on single days: cut at quantiles of all days"
    )


def _off_equal(differs: np.ndarray) -> float:
    """What is left of the days' differences in their sum, over its size if they were independent."""
    scatter = np.sqrt((differs**2).sum(axis=0))
    return float(((np.abs(differs.sum(axis=0)) + 0.5) / np.maximum(scatter, 1e-9)).max())


def _clipped(known: WholeColumn, day: RowDays, level: float) -> str | None:
    at_low, at_high = known == known.min(), known == known.max()
    below, above = int(at_low.sum()), int(at_high.sum())
    if below != above or below < 2:
        return None
    # Ranks of a day reach both ends equally often on each day.
    low, high = (np.bincount(day, at_end, int(day.max()) + 1) for at_end in (at_low, at_high))
    if float((low == high)[low + high > 0].mean()) > 0.5:
        return None
    for share in CLIPPED_SHARES:
        least = int(share * len(known))
        # Of counts up to twice as many, three are near the share, and one is the other end's.
        chance = len(CLIPPED_SHARES) * 3 / (2 * least) ** 2
        if least <= below <= least + 2 and chance <= level:
            return (
                f"its least and its largest value each stand in {below:,} of {len(known):,} rows, which is "
                f"{share:.1%}: clipped at quantiles of all days"
            )
    return None
