"""The text says what sums to what, what is missing, and what the rest of the features is."""

from atft.evaluation.importance_file import FeatureImportance, Importance
from atft.explain.explanation_text import importance_text, stock_text
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
