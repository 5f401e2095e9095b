"""A chart's SVG has variables for colours, text for text, ids of its own, and the same bytes each time."""

import re
from datetime import date
from xml.etree import ElementTree

import pytest

from atft.drawing import palette
from atft.drawing.charts import WIDTH, bar_rows, inline_svg, label_axes, new_chart, reference_line, use_dates

HOSTILE = '<script>alert(1)</script> $a$ & "'
JAPANESE = "水産・農林業"


def drawn(name: str = "one", label: str = "Rising.") -> str:
    figure, axes = new_chart(height=200)
    axes.plot([1, 2, 3], [0.123456789, 1, 2], "o-", color=palette.SCORE.light)
    axes.fill_between([1, 3], [0, 1], [1, 2], color=palette.CONTROL.light, alpha=0.3, linewidth=0)
    axes.set_xticks([1, 2], [HOSTILE, JAPANESE])
    reference_line(axes)
    label_axes(axes, "days", "RankIC")
    return inline_svg(figure, name, label)


def test_colours_are_variables_and_the_drawing_is_well_formed() -> None:
    text = drawn()
    root = ElementTree.fromstring(text)
    assert root.attrib["viewBox"] == f"0 0 {WIDTH} 200"
    assert not re.search(r"#[0-9a-f]{6}", text)
    assert {"score", "control", "muted", "line"} <= set(re.findall(r"var\(--([\w-]+)\)", text))
    words = [t.text for t in root.iter("text")]
    assert {"days", "RankIC", HOSTILE, JAPANESE} <= set(words)
    assert "<script" not in text and "<style" not in text


def test_text_has_a_size_and_the_font_of_the_page() -> None:
    styles = [t.attrib["style"] for t in ElementTree.fromstring(drawn()).iter("text")]
    assert styles and all("font-size: " in style and "font-family" not in style for style in styles)


def test_the_ids_of_two_charts_of_a_page_differ_and_lead_to_elements_of_their_own() -> None:
    for name in ("one", "two"):
        text = drawn(name)
        ids, used = re.findall(r' id="([^"]+)"', text), re.findall(r'(?:url\(|href=")#([\w-]+)', text)
        assert used and set(used) == set(ids) and len(ids) == len(set(ids))
        assert all(i.startswith(f"{name}-") for i in ids)


def test_the_same_chart_has_the_same_bytes_and_a_label_that_is_escaped() -> None:
    assert drawn() == drawn()
    assert 'aria-label="&lt;b&gt; &quot;"' in drawn(label='<b> "')


def test_a_colour_that_is_not_of_the_palette_is_a_bug() -> None:
    figure, axes = new_chart()
    axes.plot([0, 1], [0, 1], color="tab:blue")
    with pytest.raises(ValueError, match="#1f77b4, which is no role of the palette"):
        inline_svg(figure, "one", "")


def test_a_name_that_looks_like_a_colour_or_an_id_stays_as_it_is() -> None:
    names = ["#4a90e2", 'a id="b"', 'href="#c"']
    figure, axes = new_chart()
    axes.set_yticks(range(len(names)), names)
    text = inline_svg(figure, "one", "")
    assert set(names) <= {t.text for t in ElementTree.fromstring(text).iter("text")}


def test_three_years_of_days_get_few_labels_and_few_bytes() -> None:
    figure, axes = new_chart()
    days = [date.fromordinal(735000 + i) for i in range(750)]
    axes.plot(days, [(i * 7919 % 101) / 100 for i in range(750)], color=palette.SCORE.light)
    use_dates(axes)
    assert len(inline_svg(figure, "days", "")) < 20_000
    assert 2 <= len(axes.get_xticks()) <= 6


def test_bars_without_a_length_and_no_bars_are_drawn() -> None:
    for values in ([0.0, 0.0], [-1.0, 0.0], []):
        figure, axes = new_chart()
        bar_rows(axes, ["a", "b"][: len(values)], values, [palette.SCORE.light] * len(values), "+.1f")
        low, high = axes.get_xlim()
        assert low <= min([0, *values]) and high >= 0 and low < high
        assert inline_svg(figure, "bars", "").count("<text") >= 2 * len(values)
