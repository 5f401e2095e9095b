"""Pictures are files of their own, in the palette's colours, with every name escaped."""

from datetime import date
from xml.etree import ElementTree

import pytest

from atft.evaluation.importance_file import FeatureImportance, Importance
from atft.explain.pictures import importance_picture, stock_picture
from atft.explain.stock_explanation import DayPart, NeighbourPart
from tests.explain.test_stock_explanation import small_explanation

DAYS = [DayPart(date(2017, 6, 29), -0.2, None), DayPart(date(2017, 6, 30), 0.9, None)]


def texts(svg: str) -> str:
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg" and "prefers-color-scheme:dark" in svg
    return " ".join("".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text"))


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
