"""A page loads nothing, runs nothing, and shows every name as it is written."""

from html.parser import HTMLParser

from atft.drawing.page import (
    CONTENT_POLICY,
    Drawing,
    Html,
    LegendKey,
    anchor,
    chart_grid,
    clipped,
    element,
    escaped,
    html_page,
    html_table,
    joined,
    section,
)

HOSTILE = "<script>alert(1)</script>\"&'"


def test_a_string_is_escaped_once_and_html_not_at_all() -> None:
    assert escaped(HOSTILE) == "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&amp;&#x27;"
    assert escaped(escaped(HOSTILE)) == escaped(HOSTILE)
    inner = element("b", HOSTILE, title=HOSTILE)
    assert element("p", inner, 1.5) == Html(f'<p><b title="{escaped(HOSTILE)}">{escaped(HOSTILE)}</b>1.5</p>')
    assert element("td", class_=None, data_x=1) == '<td data-x="1"></td>'
    assert joined(["<", Html("<br>")]) == "&lt;<br>"


def test_no_name_reaches_the_page_as_html() -> None:
    drawing = Drawing(HOSTILE, HOSTILE, Html("<svg></svg>"), (LegendKey("score", HOSTILE),))
    parts = [
        section(HOSTILE, chart_grid([drawing]), note=HOSTILE),
        html_table([HOSTILE, "x"], [[HOSTILE, 1]], caption=HOSTILE),
    ]
    text = html_page(HOSTILE, element("h1", HOSTILE), parts, [HOSTILE])
    assert "<script" not in text
    # The title, two headings, two notes, key, link, cell, head and caption.
    assert text.count(escaped(HOSTILE)) == 11


def test_the_page_forbids_to_load_or_run_and_fits_a_phone() -> None:
    seen = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            seen.append((tag, dict(attrs)))

    Tags().feed(html_page("t", element("h1", "t"), [section("A b", "x")], ["A b"]))
    metas = [a for tag, a in seen if tag == "meta"]
    assert {"http-equiv": "Content-Security-Policy", "content": CONTENT_POLICY} in metas
    assert any(a.get("content") == "width=device-width, initial-scale=1" for a in metas)
    assert [a["href"] for tag, a in seen if tag == "a"] == ["#a-b"]
    assert ("section", {"id": anchor("A b")}) in seen
    assert not {"script", "img", "iframe", "object"} & {tag for tag, _ in seen}


def test_words_of_a_table_stand_to_the_left_and_a_row_has_its_style() -> None:
    text = html_table(["name", "value"], [["a", 1], ["b", 2]], styles=["best", None])
    assert '<tr class="best"><td class="word">a</td><td>1</td></tr><tr><td class="word">b</td>' in text
    assert '<th class="word">name</th><th>value</th>' in text


def test_a_text_that_is_cut_ends_in_an_ellipsis() -> None:
    assert (clipped("abcdef", 4), clipped("abcd", 4)) == ("abc…", "abcd")
