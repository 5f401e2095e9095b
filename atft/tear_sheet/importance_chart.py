"""Which features decide a network's scores: bars of the shares that `python -m atft explain` has measured."""

from collections.abc import Sequence
from typing import Any

from atft.drawing import charts, palette
from atft.drawing.page import Drawing, LegendKey, clipped
from atft.evaluation.importance_file import FeatureImportance, Importance

TOP = 20
"""Features that are drawn."""
MAX_LABEL = 26
CLEAR = 0.3
"""Direction beyond which a feature raises or lowers the score, rather than both."""
KEYS = (
    LegendKey("gain", "high values raise the score", "box"),
    LegendKey("loss", "high values lower it", "box"),
    LegendKey("control", "neither clearly", "box"),
)


def importance_chart(name: str, title: str, rows: Sequence[FeatureImportance]) -> Drawing:
    """Draw the shares of the most important features of a horizon."""
    shown = rows[:TOP]
    widest = max(len(clipped(row.name, MAX_LABEL)) for row in shown)
    left = 18 + round(0.56 * charts.FONT * widest)
    figure, axes = charts.new_chart(height=60 + 20 * len(shown), left=left, right=18, top=8, bottom=48)
    importance_bars(axes, shown, MAX_LABEL)
    charts.label_axes(axes, "share of the mean absolute attribution, %")
    rest = len(rows) - len(shown)
    note = f"{rest} others: {100 * sum(r.share for r in rows[TOP:]):.1f} %." if rest else ""
    return Drawing(title, note, charts.inline_svg(figure, name, f"{title}: share of each feature"), KEYS)


def importance_note(importance: Importance) -> str:
    """What was averaged, and what the attributions leave out."""
    return (
        f"Mean absolute attribution (integrated gradients against the day's median stock) over "
        f"{importance.stock_days:,} stock-days of {importance.days} days, {importance.first} to {importance.last}; "
        f"unattributed {100 * importance.gap:.2g} %. What a network reads, not what earns."
    )


def importance_bars(axes: Any, rows: Sequence[FeatureImportance], max_label: int) -> None:
    """Draw a bar a feature, coloured by the direction in which it moves the score."""
    names = [clipped(row.name, max_label) for row in rows]
    charts.bar_rows(axes, names, [100 * row.share for row in rows], [_colour(row) for row in rows], ".1f")


def _colour(row: FeatureImportance) -> str:
    if abs(row.direction) < CLEAR:
        return palette.CONTROL.light
    return palette.GAIN.light if row.direction > 0 else palette.LOSS.light
