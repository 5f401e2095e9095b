"""An explanation as data."""

from datetime import date

from atft.explain.stock_explanation import FeaturePart, StockExplanation


def small_explanation(**changes: object) -> StockExplanation:
    """An explanation of two features."""
    values: dict[str, object] = {
        "code": "A<b>", "date": date(2017, 6, 30), "horizon": 5, "rank": 2.0, "stocks": 30, "score": 0.5,
        "median_score": -0.25, "gap": 0.05, "is_complete": False, "steps": 64, "days": [], "neighbours": [],
        "features": [FeaturePart("x_one", 1.5, 0.0, 93.0, 1.0), FeaturePart("x_two", None, 0.1, None, -0.3)],
        "left_out": ["no days of the window: the score depends on the stock's last row only"],
    }  # fmt: skip
    return StockExplanation(**{**values, **changes})  # type: ignore[arg-type]


def test_the_difference_is_the_score_minus_the_median_stocks() -> None:
    assert small_explanation().difference == 0.75
