"""The picture of a ladder: RankIC of each rung, and its difference to the reference with 95 % error bars.

An SVG with the colours of `atft.drawing.palette` on light and on dark paper, as the reader's scheme says.
"""

from collections.abc import Sequence
from typing import Any

from atft.drawing import palette
from atft.drawing.charts import FONT, inline_svg, standalone_svg
from benchmarks.ladder_figures import ALL, MEAN, Figure
from benchmarks.ladder_rungs import Ladder

WIDTH, ROW, TOP, BOTTOM, CHARACTER = 860, 30, 40, 52, 7.2
"""Units: of the picture, of a rung's row, of the margins, and of a character of the names."""
TWO_SIDED = 1.96


def ladder_picture(figures: Sequence[Figure], ladder: Ladder, title: str) -> str:
    """Draw the mean over horizons of each rung over all folds, the first rung on top; the SVG's text."""
    from matplotlib.figure import Figure as Canvas

    of = {(f.rung, f.lag): f for f in figures if f.horizon == MEAN and f.fold == ALL}
    names = list(ladder.rungs)
    height = TOP + ROW * len(names) + BOTTOM
    left = 16 + CHARACTER * max(map(len, names))
    width = (WIDTH - left - 14 - 44) / 2
    canvas = Canvas(figsize=(WIDTH / 72, height / 72), facecolor="none")
    panels = [
        canvas.add_axes(
            ((left + i * (width + 44)) / WIDTH, BOTTOM / height, width / WIDTH, ROW * len(names) / height),
            facecolor="none",
        )
        for i in range(2)
    ]
    places = [len(names) - 1 - i for i in range(len(names))]
    colours = [_colour(name, ladder) for name in names]
    _bars(panels[0], places, [of[name, 0] for name in names], colours)
    later = [
        (of[name, 1].rank_ic, place) for name, place in zip(names, places, strict=True) if (name, 1) in of
    ]
    if later:
        style = {"color": palette.INK.light, "markersize": 11, "markeredgewidth": 1.6}
        panels[0].plot(*zip(*later, strict=True), "|", **style)
    _differences(panels[1], places, [of[name, 0] for name in names], colours, ladder.reference)
    mean = " / ".join(map(str, ladder.mean))
    labels = (
        f"RankIC, mean of {mean} days" + ("; mark: one close later" if later else ""),
        f"minus {ladder.reference}, with 95 % errors",
    )
    for axes, label in zip(panels, labels, strict=True):
        axes.set_ylim(-0.6, len(names) - 0.4)
        axes.set_xlabel(label, fontsize=FONT, color=palette.MUTED.light, labelpad=8)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.spines["bottom"].set_color(palette.LINE.light)
        axes.tick_params(
            colors=palette.LINE.light, labelcolor=palette.MUTED.light, labelsize=FONT - 1, length=3
        )
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color=palette.LINE.light, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.locator_params(axis="x", nbins=5)
    panels[0].set_yticks(places, names, fontsize=FONT, color=palette.INK.light)
    panels[1].set_yticks([])
    canvas.text(14 / WIDTH, 1 - 24 / height, title, fontsize=FONT + 1, color=palette.INK.light)
    return standalone_svg(inline_svg(canvas, "ladder", title))


def _colour(name: str, ladder: Ladder) -> str:
    """Baselines in the colour of controls, what is made of others in that of a further file."""
    rung = ladder.rungs[name]
    if name == ladder.reference or rung.model is not None:
        return palette.CONTROL.light
    return palette.FILE_2.light if rung.members else palette.SCORE.light


def _bars(axes: Any, places: Sequence[int], figures: Sequence[Figure], colours: Sequence[str]) -> None:
    values = [figure.rank_ic for figure in figures]
    axes.barh(places, values, height=0.62, color=colours)
    for place, value in zip(places, values, strict=True):
        axes.annotate(
            f"{value:.4f}", (max(value, 0), place), (5, 0), textcoords="offset points", va="center",
            fontsize=FONT - 1, color=palette.INK.light,
        )  # fmt: skip
    axes.set_xlim(min(0, *values), 1.22 * max(values))


def _differences(
    axes: Any, places: Sequence[int], figures: Sequence[Figure], colours: Sequence[str], reference: str
) -> None:
    axes.axvline(0, color=palette.MUTED.light, linewidth=0.9)
    for place, figure, colour in zip(places, figures, colours, strict=True):
        if figure.rung == reference:
            continue
        reach = TWO_SIDED * figure.difference_error
        axes.plot(
            [figure.difference - reach, figure.difference + reach], [place, place], color=colour, linewidth=2
        )
        axes.plot([figure.difference], [place], "o", color=colour, markersize=7)
