"""The text says what sums to what, what is missing, and what the rest of the features is."""

from datetime import date

from atft.evaluation.importance_file import FeatureImportance, Importance
from atft.explain.explanation_text import importance_text, stock_text
from atft.explain.stock_explanation import DayPart, NeighbourPart
from tests.explain.test_stock_explanation import small_explanation


def test_a_stocks_text_has_its_rank_its_sum_and_what_is_left_out() -> None:
    text = stock_text(small_explanation(), 1)
    lines = [line.split() for line in text.splitlines()]
    assert text.startswith("A<b> on 2017-06-30, 5 days ahead: rank 2 of 30 (1 is the highest score)")
    assert "attributions sum to +0.7000, unattributed 6.7 %, 64 steps: the score jumps" in text
    assert ["x_one", "+1.5", "93", "+0", "+1.0000"] in lines
    assert ["1", "others", "-0.3000"] in lines and ["difference", "+0.7500"] in lines
    assert text.endswith("no days of the window: the score depends on the stock's last row only")
    both = stock_text(small_explanation(is_complete=True), 5)
    assert "jumps" not in both
    assert ["x_two", "–", "–", "+0.1", "-0.3000"] in [line.split() for line in both.splitlines()]
    assert ["unattributed", "+0.0500"] in lines and "others" not in both
    assert "day of the window" not in both and "neighbour " not in both


def test_the_days_and_neighbours_of_a_stock_are_tables_with_the_largest_rows_first() -> None:
    days = [
        DayPart(date(2017, 6, 28), 0.2, 0.5),
        DayPart(date(2017, 6, 29), -0.9, 0.25),
        DayPart(date(2017, 6, 30), 0.3, None),
    ]
    neighbours = [
        NeighbourPart("BBB", 0.7, -0.01, 0.4, True),
        NeighbourPart("CCC", None, 0.02, float("nan"), False),
        NeighbourPart("DDD", 0.1, 0.02, 0.1, False),
    ]
    text = stock_text(small_explanation(days=days, neighbours=neighbours, gap=-0.05), 2)
    rows = [line.split() for line in text.splitlines()]
    first = rows.index(["2017-06-29", "-0.9000", "0.250"])
    assert rows[first + 1] == ["2017-06-30", "+0.3000", "–"] and "2017-06-28" not in text
    first = rows.index(["BBB", "0.700", "-0.0100", "+0.40", "same"])
    assert (
        rows[first + 1][:3] == ["CCC", "–", "+0.0200"] and "same" not in rows[first + 1] and "DDD" not in text
    )
    assert "unattributed 6.7 %" in text and "unattributed 0 %" in stock_text(
        small_explanation(score=-0.25, gap=0.0), 2
    )


def test_a_periods_text_has_a_column_of_shares_and_directions_a_horizon() -> None:
    one = [
        FeatureImportance("a", 0.6, 0.9),
        FeatureImportance("b", 0.3, -0.5),
        FeatureImportance("c", 0.1, 0.0),
    ]
    importance = Importance("2016-01-04", "2016-12-30", 20, 9000, 0.001, "", {1: one, 5: one[::-1]})
    text = importance_text(importance, 2)
    lines = [line.split() for line in text.splitlines()]
    assert "20 days, 2016-01-04 to 2016-12-30, 9,000 stock-days" in text and "unattributed 0.1 %" in text
    assert ["a", "60.00", "%", "+0.90", "60.00", "%", "+0.90"] in lines
    assert ["1", "others", "10.00", "%", "10.00", "%"] in lines
    assert "others" not in importance_text(importance, 3)
