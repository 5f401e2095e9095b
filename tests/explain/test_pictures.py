"""Pictures are files of their own, in the palette's colours, with every name escaped."""

from dataclasses import replace
from datetime import date
from itertools import combinations
from typing import Any
from xml.etree import ElementTree

import pytest
from matplotlib.colors import to_hex

from atft.drawing import charts, palette
from atft.evaluation.importance_file import FeatureImportance, Importance
from atft.explain.pictures import importance_picture, stock_picture
from atft.explain.stock_explanation import DayPart, NeighbourPart
from tests.explain.test_stock_explanation import small_explanation

DAYS = [DayPart(date(2017, 6, 29), -0.2, None), DayPart(date(2017, 6, 30), 0.9, None)]


def texts(svg: str) -> str:
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg" and "prefers-color-scheme:dark" in svg
    return " ".join("".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text"))


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that are drawn."""
    drawn: list[Any] = []
    inline_svg = charts.inline_svg

    def keep(figure: Any, *rest: Any) -> str:
        drawn.append(figure)
        return inline_svg(figure, *rest)

    monkeypatch.setattr(charts, "inline_svg", keep)
    return drawn


def check_layout(figure: Any) -> None:
    """Each panel has its labels inside the picture, room for its bars, and no other panel on it."""
    figure.dpi = 72
    width, height = (72 * inches for inches in figure.get_size_inches())
    assert round(width) == 860 and figure.get_facecolor()[3] == 0
    (title,) = (text.get_window_extent() for text in figure.texts)
    assert title.x0 >= 0 and height - 50 < title.y0 and title.y1 < height
    for axes in figure.axes:
        drawn, panel = axes.get_tightbbox(), axes.get_window_extent()
        assert drawn.x0 >= 0 and drawn.y0 >= 0 and drawn.x1 <= width and panel.y1 <= height - 50
        assert panel.width >= 120 and panel.height >= 20 * len(axes.get_yticklabels())
    for one, other in combinations([axes.get_window_extent() for axes in figure.axes], 2):
        assert one.x1 + 20 < other.x0 or other.y1 + 40 < one.y0


def test_panels_of_any_number_lie_beside_and_below_each_other(figures: list[Any]) -> None:
    name = "momentum_20d_relative_to_the_sector_and_market"
    for horizons, count, top in ((1, 1, 9), (2, 3, 9), (3, 15, 12)):
        rows = [FeatureImportance(f"{i}{name}", 0.05, 0.9) for i in range(count)]
        period = Importance(
            "2016-01-04", "2016-12-30", 2, 9, 0.0, "", dict.fromkeys(range(1, horizons + 1), rows)
        )
        importance_picture(period, top)
        assert len(figures[-1].axes) == horizons
    part = small_explanation().features[0]
    neighbours = [NeighbourPart("7203.T", 0.1, -0.01, 0.4, True)] * 20
    for days, near, count in (([], [], 3), (DAYS, [], 3), (DAYS, neighbours, 1), (DAYS, neighbours, 30)):
        features = [replace(part, name=name)] * count
        stock_picture(small_explanation(features=features, days=days, neighbours=near), 20)
        assert len(figures[-1].axes) == 1 + bool(days) + bool(near)
    for figure in figures:
        check_layout(figure)


def test_a_bar_is_as_long_as_its_number_green_where_it_raises_the_score(figures: list[Any]) -> None:
    def bars(axes: Any, length: str) -> list[tuple[float, str]]:
        return [
            (round(getattr(bar, f"get_{length}")(), 6), to_hex(bar.get_facecolor())) for bar in axes.patches
        ]

    near = [NeighbourPart("B", 0.7, -0.01, 0.4, True), NeighbourPart("C", 0.2, 0.03, 0.4, True)]
    stock = small_explanation(days=DAYS, neighbours=near)
    stock_picture(stock, 2)
    features, days, weights = figures[-1].axes
    up, down = palette.GAIN.light.lower(), palette.LOSS.light.lower()
    signed = [(part.attribution, up if part.attribution >= 0 else down) for part in stock.features]
    assert bars(features, "width") == signed and len({colour for _, colour in signed}) == 2
    assert bars(days, "height") == [(-0.2, down), (0.9, up)]
    assert [label.get_text() for label in days.get_xticklabels()] == ["06-29", "06-30"]
    assert bars(weights, "width") == [(length, palette.SCORE.light.lower()) for length in (0.7, 0.2)]
    stock_picture(small_explanation(neighbours=[replace(part, weight=None) for part in near]), 2)
    assert bars(figures[-1].axes[1], "width") == [(-0.01, down), (0.03, up)]
    assert [axes.get_xlabel().split(" ")[0] for axes in figures[0].axes] == ["attribution"] * 2 + [
        "attention"
    ]


@pytest.mark.parametrize("weight", [0.7, None])
def test_a_stocks_picture_has_its_features_days_and_neighbours(weight: float | None) -> None:
    neighbours = [NeighbourPart("Z&Z", weight, -0.01, 0.4, True)]
    shown = texts(stock_picture(small_explanation(days=DAYS, neighbours=neighbours), 1))
    for words in ("A<b> on 2017-06-30, 5 days ahead: rank 2 of 30", "x_one (93)", "1 others", "06-30", "Z&Z"):
        assert words in shown
    assert ("attention to neighbours" in shown) is (weight is not None)


def test_a_picture_leaves_out_what_the_explanation_lacks() -> None:
    shown = texts(stock_picture(small_explanation(), 5))
    assert "x_two" in shown and "others" not in shown and "window" not in shown and "neighbours" not in shown


def test_a_periods_picture_has_a_chart_a_horizon() -> None:
    rows = [FeatureImportance("a" * 60, 0.6, 0.9), FeatureImportance("b", 0.4, -0.9)]
    shown = texts(
        importance_picture(Importance("2016-01-04", "2016-12-30", 2, 9, 0.0, "", {1: rows, 5: rows}), 9)
    )
    assert "2 days 2016-01-04 to 2016-12-30" in shown and "a" * 25 in shown and "…" in shown
    assert "1 day ahead" in shown and "5 days ahead" in shown
