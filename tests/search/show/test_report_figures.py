"""Which charts a sweep's report has, and what is in them."""

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import matplotlib
import matplotlib.pyplot as plt
import optuna
import pytest

from atft.drawing.page import Drawing
from atft.search.show.report_figures import importances, short_names, sweep_drawings

MakeStudy = Callable[..., optuna.Study]


def titles(drawings: list[Drawing]) -> list[str]:
    return [d.title for d in drawings]


@pytest.mark.parametrize(
    ("trials", "expected"),
    [
        ({}, []),
        ({"running": 1}, ["Timeline"]),
        ({"values": [0.1]}, ["Optimisation history", "Learning curves and pruning", "Timeline"]),
        ({"pruned": 2}, ["Learning curves and pruning", "Timeline"]),
    ],
)
def test_a_chart_is_drawn_where_there_is_something_to_see(
    make_study: MakeStudy, trials: dict[str, Any], expected: list[str]
) -> None:
    assert titles(sweep_drawings(make_study(**trials), "val/rank_ic")) == expected


def test_the_plane_and_the_first_slice_are_of_the_most_important_parameters(make_study: MakeStudy) -> None:
    # Better with every trial, as the learning rate is.
    study = make_study(values=[0.01 * n for n in range(12)])
    ranked = [key.rpartition(".")[2] for key in importances(study)]
    names = titles(sweep_drawings(study, "val/rank_ic"))
    assert f"The two most important: {ranked[0]}, {ranked[1]}" in names
    assert [n for n in names if n.startswith("Slice")] == [f"Slice: {key}" for key in ranked]
    assert ranked[0] == "lr"
    (plane,) = (d for d in sweep_drawings(study, "val/rank_ic") if d.title.startswith("The two"))
    assert "pruned" not in {key.text for key in plane.legend}


def test_the_best_trial_has_a_colour_of_its_own_in_each_chart_of_trials(make_study: MakeStudy) -> None:
    drawings = sweep_drawings(make_study(values=[0.1, 0.3, 0.2], pruned=1, failed=1), "val/rank_ic")
    assert len(drawings) == 10
    for drawing in drawings:
        assert ("var(--best)" in drawing.svg) == (drawing.title != "Parameter importance"), drawing.title
    (curves,) = (d for d in drawings if d.title.startswith("Learning"))
    assert {key.text for key in curves.legend} == {"complete", "pruned", "failed", "best"}
    (minimised,) = (
        d
        for d in sweep_drawings(make_study(values=[0.1, 0.3], direction="minimize"), "loss")
        if d.title == "Timeline"
    )
    assert minimised.legend[0].text == "best"


def test_trials_of_one_value_have_no_importances(make_study: MakeStudy) -> None:
    assert importances(make_study(values=[0.1] * 5)) == {}


def test_axes_carry_the_last_part_of_a_key_unless_two_share_it() -> None:
    assert short_names(["a.lr", "b.size", "c.size"]) == {"a.lr": "lr", "b.size": "b.size", "c.size": "c.size"}


def test_learning_curves_count_folds_or_epochs_from_one(make_study: MakeStudy) -> None:
    drawings = sweep_drawings(make_study(values=[0.1, 0.2]), "val/rank_ic", "fold")
    (curves,) = (d for d in drawings if d.title.startswith("Learning"))
    words = [t.text for t in ElementTree.fromstring(curves.svg).iter("text")]
    assert words[:3] == ["1", "2", "fold"]
    assert {"fold", "val/rank_ic"} <= set(words)


def test_the_number_of_a_single_trial_is_whole(make_study: MakeStudy) -> None:
    history = sweep_drawings(make_study(values=[0.1]), "val/rank_ic")[0]
    words = [t.text for t in ElementTree.fromstring(history.svg).iter("text")]
    assert words[:2] == ["0", "trial"]


def test_charts_leave_no_figure_and_no_style_behind(make_study: MakeStudy) -> None:
    before = dict(matplotlib.rcParams)
    drawings = sweep_drawings(make_study(values=[0.1, 0.2, 0.3]), "val/rank_ic")
    assert all(ElementTree.fromstring(d.svg).tag == "svg" for d in drawings)
    assert dict(matplotlib.rcParams) == before and plt.get_fignums() == []
