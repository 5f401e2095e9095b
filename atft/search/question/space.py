"""The search space: a dimension for each dotted key of the base config, and the points in it.

Optuna itself is imported only where a study is at hand, so that reading a sweep stays quick.
"""

import math
import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from atft.errors import InputError, nearest
from atft.search.question.dimension import (
    Categorical,
    Dimension,
    Float,
    Integer,
    Scalar,
    describe,
    plain_dimension,
    read_dimension,
)

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.distributions import BaseDistribution

Point = dict[str, Scalar]
"""Dotted key -> value, as Optuna stores it."""
Space = dict[str, Dimension]


def read_space(given: Mapping[str, Any]) -> Space:
    """Type the ``space`` of a sweep's YAML: ``dotted.key: {type, low, high, log, step, choices}``.

    Raises:
        InputError: a dimension that cannot be drawn from; the message starts with its key.
    """
    if not given:
        raise InputError("space is empty; name at least one key to search")
    return {str(key): read_dimension(f"space: {key}", held) for key, held in given.items()}


def plain_space(space: Space) -> dict[str, dict[str, Any]]:
    """The space as it stands in YAML: what `read_space` reads."""
    return {key: plain_dimension(held) for key, held in space.items()}


def distributions(space: Space) -> dict[str, "BaseDistribution"]:
    """Optuna's objects by key."""
    return {key: held.distribution() for key, held in space.items()}


def suggest(trial: "Trial", space: Space) -> Point:
    """Ask the study's sampler for a point."""
    point: Point = {}
    for key, held in space.items():
        match held:
            case Float():
                point[key] = trial.suggest_float(
                    name=key, low=float(held.low), high=float(held.high), log=held.log, step=held.step
                )
            case Integer():
                point[key] = trial.suggest_int(
                    name=key, low=held.low, high=held.high, log=held.log, step=held.step
                )
            case Categorical():
                point[key] = trial.suggest_categorical(name=key, choices=list(held.choices))
    return point


def in_order(point: Point, space: Space) -> Point:
    """A point's values in the order of the space: a storage gives them back in any."""
    return {key: point[key] for key in space if key in point}


def grid_size(space: Space) -> int | None:
    """How many points a grid over the space has; None where a dimension has no steps."""
    counts = [held.values for held in space.values()]
    return None if any(c is None for c in counts) else math.prod(len(c or []) for c in counts)


def grid_point(space: Space, place: int) -> Point:
    """The point at a place of the grid, the last key changing fastest."""
    return _at({key: held.values or [] for key, held in space.items()}, place)


def corners(space: Space, most: int = 64) -> list[Point]:
    """Points whose every value is an end of its dimension, all of them or ``most``.

    Where there are more than ``most``, each end of each dimension still occurs at least once (as long as
    ``most`` is not below the number of choices), and the rest is drawn with a fixed seed.
    """
    ends = {key: held.ends for key, held in space.items()}
    total = math.prod(len(e) for e in ends.values())
    if total <= most:
        return [_at(ends, place) for place in range(total)]
    longest = max(len(e) for e in ends.values())
    found: list[Point] = [{key: e[i % len(e)] for key, e in ends.items()} for i in range(min(longest, most))]
    rng = random.Random(0)
    while len(found) < most:
        point: Point = {key: rng.choice(e) for key, e in ends.items()}
        if point not in found:
            found.append(point)
    return found


def random_points(space: Space, count: int, seed: int = 0) -> list[Point]:
    """Points drawn from the whole space, each dimension by itself."""
    rng = random.Random(seed)
    return [{key: held.draw(rng) for key, held in space.items()} for _ in range(count)]


def check_point(space: Space, point: Mapping[str, Any], name: str) -> None:
    """Refuse a point that names an unknown key or lies outside of the space.

    Raises:
        InputError: the message starts with ``name``.
    """
    for key, value in point.items():
        if key not in space:
            raise InputError(f"{name}: no key {key!r:.60} in space{nearest(key, space)}")
        if not space[key].holds(value):
            raise InputError(f"{name}: {key} must lie in {describe(space[key])}, got {value!r:.60}")


def _at(values: Mapping[str, Sequence[Scalar]], place: int) -> Point:
    point: Point = {}
    for key in reversed(list(values)):
        place, digit = divmod(place, len(values[key]))
        point[key] = values[key][digit]
    return {key: point[key] for key in values}
