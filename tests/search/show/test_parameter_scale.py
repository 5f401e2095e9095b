"""A parameter's axis: numbers, logarithms with round ticks, choices in their order."""

import math
from typing import Any

import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, create_trial

from atft.drawing.charts import new_chart
from atft.search.show.parameter_scale import MAX_TICKS, ParameterScale, short_value


def trials(kind: BaseDistribution, *values: Any) -> list[FrozenTrial]:
    return [create_trial(value=0.0, params={"p": v}, distributions={"p": kind}) for v in values]


def test_a_choice_is_at_its_place_and_a_trial_without_the_parameter_nowhere() -> None:
    ran = trials(CategoricalDistribution(["a.Two", "a.One"]), "a.One", "a.Two")
    scale = ParameterScale.of("p", ran)
    assert [scale.at(t) for t in ran] == [1, 0] and [scale.share(t) for t in ran] == [1, 0]
    assert scale.text(1) == "One"
    assert math.isnan(scale.at(create_trial(value=0.0)))


def test_one_value_stands_in_the_middle() -> None:
    ran = trials(FloatDistribution(0, 1), 0.3)
    assert ParameterScale.of("p", ran).share(ran[0]) == 0.5


@pytest.mark.parametrize(("low", "high"), [(1e-4, 3e-2), (1e-6, 1.0), (2e-3, 4e-3)])
def test_a_logarithmic_axis_has_a_few_round_ticks(low: float, high: float) -> None:
    ran = trials(FloatDistribution(1e-7, 10, log=True), low, high)
    scale = ParameterScale.of("p", ran)
    _, axes = new_chart()
    axes.plot([scale.at(t) for t in ran], [0, 1])
    scale.label(axes.xaxis)
    labels = [float(t.get_text()) for t in axes.get_xticklabels()]
    assert 1 <= len(labels) <= MAX_TICKS
    assert all(f"{v:.0e}"[0] in "1235" for v in labels)
    assert scale.text(scale.low) == f"{low:.2g}"


def test_a_logarithmic_axis_between_two_round_values_has_its_ends() -> None:
    ran = trials(FloatDistribution(1e-7, 10, log=True), 2.7e-3, 3.7e-3)
    _, axes = new_chart()
    ParameterScale.of("p", ran).label(axes.xaxis)
    assert [t.get_text() for t in axes.get_xticklabels()] == ["0.0027", "0.0037"]


def test_whole_numbers_stand_whole_on_an_axis() -> None:
    for kind, values, shown in (
        (IntDistribution(1, 3), (1, 3), ["1", "2", "3"]),
        (IntDistribution(16, 4096, log=True), (16, 2500), ["30", "100", "300", "1000", "3000"]),
        (FloatDistribution(0, 1000), (0.0, 1000.0), None),
    ):
        ran = trials(kind, *values)
        scale = ParameterScale.of("p", ran)
        assert scale.text(scale.high) == f"{values[1]:.0f}"
        _, axes = new_chart()
        axes.plot([scale.at(t) for t in ran], [0, 1])
        scale.label(axes.xaxis)
        axes.figure.canvas.draw()
        low, high = axes.get_xlim()
        inside = [t.get_text() for t in axes.get_xticklabels() if low <= t.get_position()[0] <= high]
        assert shown is None or inside == shown


def test_values_are_cut_to_what_tells_them_apart() -> None:
    assert (short_value(0.123456), short_value("torch.optim.AdamW"), short_value(32)) == (
        "0.1235",
        "AdamW",
        "32",
    )
    assert short_value("ic0.5") == "ic0.5" != short_value("ic1.5"), "the name of a block is no class"
