"""The search space: the values that each dotted key of the base config may take, and points of it.

A dimension stays as the sweep's YAML writes it, ``{type: float, low: 1e-5, high: 1e-3, log: true}``, with its
defaults filled in: a study's identity is made of that. Optuna draws from its `distribution`. Points hold plain
numbers and words, so that reports read well; a choice that stands for a block of configuration is stored by its
name, and `setting` looks the block up.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

from optuna import Trial
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from atft.errors import InputError, nearest, one_line

Scalar = bool | int | float | str | None
Point = dict[str, Any]
"""Dotted key -> `Scalar`, as Optuna stores it."""
Dimension = dict[str, Any]
"""``type``, and ``low``, ``high``, ``log``, ``step`` or ``choices``."""
Space = dict[str, Dimension]

DEFAULTS: dict[str, dict[str, Any]] = {
    "float": {"low": ..., "high": ..., "log": False, "step": None},
    "int": {"low": ..., "high": ..., "log": False, "step": 1},
    "categorical": {"choices": ...},
}
"""Type of a dimension -> its options; one without a default is an ellipsis."""
FORM = "{type: float, low: 1e-5, high: 1e-3, log: true} or {type: categorical, choices: [...]}"


def check_space(space: Mapping[str, Any]) -> Space:
    """Check the ``space`` of a sweep's YAML, key by key; return it with every default filled in."""
    if not space:
        raise InputError("space is empty; name at least one key to search")
    return {key: _check_dimension(f"space: {key}", written) for key, written in space.items()}


def _check_dimension(name: str, written: Any) -> Dimension:
    if not isinstance(written, Mapping):
        raise InputError(f"{name}: a dimension is written {FORM}, got {written!r:.60}")
    kind = written.get("type")
    if not isinstance(kind, str) or kind not in DEFAULTS:
        raise InputError(f"{name}: type must be float, int or categorical, got {kind!r:.60}; write {FORM}")
    for key in written:
        if key != "type" and key not in DEFAULTS[kind]:
            raise InputError(f"{name}: {kind} has no {key!r:.60}{nearest(str(key), DEFAULTS[kind])}")
    # An option of null has its default.
    options = {key: value for key, value in written.items() if value is not None}
    dimension = {"type": kind, **DEFAULTS[kind], **options}
    if ... in dimension.values():
        needed = [key for key, value in DEFAULTS[kind].items() if value is ...]
        raise InputError(f"{name}: {kind} needs {' and '.join(needed)}")
    if kind == "categorical":
        _check_choices(name, dimension["choices"])
    else:
        _check_range(name, dimension)
    return dimension


def _check_choices(name: str, choices: Any) -> None:
    if not isinstance(choices, list | dict):
        raise InputError(f"{name}: choices must be a list, or names with their blocks, got {choices!r:.60}")
    for number, choice in enumerate(choices):
        if isinstance(choices, dict) and not isinstance(choice, str):
            raise InputError(
                f"{name}: the name of a block is a word, got {choice!r:.60}; put it in quotes, for YAML reads off "
                "as false"
            )
        if not isinstance(choice, Scalar):
            raise InputError(
                f"{name}: a choice is a number, a word, true, false or null, got {choice!r:.60}; "
                "give blocks of configuration a name, as choices: {name: block}"
            )
        if choice in list(choices)[:number]:
            raise InputError(f"{name}: the choice {choice!r} is given twice")
    if len(choices) < 2:
        raise InputError(f"{name}: choices must be at least 2, got {list(choices)}; else move it to fixed")


def _check_range(name: str, dimension: Dimension) -> None:
    whole = dimension["type"] == "int"
    for key in ("low", "high", "step"):
        value = dimension[key]
        if value is not None and not _is_number(value, whole):
            word = "whole number" if whole else "number"
            raise InputError(f"{name}: {key} must be a {word}, got {value!r:.60}")
    low, high, step = dimension["low"], dimension["high"], dimension["step"]
    if not isinstance(dimension["log"], bool):
        raise InputError(f"{name}: log must be true or false, got {dimension['log']!r:.60}")
    if not low < high:
        raise InputError(f"{name}: low must be below high, got {low:g} and {high:g}")
    # Optuna would move high down to the last whole step.
    steps = (high - low) / step if step is not None and step > 0 else 1.0
    if not math.isfinite(steps) or abs(steps - round(steps)) > 1e-6 or round(steps) < 1:
        raise InputError(f"{name}: {low:g} to {high:g} is no whole number of steps of {step:g}; move high")
    try:
        distribution(dimension)
    except ValueError as error:
        raise InputError(f"{name}: {one_line(error)}") from error


def _is_number(value: Any, whole: bool) -> bool:
    kinds = int if whole else int | float
    return isinstance(value, kinds) and not isinstance(value, bool) and math.isfinite(value)


# -- one dimension


def distribution(dimension: Dimension) -> BaseDistribution:
    """What Optuna draws from."""
    kinds: dict[str, Callable[..., BaseDistribution]] = {"float": FloatDistribution, "int": IntDistribution}
    return kinds.get(dimension["type"], CategoricalDistribution)(**_options(dimension))


def _options(dimension: Dimension) -> dict[str, Any]:
    """Arguments of Optuna's distribution."""
    if "choices" in dimension:
        return {"choices": list(dimension["choices"])}
    return {key: value for key, value in dimension.items() if key != "type"}


def ends(dimension: Dimension) -> list[Scalar]:
    """The values at the edge of a dimension: every choice, for there is no order among them."""
    return list(dimension["choices"]) if "choices" in dimension else [dimension["low"], dimension["high"]]


def values(dimension: Dimension) -> Sequence[Scalar] | None:
    """All values in order, or None where there are too many to count."""
    if "choices" in dimension:
        return list(dimension["choices"])
    low, high, step = dimension["low"], dimension["high"], dimension["step"]
    if dimension["type"] == "int":
        return range(low, high + 1, step)
    if step is None:
        return None
    return [float(min(high, low + i * step)) for i in range(round((high - low) / step) + 1)]


def draw(dimension: Dimension, rng: random.Random) -> Scalar:
    """One value at random: evenly, or evenly in its logarithm."""
    if dimension.get("log"):
        low, high = dimension["low"], dimension["high"]
        value: float = min(high, max(low, math.exp(rng.uniform(math.log(low), math.log(high)))))
        return round(value) if dimension["type"] == "int" else value
    every = values(dimension)
    return rng.uniform(dimension["low"], dimension["high"]) if every is None else rng.choice(every)


def contains(dimension: Dimension, value: Any) -> bool:
    """Whether a value is in a dimension; 1 and true are two things."""
    if "choices" in dimension:
        same_kind = [c for c in dimension["choices"] if isinstance(c, bool) == isinstance(value, bool)]
        return value in same_kind
    low, high, step = dimension["low"], dimension["high"], dimension["step"]
    if not _is_number(value, dimension["type"] == "int") or not low <= value <= high:
        return False
    steps: float = (value - low) / step if step else 0.0
    return abs(steps - round(steps)) < 1e-6


def setting(dimension: Dimension, value: Scalar) -> Any:
    """What the configuration gets for a point's value: the block of a name; 0.3 and not 0.30000000000000004."""
    if isinstance(dimension.get("choices"), dict):
        return dimension["choices"][value]
    return float(f"{value:.12g}") if dimension["type"] == "float" and dimension["step"] else value


def in_words(dimension: Dimension) -> str:
    """The values of a dimension, for messages."""
    if "choices" in dimension:
        return f"{list(dimension['choices'])}"
    step = f" in steps of {dimension['step']:g}" if dimension["step"] not in (None, 1) else ""
    return f"[{dimension['low']:g}, {dimension['high']:g}]{step}"


# -- points


def suggest(trial: Trial, space: Space) -> Point:
    """Ask the study's sampler for a point."""
    ask: dict[str, Callable[..., Any]] = {
        "float": trial.suggest_float,
        "int": trial.suggest_int,
        "categorical": trial.suggest_categorical,
    }
    return {key: ask[dim["type"]](name=key, **_options(dim)) for key, dim in space.items()}


def check_point(space: Space, point: Any, name: str) -> None:
    """Raise InputError, starting with ``name``, unless a point names keys of the space and values inside."""
    if not isinstance(point, Mapping):
        raise InputError(f"{name} must be a mapping of keys of space, got {point!r:.60}")
    for key, value in point.items():
        if key not in space:
            raise InputError(f"{name}: no key {key!r:.60} in space{nearest(str(key), space)}")
        if not contains(space[key], value):
            raise InputError(f"{name}: {key} must lie in {in_words(space[key])}, got {value!r:.60}")


def in_order(point: Point, space: Space) -> Point:
    """A point's values in the order of the space: a storage returns them in any."""
    return {key: point[key] for key in space if key in point}


def grid_point(axes: Mapping[str, Sequence[Scalar]], index: int) -> Point:
    """Point ``index`` of the grid of some values of each key, the last key changing fastest."""
    point: Point = {}
    for key, every in reversed(list(axes.items())):
        index, position = divmod(index, len(every))
        point[key] = every[position]
    return {key: point[key] for key in axes}


def corners(space: Space, most: int) -> list[Point]:
    """Points whose every value is an end of its dimension, all of them or ``most``.

    Where there are more than ``most``, each end of each dimension still occurs at least once (as long as
    ``most`` is not below the number of choices), and the rest is drawn with a fixed seed.
    """
    edges = {key: ends(dimension) for key, dimension in space.items()}
    if math.prod(len(e) for e in edges.values()) <= most:
        return [dict(zip(edges, combination, strict=True)) for combination in product(*edges.values())]
    longest = max(len(e) for e in edges.values())
    points: list[Point] = [{k: e[i % len(e)] for k, e in edges.items()} for i in range(min(longest, most))]
    rng = random.Random(0)
    while len(points) < most:
        point: Point = {key: rng.choice(e) for key, e in edges.items()}
        if point not in points:
            points.append(point)
    return points


def random_points(space: Space, count: int) -> list[Point]:
    """Points drawn from the whole space, each dimension by itself; the same at every call."""
    rng = random.Random(0)
    return [{key: draw(dimension, rng) for key, dimension in space.items()} for _ in range(count)]


def class_choices(space: Space) -> list[Point]:
    """Points of one key, for each choice between blocks of configuration or between classes."""
    return [
        {key: choice}
        for key, dimension in space.items()
        if isinstance(dimension.get("choices"), dict) or key.endswith("class_path")
        for choice in ends(dimension)
    ]
