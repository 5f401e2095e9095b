"""One dimension: what it holds, what is drawn from it, what is refused."""

import random
from typing import Any

import pytest

from atft.errors import InputError
from atft.search.question.dimension import (
    Categorical,
    Float,
    Integer,
    describe,
    plain_dimension,
    read_dimension,
)

BLOCKS = {"adamw": {"class_path": "torch.optim.AdamW"}, "sgd": {"class_path": "torch.optim.SGD"}}
WRITTEN: list[dict[str, Any]] = [
    {"type": "float", "low": 1e-5, "high": 1e-3, "log": True},
    {"type": "float", "low": 0.1, "high": 0.4, "step": 0.1},
    {"type": "float", "low": -1, "high": 1},
    {"type": "int", "low": 2, "high": 4},
    {"type": "int", "low": 8, "high": 512, "log": True},
    {"type": "int", "low": 64, "high": 256, "step": 64},
    {"type": "categorical", "choices": [2048, "big", None, True, 0.5]},
    {"type": "categorical", "choices": BLOCKS},
]


@pytest.mark.parametrize("given", WRITTEN, ids=str)
def test_what_is_drawn_lies_inside_as_optuna_sees_it_too(given: dict[str, Any]) -> None:
    held = read_dimension("space: k", given)
    rng, distribution = random.Random(1), held.distribution()
    for value in [*held.ends, *(held.draw(rng) for _ in range(200))]:
        assert held.holds(value)
        assert distribution._contains(distribution.to_internal_repr(value))


@pytest.mark.parametrize("given", WRITTEN, ids=str)
def test_a_dimension_written_out_reads_as_itself(given: dict[str, Any]) -> None:
    held = read_dimension("space: k", given)
    assert read_dimension("space: k", plain_dimension(held)) == held


def test_a_logarithmic_range_is_drawn_evenly_in_its_logarithm() -> None:
    rng = random.Random(0)
    held = Float(1e-5, 1e-1, log=True)
    below = sum(held.draw(rng) < 1e-3 for _ in range(4000)) / 4000
    assert below == pytest.approx(0.5, abs=0.03)
    whole = Integer(1, 100, log=True)
    assert sum(whole.draw(rng) <= 10 for _ in range(4000)) / 4000 == pytest.approx(0.5, abs=0.06)


def test_steps_are_counted_and_endless_ranges_are_not() -> None:
    assert Float(0.1, 0.4, step=0.1).values == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert Integer(2, 8, step=3).values == [2, 5, 8]
    assert Float(0.1, 0.4).values is None


def test_a_value_outside_or_of_another_kind_is_not_held() -> None:
    step = Float(0.1, 0.4, step=0.1)
    assert step.holds(0.1 + 0.2) and not step.holds(0.25) and not step.holds(0.5) and not step.holds("0.2")
    assert (
        not Integer(1, 3).holds(2.0) and not Integer(0, 3).holds(True) and not Integer(1, 9, step=2).holds(4)
    )
    assert Categorical([1, 2]).holds(2) and not Categorical([1, 2]).holds(True)
    assert not Float(0, 1).holds(float("nan"))


def test_a_name_stands_for_its_block_and_a_plain_choice_for_itself() -> None:
    blocks = Categorical(BLOCKS)
    assert blocks.setting("sgd") == {"class_path": "torch.optim.SGD"} and blocks.values == ["adamw", "sgd"]
    assert Categorical([3, None]).setting(None) is None and Float(0, 1).setting(0.5) == 0.5


REFUSED: list[tuple[Any, str]] = [
    (0.1, "a dimension is written"),
    ({"low": 1, "high": 2}, "type must be float, int or categorical, got None"),
    ({"type": "flaot", "low": 1, "high": 2}, "got 'flaot'"),
    ({"type": "float", "low": 1}, "float needs low and high"),
    ({"type": "float", "low": 1, "hihg": 2}, "float has no 'hihg'; did you mean 'high'"),
    ({"type": "float", "low": 2, "high": 1}, "low must be below high, got 2 and 1"),
    ({"type": "float", "low": 1, "high": 1}, "low must be below high"),
    ({"type": "float", "low": 0, "high": 1, "log": True}, "log needs low above 0, got 0"),
    ({"type": "float", "low": 1, "high": 2, "log": "yes"}, "log must be true or false, got 'yes'"),
    ({"type": "float", "low": 1, "high": 2, "log": True, "step": 0.5}, "log and step exclude one another"),
    ({"type": "float", "low": 0, "high": 1, "step": 0.3}, "no whole number of steps of 0.3; move high"),
    ({"type": "float", "low": 0, "high": 1, "step": 2}, "no whole number of steps"),
    ({"type": "float", "low": 0, "high": 1, "step": -1}, "step must be above 0, got -1"),
    ({"type": "float", "low": "a", "high": 1}, "low must be a number, got 'a'"),
    ({"type": "float", "low": 0, "high": float("inf")}, "high must be a number, got inf"),
    ({"type": "float", "low": False, "high": 1}, "low must be a number, got False"),
    ({"type": "int", "low": 0.5, "high": 3}, "low must be a whole number, got 0.5"),
    ({"type": "int", "low": 1, "high": 4, "step": 2}, "no whole number of steps of 2"),
    ({"type": "int", "low": 1, "high": 4, "choices": [1]}, "int has no 'choices'"),
    ({"type": "categorical"}, "categorical needs choices"),
    ({"type": "categorical", "choices": []}, "choices must be at least 2"),
    ({"type": "categorical", "choices": [1]}, "else move it to fixed"),
    ({"type": "categorical", "choices": [1, 2, 1]}, "the choice 1 is given twice"),
    ({"type": "categorical", "choices": [[1], [2]]}, "give blocks of configuration a name"),
    (
        {"type": "categorical", "choices": "ab"},
        "choices must be a list, or names with their blocks, got 'ab'",
    ),
    ({"type": ["float"], "low": 1, "high": 2}, "type must be float, int or categorical, got ['float']"),
    ({"type": "float", "low": 0.0, "high": 1e308, "step": 1e-3}, "is no whole number of steps of 0.001"),
    ("x" * 3000, "a dimension is written"),
]


@pytest.mark.parametrize(("given", "message"), REFUSED, ids=lambda value: str(value)[:40])
def test_a_mistake_is_refused_in_one_line_that_opens_with_the_key(given: Any, message: str) -> None:
    with pytest.raises(InputError) as refused:
        read_dimension("space: model.lr", given)
    text = str(refused.value)
    assert text.startswith("space: model.lr: ") and message in text and "\n" not in text and len(text) < 300


def test_a_dimension_says_what_it_holds() -> None:
    assert describe(Float(1e-5, 1e-3, log=True)) == "[1e-05, 0.001]"
    assert describe(Integer(2, 8, step=3)) == "[2, 8] in steps of 3"
    assert describe(Categorical([1, "a"])) == "[1, 'a']"


def test_a_multiple_of_a_step_is_handed_on_as_it_is_written() -> None:
    tenths = Float(0.1, 0.6, step=0.1)
    assert [tenths.setting(0.1 + 0.1 * n) for n in range(6)] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
