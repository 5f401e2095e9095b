"""The space: what a dimension is, points at its corners and inside of it, and what Optuna is asked for."""

import math
import random
from typing import Any

import optuna
import pytest

from atft.errors import InputError
from atft.search.question.space import (
    check_point,
    check_space,
    class_choices,
    contains,
    corners,
    distribution,
    draw,
    ends,
    grid_point,
    in_order,
    in_words,
    random_points,
    setting,
    suggest,
    values,
)

optuna.logging.set_verbosity(optuna.logging.WARNING)

PRODUCTION = {
    "lr": {"type": "float", "low": 1e-5, "high": 1e-3, "log": True},
    "batch_size": {"type": "categorical", "choices": [2048, 4096, 8192]},
    "hidden_size": {"type": "categorical", "choices": [256, 384, 512]},
    "gat_dropout": {"type": "float", "low": 0.1, "high": 0.4},
    "gat_layers": {"type": "int", "low": 2, "high": 4},
}
STEPPED = {
    "a": {"type": "int", "low": 1, "high": 3},
    "b": {"type": "categorical", "choices": ["x", "y"]},
    "c": {"type": "float", "low": 0.0, "high": 0.5, "step": 0.25},
}


BLOCKS = {"adamw": {"class_path": "torch.optim.AdamW"}, "sgd": {"class_path": "torch.optim.SGD"}}
TENTHS = {"type": "float", "low": 0.1, "high": 0.4, "step": 0.1}
WRITTEN: list[dict[str, Any]] = [
    {"type": "float", "low": 1e-5, "high": 1e-3, "log": True},
    {"type": "float", "low": 0.1, "high": 0.4, "step": 0.1},
    {"type": "float", "low": -1, "high": 1},
    {"type": "int", "low": 2, "high": 4},
    {"type": "int", "low": 8, "high": 512, "log": True},
    {"type": "int", "low": 64, "high": 256, "step": 64},
    {"type": "int", "low": 0, "high": 10**15},
    {"type": "categorical", "choices": [2048, "big", None, True, 0.5]},
    {"type": "categorical", "choices": BLOCKS},
]


def checked(written: dict[str, Any]) -> dict[str, Any]:
    return check_space({"k": written})["k"]


@pytest.mark.parametrize("written", WRITTEN, ids=str)
def test_what_is_drawn_lies_inside_as_optuna_sees_it_too(written: dict[str, Any]) -> None:
    dimension = checked(written)
    rng, drawn_from = random.Random(1), distribution(dimension)
    for value in [*ends(dimension), *(draw(dimension, rng) for _ in range(200))]:
        assert contains(dimension, value)
        assert drawn_from._contains(drawn_from.to_internal_repr(value))


@pytest.mark.parametrize("written", WRITTEN, ids=str)
def test_a_checked_dimension_reads_as_itself(written: dict[str, Any]) -> None:
    assert checked(checked(written)) == checked(written)


def test_a_dimension_is_kept_as_it_is_written_with_every_default() -> None:
    assert checked({"type": "float", "low": -1, "high": 1}) == {
        "type": "float", "low": -1, "high": 1, "log": False, "step": None
    }  # fmt: skip
    assert checked({"type": "int", "low": 1, "high": 3, "step": None})["step"] == 1


def test_a_logarithmic_range_is_drawn_evenly_in_its_logarithm() -> None:
    rng = random.Random(0)
    rate = {"type": "float", "low": 1e-5, "high": 1e-1, "log": True}
    below = sum(draw(rate, rng) < 1e-3 for _ in range(4000)) / 4000
    assert below == pytest.approx(0.5, abs=0.03)
    whole = {"type": "int", "low": 1, "high": 100, "log": True}
    assert sum(draw(whole, rng) <= 10 for _ in range(4000)) / 4000 == pytest.approx(0.5, abs=0.06)


def test_steps_are_counted_and_endless_ranges_are_not() -> None:
    assert values(TENTHS) == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert list(values(checked({"type": "int", "low": 2, "high": 8, "step": 3})) or []) == [2, 5, 8]
    assert values(checked({"type": "float", "low": 0.1, "high": 0.4})) is None


@pytest.mark.parametrize(
    ("written", "inside", "outside"),
    [
        ({"type": "float", "low": 0.1, "high": 0.4, "step": 0.1}, 0.1 + 0.2, [0.25, 0.5, "0.2"]),
        ({"type": "float", "low": 0, "high": 1}, 0.5, [float("nan"), True, None]),
        ({"type": "int", "low": 0, "high": 3}, 2, [2.0, True, 4]),
        ({"type": "int", "low": 1, "high": 10, "step": 3}, 4, [3, 5]),
        ({"type": "categorical", "choices": [1, 2]}, 2, [True, 3]),
    ],
    ids=str,
)
def test_a_value_outside_or_of_another_kind_is_not_contained(
    written: dict[str, Any], inside: Any, outside: list[Any]
) -> None:
    dimension = checked(written)
    assert contains(dimension, inside) and not any(contains(dimension, value) for value in outside)


def test_a_name_stands_for_its_block_and_a_plain_choice_for_itself() -> None:
    blocks = checked({"type": "categorical", "choices": BLOCKS})
    assert setting(blocks, "sgd") == {"class_path": "torch.optim.SGD"} and values(blocks) == ["adamw", "sgd"]
    assert setting(checked({"type": "categorical", "choices": [3, None]}), None) is None
    assert setting(checked({"type": "float", "low": 0, "high": 1}), 0.1 + 0.2) == 0.1 + 0.2
    assert setting(checked(TENTHS), 0.1 + 0.2) == 0.3


INVALID: list[tuple[Any, str]] = [
    (0.1, "a dimension is written"),
    ({"low": 1, "high": 2}, "type must be float, int or categorical, got None"),
    ({"type": "flaot", "low": 1, "high": 2}, "got 'flaot'"),
    ({"type": "float", "low": 1}, "float needs low and high"),
    ({"type": "float", "low": 1, "hihg": 2}, "float has no 'hihg'; did you mean 'high'"),
    ({"type": "float", "low": 2, "high": 1}, "low must be below high, got 2 and 1"),
    ({"type": "float", "low": 1, "high": 1}, "low must be below high"),
    (
        {"type": "float", "low": 0, "high": 1, "log": True},
        "`low > 0` must hold for `log=True`",
    ),
    ({"type": "float", "low": 1, "high": 2, "log": "yes"}, "log must be true or false, got 'yes'"),
    (
        {"type": "float", "low": 1, "high": 2, "log": True, "step": 0.5},
        "is not supported when `log` is true",
    ),
    ({"type": "float", "low": 0, "high": 1, "step": 0.3}, "no whole number of steps of 0.3; move high"),
    ({"type": "float", "low": 0, "high": 1, "step": 2}, "no whole number of steps"),
    ({"type": "float", "low": 0, "high": 1, "step": 1e9}, "no whole number of steps of 1e+09"),
    ({"type": "float", "low": None, "high": 1}, "float needs low and high"),
    ({"type": "float", "low": 0, "high": 1, "step": -1}, "`step > 0` must hold, but got step=-1"),
    ({"type": "float", "low": 0, "high": 1, "step": 0}, "`step > 0` must hold, but got step=0"),
    ({"type": "float", "low": 0, "high": 1, "step": "a"}, "step must be a number, got 'a'"),
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
        {"type": "categorical", "choices": {False: {"a": 1}, "cosine": {"a": 2}}},
        "the name of a block is a word, got False; put it in quotes",
    ),
    ({"type": "categorical", "choices": {8: {"a": 1}, 16: {"a": 2}}}, "is a word, got 8; put it in quotes"),
    (
        {"type": "categorical", "choices": "ab"},
        "choices must be a list, or names with their blocks, got 'ab'",
    ),
    ({"type": ["float"], "low": 1, "high": 2}, "type must be float, int or categorical, got ['float']"),
    ({"type": "float", "low": 0.0, "high": 1e308, "step": 1e-3}, "is no whole number of steps of 0.001"),
    ("x" * 3000, "a dimension is written"),
]


@pytest.mark.parametrize(("written", "message"), INVALID, ids=lambda value: str(value)[:40])
def test_a_mistake_is_one_line_that_opens_with_the_key(written: Any, message: str) -> None:
    with pytest.raises(InputError) as error:
        check_space({"model.lr": written})
    text = str(error.value)
    assert text.startswith("space: model.lr: ") and message in text and "\n" not in text and len(text) < 300


def test_an_option_without_a_value_has_its_default_and_only_those_without_one_are_needed() -> None:
    written = {"type": "int", "low": 1, "high": 3, "step": None, "log": None}
    assert checked(written) == {"type": "int", "low": 1, "high": 3, "log": False, "step": 1}
    with pytest.raises(InputError, match=r"^space: lr: float needs low and high$"):
        check_space({"lr": {"type": "float", "step": 0.5}})


def test_a_dimension_is_named_by_its_values() -> None:
    assert in_words(checked(PRODUCTION["lr"])) == "[1e-05, 0.001]"
    assert in_words(checked({"type": "int", "low": 2, "high": 8, "step": 3})) == "[2, 8] in steps of 3"
    assert in_words(checked({"type": "categorical", "choices": [1, "a"]})) == "[1, 'a']"


def test_a_multiple_of_a_step_is_handed_on_as_it_is_written() -> None:
    tenths = checked({"type": "float", "low": 0.1, "high": 0.6, "step": 0.1})
    assert [setting(tenths, 0.1 + 0.1 * n) for n in range(6)] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]


def test_an_empty_space_is_an_error() -> None:
    with pytest.raises(InputError, match="space is empty; name at least one key to search"):
        check_space({})


def test_all_corners_of_a_small_space_are_there_once() -> None:
    space = check_space(STEPPED)
    points = corners(space, 64)
    assert len(points) == 2 * 2 * 2
    assert len({tuple(p.values()) for p in points}) == 8
    assert {p["a"] for p in points} == {1, 3} and {p["c"] for p in points} == {0.0, 0.5}


@pytest.mark.parametrize("most", [4, 64])
def test_of_many_corners_some_are_taken_and_every_end_of_every_key_is_met(most: int) -> None:
    space = check_space(PRODUCTION)
    points = corners(space, most)
    assert len(points) == min(most, math.prod(len(ends(d)) for d in space.values()))
    assert len({tuple(p.values()) for p in points}) == len(points)
    for key, dimension in space.items():
        assert {p[key] for p in points} == set(ends(dimension))


def test_random_points_lie_inside_and_repeat() -> None:
    space = check_space(PRODUCTION)
    points = random_points(space, 50)
    assert points == random_points(space, 50) and len({tuple(p.values()) for p in points}) == 50
    for point in points:
        check_point(space, point, "point")


def test_a_grid_is_all_its_points_in_order() -> None:
    space = check_space(STEPPED)
    axes = {key: values(dimension) or [] for key, dimension in space.items()}
    points = [grid_point(axes, index) for index in range(18)]
    assert len(points) == len({tuple(p.values()) for p in points}) == 18
    assert points[0] == {"a": 1, "b": "x", "c": 0.0} and points[-1] == {"a": 3, "b": "y", "c": 0.5}


def test_optuna_is_asked_for_what_is_in_the_space() -> None:
    space = check_space(PRODUCTION | STEPPED)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    trial = study.ask()
    point = suggest(trial, space)
    check_point(space, point, "point")
    assert trial.params == point
    assert trial.distributions == {key: distribution(dimension) for key, dimension in space.items()}


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ({"lr": 1.0}, r"enqueue: point 1: lr must lie in \[1e-05, 0.001\], got 1.0"),
        ({"l": 1e-4}, r"enqueue: point 1: no key 'l' in space; did you mean 'lr'\?"),
        ({"batch_size": 100}, r"batch_size must lie in \[2048, 4096, 8192\], got 100"),
        ({1: 1e-4}, r"enqueue: point 1: no key 1 in space"),
        (3, r"enqueue: point 1 must be a mapping of keys of space, got 3"),
        ({"gat_layers": 2.5}, r"gat_layers must lie in \[2, 4\], got 2.5"),
    ],
)
def test_a_point_outside_is_an_error(point: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_point(check_space(PRODUCTION), point, "enqueue: point 1")


def test_a_point_is_shown_in_the_order_of_its_space_whatever_the_storage_did() -> None:
    shown = in_order({"c": 0.25, "a": 1}, check_space(STEPPED))
    assert list(shown.items()) == [("a", 1), ("c", 0.25)]


def test_the_choices_between_blocks_and_between_classes_are_named() -> None:
    classes = {"type": "categorical", "choices": ["torch.optim.AdamW", "torch.optim.SGD"]}
    space = check_space(
        {"a.class_path": classes, "b": {"type": "categorical", "choices": BLOCKS}, **PRODUCTION}
    )
    assert [tuple(p.items()) for p in class_choices(space)] == [
        (("a.class_path", "torch.optim.AdamW"),), (("a.class_path", "torch.optim.SGD"),),
        (("b", "adamw"),), (("b", "sgd"),),
    ]  # fmt: skip
