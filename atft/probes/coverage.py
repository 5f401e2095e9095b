"""Do the rows of a predictions file depend on their labels? Compared with the panel that they were made from.

A row counts in a figure only with a score and a target: one without either is as missing as one that is not there.
"""

from typing import NamedTuple

import numpy as np

from atft.day_series import MAX_LOST_SHARE
from atft.errors import counted
from atft.evaluation.missing_days import MIN_PLACES, PURGES, has_neighbours, stretches
from atft.evaluation.plausible_ic import plausible_ic
from atft.probes.finding import FALSE_ALARM, Suspect
from atft.probes.panel_grid import Cells, Marks, PanelGrid
from atft.probes.rank_correlations import daily_correlation, least_mean, scaled_ranks
from atft.probes.scored_rows import ScoredRows

MIN_MISSING_EXCESS = 0.25
"""By how much rows of one kind must be missing more often than others, beyond chance."""
EXTREME_SHARE = 0.05
"""Of a day's labels, on both sides together, that count as extreme."""
MIN_ROWS = 20
MIN_EXTRA_ROWS = 5
LIKE_PANEL = 0.99
"""Rank correlation of the file's targets with the panel's on a usual day, below which they are others."""


class MissingDays(NamedTuple):
    """The panel's days between the first and the last of a file's of which the file has no row."""

    places: int
    """Stretches of missing days."""
    share: float
    """Of the days from the first to the last, those that are missing in other stretches than the longest ones."""
    text: str

    @property
    def scattered(self) -> bool:
        """Whether they are in too many places to be the purges between periods and folds."""
        return self.places >= MIN_PLACES


def missing_days(part: ScoredRows, grid: PanelGrid) -> MissingDays:
    """Count the panel's days that a file of neighbouring days leaves out; none for a file of every fifth day, say.

    A day on which half of the usual stocks of the universe have no label is no day to score.
    """
    column = grid.columns.targets[grid.columns.horizons.index(part.horizon)]
    ranked = (grid.universe & np.isfinite(grid.number(column))).sum(axis=1)
    inside = (grid.dates >= part.dates[0]) & (grid.dates <= part.dates[-1])
    scored = np.isin(grid.dates[inside], part.dates)
    if not has_neighbours(scored) or not ranked.any():
        return MissingDays(0, 0.0, "")
    missing = ~scored & (ranked[inside] > np.median(ranked[ranked > 0]) / 2)
    lengths = stretches(missing)
    others = int(lengths[:-PURGES].sum())
    text = (
        f"{counted(int(missing.sum()), 'day')} of the panel's {inside.sum():,} from {part.dates[0]} to "
        f"{part.dates[-1]} have no row, in {counted(len(lengths), 'place')}"
    )
    return MissingDays(len(lengths), others / int(inside.sum()), text)


def coverage_suspects(part: ScoredRows, grid: PanelGrid) -> list[Suspect]:
    """Accuse a file that lacks days, rows or cells by their label, or has rows or labels that the panel lacks."""
    name = part.name
    days = np.flatnonzero(np.isin(grid.dates, part.dates))
    stocks = np.flatnonzero(np.isin(grid.codes, part.codes))
    on_calendar = np.isin(part.dates, grid.dates)
    extra_days = int((~on_calendar).sum())
    unknown = ~np.isin(part.codes, grid.codes_in_file)
    if not len(days) or unknown.all():
        return [Suspect(name, "no row of the file has a date and a code of the panel")]
    # The file's cells, on the panel's days and stocks.
    cells = np.ix_(
        np.searchsorted(part.dates, grid.dates[days]),
        np.searchsorted(part.codes, np.array(grid.codes)[stocks]),
    )
    has_row = np.zeros((len(days), len(grid.codes)), dtype=bool)
    has_row[:, stocks] = part.present[cells]
    score, target_of_file = np.full((2, *has_row.shape), np.nan)
    for values, name_of in ((score, "score"), (target_of_file, "target")):
        values[:, stocks] = part.numbers[name_of][cells]
    column = grid.columns.targets[grid.columns.horizons.index(part.horizon)]
    target = grid.number(column)[days]
    present, member = grid.present[days], grid.universe[days]
    suspects = []
    left_out = missing_days(part, grid)
    if left_out.scattered and left_out.share > MAX_LOST_SHARE:
        suspects.append(Suspect(name, f"{left_out.text}: were they chosen by their result?"))
    extra = int((has_row & ~present).sum() + part.present[on_calendar][:, unknown].sum())
    if extra >= MIN_EXTRA_ROWS or extra_days:
        suspects.append(
            Suspect(name, f"{extra:,} rows and {extra_days} days are not in the panel: padded rows?")
        )
    daily = daily_correlation(scaled_ranks(target_of_file, has_row), scaled_ranks(target, has_row))
    typical = float(np.median(daily[np.isfinite(daily)])) if np.isfinite(daily).any() else 1.0
    scored = has_row & np.isfinite(score)
    if typical < LIKE_PANEL:
        suspects.append(
            Suspect(
                name, f"targets are not the panel's {column}: rank correlation {typical:+.2f} on a usual day"
            )
        )
    else:
        # Of the panel's own targets. Of a day on which the file knows none, as of its last ones, none is missing.
        unlabelled = np.isfinite(target) & ~np.isfinite(target_of_file)
        unlabelled &= np.isfinite(target_of_file).any(axis=1, keepdims=True)
        unlabelled &= ~_known_late(grid, part.horizon)[days]
        without_target = int((scored & unlabelled).sum())
        if without_target >= MIN_EXTRA_ROWS:
            text = f"{without_target:,} rows have no target, while the panel's {column} is known"
            suspects.append(Suspect(name, f"{text}: were they chosen by their label?"))
        scored &= ~unlabelled
    chosen = missing_by_label(member, scored, target)
    chosen = chosen or chosen_by_sign(member, scored, target, column, part.horizon)
    suspects += [Suspect(name, text) for text in chosen]
    return suspects


def _known_late(grid: PanelGrid, horizon: int) -> Marks:
    """Labels that become known later than the calendar says, which an older file did not know."""
    if not grid.columns.label_ends:
        return np.zeros(grid.shape, dtype=bool)
    name = grid.columns.label_ends[grid.columns.horizons.index(horizon)]
    late: Marks = np.isfinite(grid.number(name))
    return late


def chosen_by_sign(member: Marks, scored: Marks, target: Cells, column: str, horizon: int) -> list[str]:
    """Say that whether a member is scored ranks as its label does, more than any honest choice of rows.

    Stocks that fell, of which the file has no row, are such a choice.
    """
    known = member & np.isfinite(target)
    daily = daily_correlation(scaled_ranks(scored.astype(np.float64), known), scaled_ranks(target, known))
    bound, limit = least_mean(daily, horizon, 1), plausible_ic(horizon)
    if bound.least <= limit:
        return []
    return [
        f"whether a stock is scored has RankIC {bound.mean:+.3f} with {column} ({bound.share:.0%} of {bound.days} "
        f"days), at least {bound.least:.3f}, an honest choice has less than {limit:.2f}: rows were chosen by their "
        f"label"
    ]


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
