"""Explanations as pictures: SVG files whose colours follow the reader's scheme, light or dark."""

from collections.abc import Sequence
from typing import Any

from atft.drawing import charts, palette
from atft.drawing.page import clipped
from atft.evaluation.importance_file import Importance
from atft.explain.explanation_text import days_ahead
from atft.explain.stock_explanation import FeaturePart, StockExplanation
from atft.tear_sheet.importance_chart import importance_bars

WIDTH, ROW, TOP, BOTTOM, GAP, CHARACTER = 860, 23, 58, 50, 40, 7.3
"""Units: of the picture, of a bar's row, of the margins, between panels, and of a character of a name."""
MAX_NAME, MAX_CODE = 30, 9
"""Characters of a feature's name, and of a neighbour's code, that are drawn."""
MIN_SIDE = 150
"""Height of a panel beside the features."""


def stock_picture(stock: StockExplanation, top: int) -> str:
    """Draw the ``top`` attributions of features, those of the window's days, and the neighbours' weights."""
    from matplotlib.figure import Figure

    bars = [(_with_percentile(p), p.attribution) for p in stock.features[:top]]
    if stock.features[top:]:
        others = sum(p.attribution for p in stock.features[top:])
        bars.append((f"{len(stock.features) - top} others", others))
    # Beside the features, below each other, what the network has beside them; without it the features are wider.
    sides = [draw for draw, rows in ((_days, stock.days), (_neighbours, stock.neighbours)) if rows]
    inner = max(ROW * len(bars), (MIN_SIDE + GAP + 12) * len(sides) - GAP - 12)
    height = TOP + inner + BOTTOM
    figure = Figure(figsize=(WIDTH / 72, height / 72), facecolor="none")
    left = 16 + CHARACTER * max(len(name) for name, _ in bars)
    right = 0.6 * WIDTH if sides else WIDTH - 20
    axes = charts.add_chart(figure, left, BOTTOM, right - left, inner)
    _signed_bars(axes, bars)
    _name(axes, "attribution (in brackets: percentile of the value that day)")
    for row, draw in enumerate(sides):
        room = (inner - (len(sides) - 1) * (GAP + 12)) / len(sides)
        below = BOTTOM + (len(sides) - 1 - row) * (room + GAP + 12)
        start = right + 78
        draw(charts.add_chart(figure, start, below, WIDTH - 20 - start, room), stock, int(room // ROW))
    title = (
        f"{stock.code} on {stock.date}, {days_ahead(stock.horizon)}: rank {stock.rank:,.6g} of {stock.stocks:,}, "
        f"score {stock.score:+.3f}, median stock {stock.median_score:+.3f}"
    )
    _title(figure, title)
    return charts.standalone_svg(charts.inline_svg(figure, "explain", title))


def importance_picture(importance: Importance, top: int) -> str:
    """Draw the shares of the most important features of each horizon, side by side; the SVG's text."""
    from matplotlib.figure import Figure

    names = [row.name for rows in importance.horizons.values() for row in rows[:top]]
    left, columns = 16 + CHARACTER * min(max(map(len, names)), MAX_NAME), min(2, len(importance.horizons))
    lines = -(-len(importance.horizons) // columns)
    inner = ROW * min(top, len(next(iter(importance.horizons.values()))))
    height = TOP + lines * (inner + BOTTOM + 26)
    figure = Figure(figsize=(WIDTH / 72, height / 72), facecolor="none")
    width = WIDTH / columns
    for panel, (horizon, rows) in enumerate(importance.horizons.items()):
        line, column = divmod(panel, columns)
        below = height - TOP - (line + 1) * inner - line * (BOTTOM + 26)
        axes = charts.add_chart(figure, column * width + left, below, width - left - 20, inner)
        importance_bars(axes, rows[:top], MAX_NAME)
        _name(axes, f"{days_ahead(horizon)}, %")
    title = (
        f"Share of the mean absolute attribution, {importance.days} days {importance.first} to {importance.last}; "
        f"green raises the score, red lowers it"
    )
    _title(figure, title)
    return charts.standalone_svg(charts.inline_svg(figure, "importance", title))


def _signed_bars(axes: Any, bars: Sequence[tuple[str, float]]) -> None:
    names, values = [name for name, _ in bars], [value for _, value in bars]
    charts.bar_rows(axes, names, values, _colours(values), "+.3f")


def _colours(values: Sequence[float]) -> list[str]:
    return [palette.LOSS.light if value < 0 else palette.GAIN.light for value in values]


def _days(axes: Any, stock: StockExplanation, _: int) -> None:
    values = [day.attribution for day in stock.days]
    axes.bar(range(len(values)), values, 0.8, color=_colours(values))
    charts.reference_line(axes)
    ends = sorted({0, len(values) // 2, len(values) - 1})
    axes.set_xticks(ends, [stock.days[i].date.isoformat()[5:] for i in ends])
    axes.yaxis.get_major_locator().set_params(nbins=4)
    _name(axes, "attribution by day of the window")


def _neighbours(axes: Any, stock: StockExplanation, rows: int) -> None:
    shown = stock.neighbours[:rows]
    codes = [clipped(part.code, MAX_CODE) for part in shown]
    if shown[0].weight is None:
        _signed_bars(axes, [(code, part.effect) for code, part in zip(codes, shown, strict=True)])
        _name(axes, "effect of each neighbour on the score")
        return
    weights = [part.weight or 0.0 for part in shown]
    charts.bar_rows(axes, codes, weights, [palette.SCORE.light] * len(shown), ".2f")
    _name(axes, "attention to neighbours")


def _name(axes: Any, text: str) -> None:
    axes.set_xlabel(text, fontsize=charts.FONT - 1, color=palette.MUTED.light, labelpad=6)
    axes.tick_params(labelsize=charts.FONT - 2)


def _title(figure: Any, text: str) -> None:
    height = 72 * figure.get_size_inches()[1]
    figure.text(16 / WIDTH, 1 - 30 / height, text, fontsize=charts.FONT + 1, color=palette.INK.light)


def _with_percentile(part: FeaturePart) -> str:
    name = clipped(part.name, MAX_NAME)
    return name if part.percentile is None else f"{name} ({part.percentile:.0f})"
