"""Do the rows of a predictions file depend on their labels? Compared with the panel that they were made from."""

import numpy as np

from atft.probes.finding import FALSE_ALARM, Suspect
from atft.probes.panel_grid import Cells, Marks, PanelGrid
from atft.probes.rank_correlations import daily_correlation, scaled_ranks
from atft.probes.scored_rows import ScoredRows

MIN_MISSING_EXCESS = 0.25
"""By how much rows of one kind must be missing more often than others, beyond chance."""
EXTREME_SHARE = 0.05
"""Of a day's labels, on both sides together, that count as extreme."""
MIN_ROWS = 20
MIN_EXTRA_ROWS = 5
LIKE_PANEL = 0.99
"""Rank correlation of the file's targets with the panel's on a usual day, below which they are others."""


def coverage_suspects(part: ScoredRows, grid: PanelGrid) -> list[Suspect]:
    """Accuse a file that lacks rows by their label, has rows that the panel lacks, or other labels."""
    name = part.name
    days = np.flatnonzero(np.isin(grid.dates, part.dates))
    stocks = np.flatnonzero(np.isin(grid.codes, part.codes))
    extra_days = int((~np.isin(part.dates, grid.dates)).sum())
    if not len(days) or not len(stocks):
        return [Suspect(name, "no row of the file has a date and a code of the panel")]
    # The file's cells, on the panel's days and stocks.
    cells = np.ix_(
        np.searchsorted(part.dates, grid.dates[days]),
        np.searchsorted(part.codes, np.array(grid.codes)[stocks]),
    )
    scored = np.zeros((len(days), len(grid.codes)), dtype=bool)
    scored[:, stocks] = part.present[cells]
    target_of_file = np.full(scored.shape, np.nan)
    target_of_file[:, stocks] = part.numbers["target"][cells]
    column = grid.columns.targets[grid.columns.horizons.index(part.horizon)]
    target = grid.number(column)[days]
    present, member = grid.present[days], grid.universe[days]
    suspects = []
    extra = int((scored & ~present).sum())
    if extra >= MIN_EXTRA_ROWS or extra_days:
        suspects.append(
            Suspect(name, f"{extra:,} rows and {extra_days} days are not in the panel: padded rows?")
        )
    suspects += [Suspect(name, text) for text in missing_by_label(member, scored, target)]
    daily = daily_correlation(scaled_ranks(target_of_file, scored), scaled_ranks(target, scored))
    typical = float(np.median(daily[np.isfinite(daily)])) if np.isfinite(daily).any() else 1.0
    if typical < LIKE_PANEL:
        suspects.append(
            Suspect(
                name, f"targets are not the panel's {column}: rank correlation {typical:+.2f} on a usual day"
            )
        )
    return suspects


def missing_by_label(member: Marks, scored: Marks, target: Cells) -> list[str]:
    """Say which kinds of labels are missing more often than the others, beyond chance.

    ``member`` cells should have a score, ``scored`` ones have it.
    """
    from scipy.special import ndtri

    usual = member & np.isfinite(target)
    size = np.abs(scaled_ranks(target, usual))
    # Ranks are uniform with variance 1: their largest size is the root of 3.
    extreme = usual & (size > (1 - EXTREME_SHARE) * 3**0.5)
    # Days whose labels are unknown throughout, as at the end of a file, say nothing.
    kinds = {
        "whose label is unknown": member & ~np.isfinite(target) & usual.any(axis=1, keepdims=True),
        "with the day's most extreme labels": extreme,
    }
    texts = []
    others = usual & ~extreme
    rate = float((others & ~scored).sum() / max(others.sum(), 1))
    for kind, rows in kinds.items():
        count = int(rows.sum())
        if count < MIN_ROWS or not others.sum():
            continue
        missing = float((rows & ~scored).sum() / count)
        error = float(ndtri(1 - FALSE_ALARM / 2)) * (0.25 / count + rate * (1 - rate) / others.sum()) ** 0.5
        if missing - rate - error > MIN_MISSING_EXCESS:
            texts.append(
                f"{missing:.0%} of the {count:,} rows {kind} are missing, of the others {rate:.0%}: rows were "
                f"chosen by their label"
            )
    return texts
