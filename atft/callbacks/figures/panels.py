"""What all figures of a run share: one panel per horizon, at a size that TensorBoard's cards leave readable.

A card is some 400 pixels wide, so no figure is wider than 5.6 inches; a panel's title is its result. Blue is what
the network predicts, orange what happened, grey what either is compared with. Figures are made without pyplot,
which would keep them all.
"""

from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor

SCORE, REALISED, REFERENCE, FAINT = "tab:blue", "tab:orange", "dimgray", "silver"
COLUMNS = 2

ByHorizon = Float[Tensor, "days horizons stocks"]
"""Scores, or forward returns (fractions; anything where not valid)."""
Valid = Bool[Tensor, "days horizons stocks"]
"""Stocks to count."""


def panel_grid(count: int, width: float = 2.8, height: float = 2.6) -> tuple[Any, list[Any]]:
    """Make a figure of panels of a size in inches, two in a row (a single one is larger); also return its axes."""
    from matplotlib.figure import Figure

    columns, rows = min(count, COLUMNS), -(-count // COLUMNS)
    size = (width * columns, height * rows) if count > 1 else (1.5 * width, 1.3 * height)
    figure = Figure(figsize=size, layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for unused in axes[count:]:
        unused.remove()
    for axis in axes[:count]:
        axis.spines[["top", "right"]].set_visible(False)
        for side in (axis.xaxis, axis.yaxis):
            side.label.set_size(9)
    return figure, axes[:count]


def set_title(axis: Any, title: str) -> None:
    """Set a panel's title; about 33 characters fit."""
    axis.set_title(title, fontsize=10)


def use_dates(axis: Any) -> None:
    """Label the horizontal axis with few and short dates."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=2, maxticks=5)
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))
