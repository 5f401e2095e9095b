"""The shell of an HTML page that stands alone: nothing in it is loaded, nothing in it runs.

A Content-Security-Policy forbids both, whatever a name in a file says; and text becomes HTML in `element` only,
which escapes every string that is not `Html` already. Light or dark is the reader's choice, print is light. Charts
stand in two columns on a laptop and in one on a phone; a table wider than the page scrolls on its own.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from atft.drawing.palette import css_variables

CONTENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
STYLE = """
*{box-sizing:border-box}
html{color-scheme:light dark;-webkit-text-size-adjust:100%;scroll-behavior:smooth}
body{margin:0;background:var(--paper);color:var(--ink)}
body{font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1160px;margin:0 auto;padding:28px 24px 48px}
h1{font-size:26px;line-height:1.25;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:19px;margin:44px 0 4px;padding-top:14px;border-top:1px solid var(--line)}
h3{font-size:15px;margin:0 0 2px;overflow-wrap:anywhere}
p{margin:0 0 10px;overflow-wrap:anywhere}
a{color:var(--score)}
ul{margin:8px 0;padding-left:20px} li{overflow-wrap:anywhere}
.note,figcaption{color:var(--muted);font-size:13px;line-height:1.45;max-width:90ch}
nav{display:flex;flex-wrap:wrap;gap:4px 16px;margin:16px 0 0;font-size:13px}
.grid{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:28px 32px;margin-top:14px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,200px),1fr));gap:12px;margin-top:14px}
.tile{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 14px}
.tile b{display:block;font-size:24px;line-height:1.3;font-weight:600;font-variant-numeric:tabular-nums}
.warning{border-left:4px solid var(--loss);background:var(--card);padding:8px 12px;margin:12px 0}
figure{margin:0;min-width:0;break-inside:avoid}
svg{display:block;width:100%;height:auto;font-family:inherit;stroke-linejoin:round}
svg text{font-variant-numeric:tabular-nums}
.keys{display:flex;flex-wrap:wrap;gap:2px 14px;font-size:13px;line-height:20px;color:var(--muted)}
.key{display:flex;align-items:center;gap:6px}
.key i{width:16px;height:0;border-top:3px solid}
.key i.box{height:11px;width:11px;border:0;border-radius:2px}
.key i.dot{height:9px;width:9px;border:0;border-radius:50%}
.key i.dotted{border-top-style:dotted}
.key i.band{height:11px;border:0;opacity:.3}
.wide{overflow-x:auto;margin-top:10px;max-width:100%}
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--muted);padding-bottom:4px}
th,td{padding:4px 12px 4px 0;text-align:right;white-space:nowrap;vertical-align:top}
th,td{border-bottom:1px solid var(--line)}
th{font-weight:600;color:var(--muted)}
.word{text-align:left} td.long{white-space:normal;min-width:18em;max-width:40em;overflow-wrap:anywhere}
td small{display:block;color:var(--muted);font-size:11px;font-weight:400}
td .note{display:inline-block;white-space:normal;width:24em}
.names{white-space:normal;width:27em} .name{display:inline-block;white-space:nowrap;margin-right:12px}
h3+.wide,.grid+.wide{margin-top:18px} section>h3{margin-top:24px}
tr.strong td{font-weight:600}
tr.best td{font-weight:600;color:var(--best)}
tr.failed td{color:var(--loss)}
tr.control td{color:var(--muted)}
@media screen and (max-width:760px){main{padding:18px 16px 32px}
.grid{grid-template-columns:minmax(0,1fr);gap:24px} h1{font-size:22px} .names{width:14em} td .note{width:18em}}
@media print{@page{margin:14mm}main{max-width:none;padding:0}nav{display:none}h2{break-after:avoid}
.wide{overflow:visible}tr{break-inside:avoid}body{font-size:11px}h3,.keys{font-size:11px}
table,.note,figcaption{font-size:9px}td small{font-size:8px}th,td{padding-right:8px}
.names{width:23em} td .note{width:20em} .tile b{font-size:17px}}
"""


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


class LegendKey(NamedTuple):
    """One entry of a chart's legend: a role of the palette, what it stands for, and the shape of the mark."""

    role: str
    text: str
    shape: str = "line"
    """line, dotted, box, dot or band."""


class Drawing(NamedTuple):
    """A chart on a page."""

    title: str
    note: str
    """How to read it, in a sentence."""
    svg: Html
    legend: tuple[LegendKey, ...] = ()


def escaped(text: object) -> Html:
    """Text as HTML; what is HTML already stays as it is."""
    return text if isinstance(text, Html) else Html(escape(str(text)))


def clipped(text: str, most: int) -> str:
    """The beginning of a text, with an ellipsis where it is longer than ``most`` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def element(name: str, *content: object, **attributes: object) -> Html:
    """An element with escaped content and attributes; ``class_`` is ``class``, an attribute None is left out."""
    words = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{words}>{joined(content)}</{name}>")


def joined(parts: Iterable[object]) -> Html:
    """Parts after each other."""
    return Html("".join(map(escaped, parts)))


def section(title: str, *content: object, note: str = "") -> Html:
    """A part of the page under a heading, which the navigation leads to."""
    remark = element("p", note, class_="note") if note else ""
    return element("section", element("h2", title), remark, *content, id=anchor(title))


def anchor(title: str) -> str:
    """The id of a section."""
    return "".join(c if c.isalnum() and c.isascii() else "-" for c in title.lower())


def chart_grid(drawings: Sequence[Drawing]) -> Html:
    """Charts side by side, each with its title, its legend and how to read it."""
    return element("div", *map(_figure, drawings), class_="grid")


def _figure(drawing: Drawing) -> Html:
    keys = element("div", *map(_key, drawing.legend), class_="keys") if drawing.legend else ""
    note = element("figcaption", drawing.note) if drawing.note else ""
    return element("figure", element("h3", drawing.title), keys, drawing.svg, note)


def _key(key: LegendKey) -> Html:
    painted = "background" if key.shape in ("box", "dot", "band") else "border-color"
    mark = element("i", class_=key.shape, style=f"{painted}:var(--{key.role})")
    return element("span", mark, key.text, class_="key")


def html_table(
    head: Sequence[str],
    rows: Iterable[Sequence[object]],
    words: Sequence[int] = (0,),
    styles: Sequence[str | None] | None = None,
    caption: str = "",
) -> Html:
    """A table that scrolls on its own where the page is narrow.

    Args:
        words: columns of words, which stand to the left; numbers stand to the right.
        styles: of each row: strong, best, failed, control or None.
    """
    side = ["word" if i in words else None for i in range(len(head))]
    top = element("tr", *(element("th", text, class_=c) for text, c in zip(head, side, strict=True)))
    lines = list(rows)
    body = [
        element(
            "tr", *(element("td", cell, class_=c) for cell, c in zip(row, side, strict=True)), class_=style
        )
        for row, style in zip(lines, styles or [None] * len(lines), strict=True)
    ]
    above = element("caption", caption) if caption else ""
    inner = element("table", above, element("thead", top), element("tbody", *body))
    return element("div", inner, class_="wide", tabindex="0")


def html_page(title: str, heading: Html, sections: Sequence[Html], titles: Sequence[str] = ()) -> str:
    """The whole page; ``titles`` are those of the sections that the navigation lists."""
    links = [element("a", name, href=f"#{anchor(name)}") for name in titles]
    main = element("main", heading, element("nav", *links) if links else "", *sections)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{CONTENT_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{escaped(title)}</title>\n<style>{css_variables()}{STYLE}</style></head>\n"
        f"<body>{main}</body></html>\n"
    )
