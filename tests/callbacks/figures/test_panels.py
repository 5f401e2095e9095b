"""Panels stand two in a row, no figure is wider than a card can show, and none is left over."""

from datetime import date

import pytest

from atft.callbacks.figures.panels import COLUMNS, panel_grid, set_title, use_dates


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_every_panel_has_its_place_two_in_a_row(count: int) -> None:
    figure, axes = panel_grid(count)
    assert len(axes) == len(figure.axes) == count
    assert figure.get_size_inches()[0] <= 5.6
    assert len({a.get_subplotspec().colspan.start for a in axes}) == min(count, COLUMNS)


def test_a_year_of_dates_gets_few_labels() -> None:
    figure, (axis,) = panel_grid(1)
    axis.plot([date(2015, 1, 5), date(2015, 12, 28)], [0, 1])
    use_dates(axis)
    set_title(axis, "5 d: mean RankIC +0.042")
    figure.draw_without_rendering()
    assert 2 <= len(axis.get_xticks()) <= 6
    assert axis.get_title() == "5 d: mean RankIC +0.042"
