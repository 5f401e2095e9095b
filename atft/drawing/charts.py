"""Charts for a page: matplotlib draws them, the page's style colours them.

A chart is 480 units wide, a unit is a pixel on a laptop and 0.8 of one on a phone. Its SVG stands inside of the
page: text stays text in the page's font, each colour is the variable of its role (`atft.drawing.palette`), so that
one drawing serves light, dark and print, and no two charts share an id. The same data gives the same bytes.
"""

import re
import warnings
from collections.abc import Sequence
from io import StringIO
from typing import Any

from atft.drawing import palette
from atft.drawing.page import Html, escaped

WIDTH = 480
FONT = 13
"""Of a chart, in units: 480 of them are the chart's width."""
FONTS = "system-ui,-apple-system,Segoe UI,Helvetica,Arial,sans-serif"
"""Of a chart that is a file of its own, and has no page's font."""
ROLE_OF = {colour.light: role for role, colour in palette.ROLES.items()}


def new_chart(
    height: int = 250, left: int = 78, right: int = 14, top: int = 12, bottom: int = 48
) -> tuple[Any, Any]:
    """Make a figure of ``WIDTH`` x ``height`` units and its axes, which leave these margins; no pyplot."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH / 72, height / 72), facecolor="none")
    return figure, add_chart(figure, left, bottom, WIDTH - left - right, height - top - bottom)


def add_chart(figure: Any, left: float, bottom: float, width: float, height: float) -> Any:
    """Add axes in the page's style to a figure, all lengths in units."""
    whole_width, whole_height = (72 * inches for inches in figure.get_size_inches())
    rectangle = (left / whole_width, bottom / whole_height, width / whole_width, height / whole_height)
    axes = figure.add_axes(rectangle, facecolor="none")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(palette.LINE.light)
    axes.tick_params(colors=palette.LINE.light, labelcolor=palette.MUTED.light, labelsize=FONT, length=3)
    axes.grid(axis="y", color=palette.LINE.light, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.margins(x=0.04)
    return axes


def label_axes(axes: Any, x: str = "", y: str = "") -> None:
    """Name the axes, units included."""
    axes.set_xlabel(x, fontsize=FONT, color=palette.MUTED.light, labelpad=8)
    axes.set_ylabel(y, fontsize=FONT, color=palette.MUTED.light)
    # At the edge of the figure, where tick labels of any width leave room.
    middle = axes.get_position().y0 + axes.get_position().height / 2
    axes.yaxis.set_label_coords((FONT + 2) / WIDTH, middle, transform=axes.figure.transFigure)


def reference_line(axes: Any) -> None:
    """Draw a horizontal line at 0, which values are read against."""
    axes.axhline(0.0, color=palette.MUTED.light, linewidth=0.9)


def use_dates(axes: Any) -> None:
    """Label the horizontal axis with few and short dates."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=2, maxticks=5)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))


def bar_rows(
    axes: Any, names: Sequence[str], values: Sequence[float], colours: Sequence[str], form: str
) -> None:
    """Draw horizontal bars below each other, the first on top, each with its name and its value.

    Args:
        names: shown whole; two may be equal.
        form: of the values, as `format` takes it.
    """
    axes.barh(range(len(values)), values, height=0.66, color=colours)
    low, high = min([0.0, *values]), max([0.0, *values])
    margin = 0.22 * ((high - low) or 1.0)
    axes.set_xlim(low - margin if low < 0 else 0, high + margin if high > 0 or low == 0 else 0)
    for row, value in enumerate(values):
        side = -1 if value < 0 else 1
        axes.annotate(
            f"{value:{form}}", (value, row), (4 * side, 0), textcoords="offset points", va="center",
            ha="left" if side > 0 else "right", fontsize=FONT - 2, color=palette.INK.light,
        )  # fmt: skip
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(values) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.axvline(0, color=palette.MUTED.light, linewidth=0.9)
    axes.grid(visible=False)
    axes.grid(axis="x", color=palette.LINE.light, linewidth=0.6)
    axes.xaxis.get_major_locator().set_params(nbins=5)


def standalone_svg(svg: str) -> str:
    """The element of `inline_svg` as a file: with a font, and the palette's colours by the reader's scheme."""
    opening, body = svg.split(">", 1)
    style = f"<style>{palette.css_variables()}text{{font-family:{FONTS}}}</style>"
    paper = '<rect width="100%" height="100%" rx="10" fill="var(--paper)"/>'
    return f'{opening} xmlns="http://www.w3.org/2000/svg">{style}{paper}{body}\n'


def inline_svg(figure: Any, name: str, label: str) -> Html:
    """The figure as an ``<svg>`` element for a page.

    Args:
        figure: drawn with the light colours of `atft.drawing.palette` only; another colour raises ValueError.
        name: unique on the page, letters, digits and ``-``; the ids inside the element open with it.
        label: what a screen reader says.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.text import Text

    for words in figure.findobj(Text):
        words.set_parse_math(False)  # a name with two dollar signs is no formula
    file = StringIO()
    style = {"svg.fonttype": "none", "svg.hashsalt": "atft", "path.simplify_threshold": 0.3}
    with rc_context(style), warnings.catch_warnings():
        # Names in Japanese: they stay text, which the reader's own font shows.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None})
    text = file.getvalue()
    body = text[text.index("</defs>") + len("</defs>") : text.rindex("</svg>")]  # without style and metadata
    body = re.sub(r"<!--.*?-->", "", body, flags=re.S)
    body = re.sub(r"<[^>]+>", lambda tag: _short_tag(tag[0]), body)
    used = set(re.findall(r'(?:url\(|href=")#([\w-]+)', body))
    # Tags only: a stock or a sector may be called #4a90e2.
    body = re.sub(r"<[^>]+>", lambda tag: _own_tag(tag[0], name, used), body)
    body = re.sub(r"\n\s*", "\n", body)
    width, height = (round(72 * inches) for inches in figure.get_size_inches())
    return Html(f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escaped(label)}">{body}</svg>')


def _short_tag(tag: str) -> str:
    """A tag with numbers of two decimals and the page's own font."""
    tag = re.sub(r"(\.\d\d)\d+", r"\1", tag)
    tag = tag.replace("xlink:href", "href")
    # Matplotlib before 3.11 writes size, weight and family as one property.
    tag = re.sub(r"font: (?:(\d+|bold) )?([\d.]+px) [^;\"]*", _font, tag)
    return re.sub(r"font-family: [^;\"]*;? ?", "", tag)


def _own_tag(tag: str, name: str, used: set[str]) -> str:
    """A tag with the chart's own ids, where they are used, and with the palette's variables for colours."""
    tag = re.sub(r' id="([\w.-]+)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", tag)
    tag = re.sub(r'(url\(|href=")#', rf"\1#{name}-", tag)
    return re.sub(r"#[0-9a-f]{6}\b", lambda m: f"var(--{_role(m[0])})", tag)


def _font(match: re.Match[str]) -> str:
    return f"font-size: {match[2]}" + (f"; font-weight: {match[1]}" if match[1] else "")


def _role(colour: str) -> str:
    if colour not in ROLE_OF:
        raise ValueError(f"a chart has the colour {colour}, which is no role of the palette")
    return ROLE_OF[colour]
