"""Figures with their 95 % intervals: rows of dots, bars of deciles, points over lags."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from atft.drawing import charts, palette
from atft.drawing.page import Drawing, LegendKey, clipped
from atft.evaluation.figures import BPS
from atft.evaluation.intervals import Interval
from atft.evaluation.null_controls import Band
from atft.tear_sheet.entries import Entry, legend_of

MAX_LABEL = 22
"""Characters of a row's name."""
BAND_KEY = LegendKey("control", "95 % of random scores", "band")


class Dot(NamedTuple):
    """One value with its interval, in a row of dots."""

    role: str
    interval: Interval


def dot_rows(
    name: str,
    title: str,
    rows: Sequence[tuple[str, Sequence[Dot]]],
    axis: str,
    note: str = "",
    band: Band | None = None,
    legend: tuple[LegendKey, ...] = (),
    reference: float = 0.0,
) -> Drawing:
    """Rows of values with their intervals, from top to bottom, against a reference.

    Args:
        name: unique on the page.
        rows: label and dots, one a file; two rows may have one label.
        axis: what is measured, with its unit.
        band: what random scores reach.
    """
    dots = max((len(members) for _, members in rows), default=1)
    labels = [clipped(label, MAX_LABEL) for label, _ in rows]
    left = 24 + round(0.56 * charts.FONT * max(map(len, labels), default=0))
    step = 24 if dots == 1 else 14 + 10 * dots
    figure, axes = charts.new_chart(
        height=66 + step * max(len(rows), 2), left=left, right=18, top=8, bottom=48
    )
    if band is not None and np.isfinite(band).all():
        axes.axvspan(*band, color=palette.CONTROL.light, alpha=0.3, linewidth=0)
    axes.axvline(reference, color=palette.MUTED.light, linewidth=0.9)
    for row, members in enumerate(members for _, members in rows):
        for i, (role, interval) in enumerate(members):
            # The dots of a row stand below each other, the first file's on top.
            y = row + (i - (len(members) - 1) / 2) * 0.6 / max(dots, 1)
            colour = palette.ROLES[role].light
            if np.isfinite([interval.low, interval.high]).all():
                axes.plot(
                    [interval.low, interval.high], [y, y], color=colour, linewidth=2.2, solid_capstyle="butt"
                )
            axes.plot([interval.value], [y], "o", color=colour, markersize=6.5)
    axes.set_yticks(range(len(rows)), labels)
    axes.set_ylim(max(len(rows), 2) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.get_major_locator().set_params(nbins=5)
    axes.grid(visible=False)
    axes.grid(axis="x", color=palette.LINE.light, linewidth=0.6)
    charts.label_axes(axes, axis)
    keys = (*legend, BAND_KEY) if band is not None else legend
    return Drawing(title, note, charts.inline_svg(figure, name, f"{title}: {axis}"), keys)


def decile_chart(name: str, entries: Sequence[Entry], title: str) -> Drawing:
    """Mean return of each tenth of the scores above the day's mean, a bar a file."""
    figure, axes = charts.new_chart()
    width = 0.8 / len(entries)
    for i, entry in enumerate(entries):
        number = np.array([decile.number for decile in entry.measured.deciles], dtype=np.float64)
        at = number + (i - (len(entries) - 1) / 2) * width
        value, spans = _with_spans([decile.mean for decile in entry.measured.deciles], BPS)
        axes.bar(at, value, 0.92 * width, color=entry.colour)
        ends = {"fmt": "none", "ecolor": palette.INK.light, "elinewidth": 1.1}
        axes.errorbar(at, value, spans, **ends)
    charts.reference_line(axes)
    axes.set_xticks(range(1, 11))
    charts.label_axes(axes, "tenth of the scores (10 is best)", "return above mean, bps")
    steady = ", ".join(
        (f"{e.name} " if len(entries) > 1 else "") + f"{e.measured.monotonicity:+.2f}" for e in entries
    )
    note = f"Monotonicity (1: rises at each step): {steady}."
    label = f"{title}: return of each tenth of the scores"
    return Drawing(title, note, charts.inline_svg(figure, name, label), legend_of(entries, "box"))


def decay_chart(name: str, entries: Sequence[Entry], title: str) -> Drawing:
    """RankIC of a score with the target of a day so many days later; lag 0 is the headline figure."""
    figure, axes = charts.new_chart()
    lags = sorted({0, *(row.lag for e in entries for row in e.measured.decay)})
    for i, entry in enumerate(entries):
        by_lag = {0: entry.measured.figures["rank_ic"], **{r.lag: r.rank_ic for r in entry.measured.decay}}
        known = [lag for lag in lags if lag in by_lag]
        at = np.array([lags.index(lag) for lag in known]) + 0.12 * (i - (len(entries) - 1) / 2)
        value, spans = _with_spans([by_lag[lag] for lag in known])
        axes.errorbar(at, value, spans, fmt="o-", color=entry.colour, markersize=5, linewidth=1.6)
    charts.reference_line(axes)
    axes.set_xticks(range(len(lags)), [str(lag) for lag in lags])
    charts.label_axes(axes, "trading days between score and entry", "RankIC")
    svg = charts.inline_svg(figure, name, f"{title}: RankIC by lag")
    return Drawing(title, "", svg, legend_of(entries))


def _with_spans(intervals: Sequence[Interval], factor: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Values, and the lengths of their error bars below and above; 0 where an interval is not known."""
    value, low, high = (factor * np.array(ends) for ends in list(zip(*intervals, strict=True))[:3])
    # Of few draws all may be on one side of the value, where a bar has no length.
    return value, np.nan_to_num([value - low, high - value]).clip(min=0)
