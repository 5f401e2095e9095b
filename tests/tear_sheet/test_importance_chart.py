"""The section of features stands on the page where a run has been explained, and only there."""

import dataclasses

from atft.evaluation.importance_file import FeatureImportance
from atft.evaluation.result import Evaluation
from atft.tear_sheet.importance_chart import TOP, importance_chart
from atft.tear_sheet.sheet import tear_sheet
from tests.evaluation.test_importance_file import small_importance

HOSTILE = "<script>alert(1)</script>"


def test_the_page_shows_the_features_of_a_run_that_was_explained(evaluation: Evaluation) -> None:
    first, other = (
        dataclasses.replace(file, horizons={1: file.horizons[1]}, receipt={}) for file in evaluation.files
    )
    first = dataclasses.replace(first, importance=small_importance())
    text = tear_sheet(dataclasses.replace(evaluation, files=[first, other], differences=[]))
    assert "<h2>Feature importance</h2>" in text and "x_a" in text
    assert "9,000 stock-days of 20 days, 2016-01-04 to 2016-12-30; unattributed 0.1 %" in text
    assert 'aria-label="1 day: &lt;b&gt;&amp;one: share of each feature"' in text


def test_a_chart_clips_long_names_escapes_them_and_counts_the_others() -> None:
    rows = [FeatureImportance(f"{HOSTILE}{i}", 1 / 30, (-1) ** i) for i in range(30)]
    drawing = importance_chart("name", "1 day", rows)
    assert "<script" not in drawing.svg and "&lt;script&gt;" in drawing.svg
    assert drawing.note == f"{30 - TOP} others: 33.3 %."
