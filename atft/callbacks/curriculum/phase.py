"""A phase of a training curriculum: which parts are on, what trains how fast, how the loss weighs, what to reach.

A phase inherits nothing from the phase before: each can be read by itself.
"""

import math
import re
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from atft.errors import InputError, nearest
from atft.losses.terms import TERMS

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,2})?"


class Criterion(NamedTuple):
    """A bound on a logged metric, strict; a value that is not a number is never within it."""

    metric: str
    sign: str
    bound: float

    def met_by(self, value: float) -> bool:
        """Whether a value of the metric meets the bound."""
        return value > self.bound if self.sign == ">" else value < self.bound

    def __str__(self) -> str:
        return f"{self.metric} {self.sign} {self.bound:g}"


@dataclass(frozen=True)
class Phase:
    """Some epochs of the training. What is left out is as in the model's own configuration.

    Args:
        name: shown in the table, the log and the receipt.
        epochs: length in epochs, at least 1.
        parts: parts of the network to switch off, each with false; all others that model.network builds are on.
        train: parameter groups to train, named by the parts and the network's others (input, heads, ...); the rest
            is frozen, with its optimiser state kept. Null trains all that are on.
        lr_factor: multiple of the schedule's learning rate, for all groups or by group; 1 for one not named.
        terms: weights of terms that differ from model.objective.terms.
        horizon_weights: as model.objective.horizon_weights.
        criterion: what the phase must reach by its end, for instance val/rank_ic > 0.01 or train/loss < 1.
        otherwise: what follows if it does not: stop ends the run and compares its selected checkpoint, fail ends
            it with an error, continue warns.
    """

    name: str
    epochs: int
    parts: dict[str, bool] = field(default_factory=dict)
    train: list[str] | None = None
    lr_factor: float | dict[str, float] = 1.0
    terms: dict[str, float] = field(default_factory=dict)
    horizon_weights: dict[int, float] | list[float] | None = None
    criterion: str | None = None
    otherwise: Literal["stop", "fail", "continue"] = "stop"

    def __post_init__(self) -> None:
        """Check what is wrong with any model."""
        if not self.name.strip():
            raise InputError("curriculum.phases: a phase needs a name")
        if self.epochs < 1:
            raise InputError(f"{self.where}: epochs must be at least 1, got {self.epochs}")
        by_group, default = self.lr_factors
        for name in self.terms:
            if name not in TERMS and "." not in name:  # one of the user's own is looked up by the objective
                raise InputError(f"{self.where}: no term {name!r}{nearest(name, TERMS)}")
        for factor in (*by_group.values(), default):
            if not (math.isfinite(factor) and factor > 0):
                raise InputError(
                    f"{self.where}: lr_factor must be above 0, got {factor}; "
                    f"leave a group out of train to freeze it"
                )
        if self.train == []:
            raise InputError(f"{self.where}: train names no group; null trains all that are on")
        self.parsed_criterion()

    @property
    def where(self) -> str:
        """How a message names the phase."""
        return f"curriculum.phases {self.name!r}"

    @property
    def lr_factors(self) -> tuple[dict[str, float], float]:
        """The factors that ``lr_factor`` gives by group, and that of all other groups."""
        return (self.lr_factor, 1.0) if isinstance(self.lr_factor, dict) else ({}, self.lr_factor)

    @property
    def factors(self) -> dict[str, float]:
        """Multiple of the schedule's rate of each group that trains; of a resolved phase."""
        return self.lr_factors[0]

    @property
    def parts_on(self) -> list[str]:
        """Names of the parts that are on."""
        return [name for name, on in self.parts.items() if on]

    def parsed_criterion(self) -> Criterion | None:
        """The criterion, None where the phase has none.

        Raises:
            InputError: it is no comparison of a metric with a number.
        """
        if self.criterion is None:
            return None
        match = re.fullmatch(rf"\s*([^\s<>]+)\s*([<>])\s*({NUMBER})\s*", self.criterion)
        if match is None:
            raise InputError(
                f"{self.where}: criterion must compare a metric with a number, such as val/rank_ic > 0.01, "
                f"got {self.criterion!r:.60}"
            )
        return Criterion(match[1], match[2], float(match[3]))
