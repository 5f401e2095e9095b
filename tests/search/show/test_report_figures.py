"""Which figures a report draws."""

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import matplotlib
import matplotlib.pyplot as plt
import optuna
import pytest

from atft.search.show.report_figures import figures, importances, learning_curves, short_names

MakeStudy = Callable[..., optuna.Study]


@pytest.mark.parametrize(
    ("trials", "titles"),
    [
        ({}, []),
        ({"running": 1}, ["Timeline"]),
        ({"values": [0.1]}, ["Optimisation history", "Learning curves and pruning", "Timeline"]),
        ({"pruned": 2}, ["Learning curves and pruning", "Timeline"]),
    ],
)
def test_a_figure_is_drawn_where_there_is_something_to_see(
    make_study: MakeStudy, trials: dict[str, Any], titles: list[str]
) -> None:
    assert [f.title for f in figures(make_study(**trials), "val/rank_ic")] == titles


def test_the_contour_is_of_the_two_most_important_parameters(make_study: MakeStudy) -> None:
    study = make_study(
        values=[0.01 * n for n in range(12)]
    )  # better with every trial, as the learning rate is
    ranked = [key.rpartition(".")[2] for key in importances(study)]
    (contour,) = [f for f in figures(study, "val/rank_ic") if f.title.startswith("Contour")]
    assert contour.title.endswith(f"{ranked[0]}, {ranked[1]}")
    assert ranked[0] == "lr"


def test_trials_of_one_value_have_no_importances(make_study: MakeStudy) -> None:
    assert importances(make_study(values=[0.1] * 5)) == {}


def test_axes_carry_the_last_part_of_a_key_unless_two_share_it() -> None:
    assert short_names(["a.lr", "b.size", "c.size"]) == {"a.lr": "lr", "b.size": "b.size", "c.size": "c.size"}


def test_learning_curves_count_epochs_from_one_and_name_their_axes(make_study: MakeStudy) -> None:
    with matplotlib.rc_context(), pytest.warns(optuna.exceptions.ExperimentalWarning):
        axes = learning_curves(make_study(values=[0.1, 0.2]), "val/rank_ic", "epoch")
    assert [list(line.get_xdata()) for line in axes.lines] == [[1, 2], [1, 2]]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "val/rank_ic")
    plt.close(axes.figure)


def test_a_figure_is_a_picture_and_leaves_no_style_behind(make_study: MakeStudy) -> None:
    before = dict(matplotlib.rcParams)
    drawn = figures(make_study(values=[0.1, 0.2, 0.3]), "val/rank_ic")
    assert all(ElementTree.fromstring(f.svg).tag.endswith("svg") for f in drawn)
    assert dict(matplotlib.rcParams) == before and plt.get_fignums() == []
