"""What all figures of a run share: one panel per horizon, at a size that TensorBoard's cards leave readable.

A card is some 400 pixels wide, so no figure is wider than 5.6 inches, at two pixels for each that a card shows; a
panel's title is its result, and the figure's caption says of which run, days and epoch. Colours are those of
`atft.drawing.palette`: blue is what the network predicts, orange what happened, grey what either is compared with.
Figures are made without pyplot, which would keep them all.
"""

from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor

from atft.drawing import palette

SCORE, REALISED = palette.SCORE.light, palette.REALISED.light
REFERENCE, FAINT, INK = palette.MUTED.light, palette.CONTROL.light, palette.INK.light
COLUMNS = 2
PIXELS_PER_INCH = 200
LEFT, RIGHT, TOP, BOTTOM = 0.68, 0.1, 0.62, 0.62
BETWEEN = 0.78, 0.75
"""Margins around and between panels, inches: caption, titles, axis labels and numbers of six characters."""
ERRORS_OF_BAND = 1.96
"""Standard errors to either side of a value that are drawn: 95 %."""

ByHorizon = Float[Tensor, "days horizons stocks"]
"""Scores, or forward returns (fractions; anything where not valid)."""
Valid = Bool[Tensor, "days horizons stocks"]
"""Stocks to count."""


def panel_grid(
    count: int, width: float = 2.8, height: float = 2.6, fit: bool = False
) -> tuple[Any, list[Any]]:
    """Make a figure of panels of a size in inches, two in a row (a single one is larger); also return its axes.

    Margins fit numbers at the axes. ``fit`` measures the labels instead, where they are words: drawing then takes
    twice as long.
    """
    from matplotlib.figure import Figure

    columns, rows = min(count, COLUMNS), -(-count // COLUMNS)
    size = (width * columns, height * rows) if count > 1 else (1.5 * width, 1.3 * height)
    figure = Figure(figsize=size, layout="constrained" if fit else None, dpi=PIXELS_PER_INCH)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    if not fit:
        # matplotlib takes the gaps between panels in sizes of a panel.
        inner = [
            (size[0] - LEFT - RIGHT - (columns - 1) * BETWEEN[0]) / columns,
            (size[1] - TOP - BOTTOM - (rows - 1) * BETWEEN[1]) / rows,
        ]
        figure.subplots_adjust(
            left=LEFT / size[0],
            right=1 - RIGHT / size[0],
            bottom=BOTTOM / size[1],
            top=1 - TOP / size[1],
            wspace=BETWEEN[0] / inner[0],
            hspace=BETWEEN[1] / inner[1],
        )
    for unused in axes[count:]:
        unused.remove()
    for axis in axes[:count]:
        axis.spines[["top", "right"]].set_visible(False)
        axis.spines[["left", "bottom"]].set_color(REFERENCE)
        axis.tick_params(colors=REFERENCE, labelcolor=INK, labelsize=9)
        for side in (axis.xaxis, axis.yaxis):
            side.label.set_size(9)
    return figure, axes[:count]


def set_title(axis: Any, title: str) -> None:
    """Set a panel's title; about 33 characters fit."""
    axis.set_title(title, fontsize=9)


def set_caption(figure: Any, caption: str) -> None:
    """Say above all panels what the figure is of; a line of the narrowest figure holds about 60 characters."""
    figure.suptitle(caption, x=0.01, ha="left", fontsize=8, color=REFERENCE, parse_math=False)


def message_figure(message: str) -> Any:
    """A figure that says in words why there is nothing to draw."""
    figure, (axis,) = panel_grid(1, height=1.0, fit=True)
    axis.set_axis_off()
    axis.text(0.5, 0.5, message, ha="center", va="center", fontsize=11, color=INK)
    return figure


def no_skill_band(axis: Any, x: list[Any], width: list[float]) -> None:
    """Shade where 95 % of the lines of a score without skill would be: ``width`` standard errors around 0."""
    high = [ERRORS_OF_BAND * w for w in width]
    axis.fill_between(x, [-h for h in high], high, color=FAINT, alpha=0.25, linewidth=0)
