"""Panels stand two in a row, no figure is wider than a card can show, and none is left over."""

from datetime import date

import pytest

from atft.callbacks.figures.panels import (
    COLUMNS,
    PIXELS_PER_INCH,
    message_figure,
    panel_grid,
    set_caption,
    set_title,
)
from atft.drawing.charts import use_dates


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_every_panel_has_its_place_two_in_a_row(count: int) -> None:
    figure, axes = panel_grid(count)
    assert len(axes) == len(figure.axes) == count
    assert figure.get_size_inches()[0] <= 5.6 and figure.dpi == PIXELS_PER_INCH
    assert len({a.get_subplotspec().colspan.start for a in axes}) == min(count, COLUMNS)


def test_a_year_of_dates_gets_few_labels() -> None:
    figure, (axis,) = panel_grid(1)
    axis.plot([date(2015, 1, 5), date(2015, 12, 28)], [0, 1])
    use_dates(axis)
    set_title(axis, "5 d: mean RankIC +0.042")
    figure.draw_without_rendering()
    assert 2 <= len(axis.get_xticks()) <= 6
    assert axis.get_title() == "5 d: mean RankIC +0.042"


def test_a_caption_of_two_lines_and_a_title_fit_into_the_narrowest_figure() -> None:
    figure, (axis,) = panel_grid(1)
    run = "n" * 45 + ", epoch 100"
    set_caption(figure, f"{run}\n2015-01-05 to 2016-12-30, 504 days, 4000 stocks a day")
    set_title(axis, "half of the attention is on the last 20 of 60 days")
    figure.draw_without_rendering()
    for text in (figure._suptitle, axis.title):  # type: ignore[attr-defined]
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= figure.bbox.width


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_labels_and_numbers_fit_between_panels(count: int) -> None:
    figure, axes = panel_grid(count)
    for axis in axes:
        axis.plot([0, 1], [-0.025, 0.025])
        axis.set(xlabel="deviations from the day's mean", ylabel="top - bottom decile, summed, %")
        set_title(axis, "20 d: furthest off +0.123, at 0.95")
    figure.draw_without_rendering()
    boxes = [axis.get_tightbbox() for axis in axes]
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.width for box in boxes)
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])


def test_a_message_stands_alone() -> None:
    (axis,) = message_figure("graph: switched off in this validation").axes
    assert not axis.axison and [t.get_text() for t in axis.texts] == [
        "graph: switched off in this validation"
    ]
