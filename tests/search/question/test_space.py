"""The space: points at its corners and inside of it, and what Optuna is asked for."""

import math
from typing import Any

import optuna
import pytest

from atft.errors import InputError
from atft.search.question.space import (
    check_point,
    corners,
    distributions,
    grid_point,
    grid_size,
    in_order,
    plain_space,
    random_points,
    read_space,
    suggest,
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


def test_a_space_written_out_reads_as_itself() -> None:
    space = read_space(PRODUCTION)
    assert read_space(plain_space(space)) == space


def test_an_empty_space_is_refused() -> None:
    with pytest.raises(InputError, match="space is empty; name at least one key to search"):
        read_space({})


def test_all_corners_of_a_small_space_are_there_once() -> None:
    space = read_space(STEPPED)
    found = corners(space)
    assert len(found) == 2 * 2 * 2
    assert len({tuple(p.values()) for p in found}) == 8
    assert {p["a"] for p in found} == {1, 3} and {p["c"] for p in found} == {0.0, 0.5}


@pytest.mark.parametrize("most", [4, 64])
def test_of_many_corners_some_are_taken_and_every_end_of_every_key_is_met(most: int) -> None:
    space = read_space(PRODUCTION)
    found = corners(space, most)
    assert len(found) == min(most, math.prod(len(d.ends) for d in space.values()))
    assert len({tuple(p.values()) for p in found}) == len(found)
    for key, held in space.items():
        assert {p[key] for p in found} == set(held.ends)


def test_random_points_lie_inside_repeat_with_their_seed_and_differ_without() -> None:
    space = read_space(PRODUCTION)
    one = random_points(space, 50, seed=3)
    assert one == random_points(space, 50, seed=3) != random_points(space, 50, seed=4)
    for point in one:
        check_point(space, point, "point")


def test_the_places_of_a_grid_are_all_its_points() -> None:
    space = read_space(STEPPED)
    assert grid_size(space) == 3 * 2 * 3 and grid_size(read_space(PRODUCTION)) is None
    points = [grid_point(space, place) for place in range(18)]
    assert len({tuple(p.values()) for p in points}) == 18
    assert points[0] == {"a": 1, "b": "x", "c": 0.0} and points[-1] == {"a": 3, "b": "y", "c": 0.5}


def test_optuna_is_asked_for_what_the_space_holds() -> None:
    space = read_space(PRODUCTION | STEPPED)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    trial = study.ask()
    point = suggest(trial, space)
    check_point(space, point, "point")
    assert trial.params == point
    assert trial.distributions == distributions(space)


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ({"lr": 1.0}, r"enqueue: point 1: lr must lie in \[1e-05, 0.001\], got 1.0"),
        ({"l": 1e-4}, r"enqueue: point 1: no key 'l' in space; did you mean 'lr'\?"),
        ({"batch_size": 100}, r"batch_size must lie in \[2048, 4096, 8192\], got 100"),
        ({"gat_layers": 2.5}, r"gat_layers must lie in \[2, 4\], got 2.5"),
    ],
)
def test_a_point_outside_is_refused(point: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_point(read_space(PRODUCTION), point, "enqueue: point 1")


def test_a_point_is_shown_in_the_order_of_its_space_whatever_the_storage_did() -> None:
    shown = in_order({"c": 0.25, "a": 1}, read_space(STEPPED))
    assert list(shown.items()) == [("a", 1), ("c", 0.25)]
