"""One dimension of a search space: what a key may be, written as data in one form.

``{type: float, low: 1e-5, high: 1e-3, log: true}``; the types are ``float``, ``int`` and ``categorical``. Values
are what Optuna stores, plain numbers and words, so that reports read well; a choice that stands for a whole block
of configuration is stored by its name and looked up by ``setting``.
"""

import math
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from atft.errors import InputError, nearest

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Scalar = bool | int | float | str | None


@dataclass(frozen=True)
class Float:
    """A real number in [low, high]: drawn evenly, or evenly in its logarithm, or from low in steps."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def ends(self) -> list[Scalar]:
        """The values at the edge of the space."""
        return [self.low, self.high]

    @property
    def values(self) -> list[Scalar] | None:
        """All values in order, or None where there are too many to count."""
        if self.step is None:
            return None
        steps = round((self.high - self.low) / self.step)
        return [min(self.high, self.low + i * self.step) for i in range(steps + 1)]

    def draw(self, rng: random.Random) -> float:
        """One value at random."""
        if self.values is not None:
            return float(rng.choice(self.values))  # type: ignore[arg-type]
        if self.log:
            return min(
                self.high, max(self.low, math.exp(rng.uniform(math.log(self.low), math.log(self.high))))
            )
        return rng.uniform(self.low, self.high)

    def holds(self, value: Any) -> bool:
        """Whether a value lies in the dimension."""
        if not _is_number(value) or not self.low <= value <= self.high:
            return False
        place = (float(value) - self.low) / self.step if self.step else 0.0
        return abs(place - round(place)) < 1e-6

    def check(self, key: str) -> None:
        """Refuse bounds that make no range; see `read_dimension`."""
        _check_range(key, self.low, self.high, self.log, self.step)

    def distribution(self) -> "BaseDistribution":
        """The same as Optuna's object."""
        from optuna.distributions import FloatDistribution

        return FloatDistribution(float(self.low), float(self.high), log=self.log, step=self.step)

    def setting(self, value: Scalar) -> Any:
        """A point's value for the configuration; of a multiple of the step, 0.3 and not 0.30000000000000004."""
        return value if self.step is None else float(f"{value:.12g}")


@dataclass(frozen=True)
class Integer:
    """A whole number in [low, high]: drawn evenly, or evenly in its logarithm, or from low in steps."""

    low: int
    high: int
    log: bool = False
    step: int = 1

    @property
    def ends(self) -> list[Scalar]:
        """The values at the edge of the space."""
        return [self.low, self.high]

    @property
    def values(self) -> list[Scalar] | None:
        """All values in order."""
        return list(range(self.low, self.high + 1, self.step))

    def draw(self, rng: random.Random) -> int:
        """One value at random."""
        if not self.log:
            return rng.randrange(self.low, self.high + 1, self.step)
        return round(math.exp(rng.uniform(math.log(self.low), math.log(self.high))))

    def holds(self, value: Any) -> bool:
        """Whether a value lies in the dimension."""
        whole = isinstance(value, int) and not isinstance(value, bool)
        return whole and self.low <= value <= self.high and (value - self.low) % self.step == 0

    def check(self, key: str) -> None:
        """Refuse bounds that make no range; see `read_dimension`."""
        _check_range(key, self.low, self.high, self.log, None if self.step == 1 else self.step)

    def distribution(self) -> "BaseDistribution":
        """The same as Optuna's object."""
        from optuna.distributions import IntDistribution

        return IntDistribution(self.low, self.high, log=self.log, step=self.step)

    def setting(self, value: Scalar) -> Any:
        """What the configuration gets for a point's value."""
        return value


@dataclass(frozen=True)
class Categorical:
    """One of a few choices: a list of plain values, or names that each stand for a block of configuration."""

    choices: list[Scalar] | dict[str, Any]

    @property
    def ends(self) -> list[Scalar]:
        """Every choice: there is no order, so each is an edge."""
        return list(self.choices)

    @property
    def values(self) -> list[Scalar] | None:
        """Every choice."""
        return list(self.choices)

    def draw(self, rng: random.Random) -> Scalar:
        """One choice at random."""
        return rng.choice(list(self.choices))

    def holds(self, value: Any) -> bool:
        """Whether a value is a choice; 1 and true are two things."""
        return any(value == c and isinstance(value, bool) == isinstance(c, bool) for c in self.choices)

    def check(self, key: str) -> None:
        """Refuse choices that are none, or alike; see `read_dimension`."""
        if len(self.choices) < 2:
            raise InputError(
                f"{key}: choices must be at least 2, got {list(self.choices)}; else move it to fixed"
            )
        alike = [c for i, c in enumerate(self.choices) if c in list(self.choices)[:i]]
        if alike:
            raise InputError(f"{key}: the choice {alike[0]!r} is given twice")

    def distribution(self) -> "BaseDistribution":
        """The same as Optuna's object."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(list(self.choices))

    def setting(self, value: Scalar) -> Any:
        """What the configuration gets for a point's value: the block that a name stands for."""
        return self.choices[str(value)] if isinstance(self.choices, dict) else value


Dimension = Float | Integer | Categorical
TYPES: dict[str, type[Dimension]] = {"float": Float, "int": Integer, "categorical": Categorical}


def read_dimension(name: str, given: Any) -> Dimension:
    """Type one dimension of the YAML; ``name`` opens the message of what is refused.

    Raises:
        InputError: an unknown type or option, a missing one, or bounds that make no range.
    """
    form = "{type: float, low: 1e-5, high: 1e-3, log: true} or {type: categorical, choices: [...]}"
    if not isinstance(given, Mapping):
        raise InputError(f"{name}: a dimension is written {form}, got {given!r:.60}")
    kind = given.get("type")
    if not isinstance(kind, str) or kind not in TYPES:
        raise InputError(f"{name}: type must be float, int or categorical, got {kind!r:.60}; write {form}")
    options = {k: v for k, v in given.items() if k != "type"}
    known = [f.name for f in fields(TYPES[kind])]
    for key in options:
        if key not in known:
            raise InputError(f"{name}: {kind} has no {key!r:.60}{nearest(str(key), known)}")
    wanted = ["choices"] if kind == "categorical" else ["low", "high"]
    for key in wanted:
        if key not in options:
            raise InputError(f"{name}: {kind} needs {' and '.join(wanted)}")
    if kind == "categorical" and not isinstance(options["choices"], list | dict):
        raise InputError(
            f"{name}: choices must be a list, or names with their blocks, got {options['choices']!r:.60}"
        )
    odd = [c for c in options.get("choices", []) if not isinstance(c, bool | int | float | str | None)]
    if odd:
        raise InputError(
            f"{name}: a choice is a number, a word, true, false or null, got {odd[0]!r:.60}; "
            "give blocks of configuration a name, as choices: {name: block}"
        )
    for key in (k for k in ("low", "high", "step") if k in options):
        if options[key] is None and key == "step":
            del options[key]
        elif not _is_number(options[key]) or (kind == "int" and not isinstance(options[key], int)):
            number = "whole number" if kind == "int" else "number"
            raise InputError(f"{name}: {key} must be a {number}, got {options[key]!r:.60}")
    if not isinstance(options.get("log", False), bool):
        raise InputError(f"{name}: log must be true or false, got {options['log']!r:.60}")
    held = TYPES[kind](**options)
    held.check(name)
    return held


def plain_dimension(held: Dimension) -> dict[str, Any]:
    """The dimension as it stands in YAML: what `read_dimension` reads."""
    names = {kind: name for name, kind in TYPES.items()}
    return {"type": names[type(held)], **asdict(held)}


def describe(held: Dimension) -> str:
    """The values of a dimension in a few words, for messages."""
    if isinstance(held, Categorical):
        return f"{list(held.choices)}"
    step = f" in steps of {held.step:g}" if held.step not in (None, 1) else ""
    return f"[{held.low:g}, {held.high:g}]{step}"


def _check_range(key: str, low: float, high: float, log: bool, step: float | None) -> None:
    if not low < high:
        raise InputError(f"{key}: low must be below high, got {low:g} and {high:g}")
    if log and low <= 0:
        raise InputError(f"{key}: log needs low above 0, got {low:g}")
    if step is None:
        return
    if log:
        raise InputError(f"{key}: log and step exclude one another; keep one")
    if step <= 0:
        raise InputError(f"{key}: step must be above 0, got {step:g}")
    steps = (high - low) / step
    if not math.isfinite(steps) or abs(steps - round(steps)) > 1e-6 or round(steps) < 1:
        raise InputError(f"{key}: {low:g} to {high:g} is no whole number of steps of {step:g}; move high")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
