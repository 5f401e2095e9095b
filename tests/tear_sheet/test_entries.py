"""Files keep their colour, figures their unit, and means look back."""

import dataclasses
import math

import numpy as np
import pytest

from atft.drawing.palette import FILES
from atft.evaluation.intervals import Interval
from atft.evaluation.result import Evaluation
from atft.tear_sheet.entries import (
    UNKNOWN,
    all_horizons,
    entries_of,
    figure_text,
    interval_text,
    legend_of,
    plotted_days,
    trailing_mean,
)


def test_a_file_has_one_colour_at_all_horizons(evaluation: Evaluation) -> None:
    assert all_horizons(evaluation) == [1, 5]
    for horizon in (1, 5):
        entries = entries_of(evaluation, horizon)
        assert [e.role for e in entries] == list(FILES[:2])
        assert [key.text for key in legend_of(entries)] == [f.name for f in evaluation.files]
    one, two = evaluation.files
    without = dataclasses.replace(
        evaluation, files=[dataclasses.replace(one, horizons={5: one.horizons[5]}), two]
    )
    assert [e.role for e in entries_of(without, 1)] == [FILES[1]]
    assert legend_of(entries_of(without, 1)) == ()


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("rank_ic", 0.01234, "+0.0123"),
        ("spread", -0.00123, "-12.3"),
        ("hit_rate", 0.5123, "51.23"),
        ("capacity", 12_345_678.0, "12.35 M"),
        ("rank_ic", math.nan, UNKNOWN),
    ],
)
def test_a_figure_is_shown_in_its_unit(name: str, value: float, text: str) -> None:
    assert figure_text(name, value) == text


def test_an_interval_that_is_not_known_is_left_out() -> None:
    assert interval_text("rank_ic", Interval(0.1, 0.05, 0.15, 0.02, 5)) == "+0.0500 to +0.1500"
    assert interval_text("rank_ic", Interval(0.1, math.nan, math.nan, math.nan, math.nan)) == ""


def test_the_trailing_mean_is_that_of_a_slow_loop() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal(50)
    values[[3, 10, 11]] = np.nan
    for i, mean in enumerate(trailing_mean(values, 8)):
        window = values[max(0, i - 7) : i + 1]
        known = window[np.isfinite(window)]
        if len(known) >= 4:
            assert mean == pytest.approx(known.mean())
        else:
            assert math.isnan(mean)


def test_days_are_counted_from_1970() -> None:
    assert plotted_days(np.array(["1970-01-02", "1970-02-01"], dtype="datetime64[D]")).tolist() == [1, 31]
