"""A phase of a training curriculum as a configuration says it, and the criterion at its end.

A phase names only what differs from the model's own configuration: which parts are on, which parameter groups
train and at what multiple of the learning rate, how terms and horizons weigh, and what it takes to go on.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

from atft.errors import InputError, nearest
from atft.losses.terms import TERMS
from atft.nn.options import PARAMETER_GROUPS, PARTS


@dataclass(frozen=True)
class Criterion:
    """What a phase must have reached to go on.

    Args:
        metric: a logged metric, for instance val/rank_ic.
        above: the metric must lie above it; give this or ``below``. A metric that is not a number passes neither.
        below: the metric must lie below it.
        at_epoch: epoch of the phase, from 1, after which the criterion is asked; null asks when the phase is over.
        otherwise: stop ends the run and compares its best checkpoint, fail ends it as an error, continue warns.
    """

    metric: str = "val/rank_ic"
    above: float | None = None
    below: float | None = None
    at_epoch: int | None = None
    otherwise: Literal["stop", "fail", "continue"] = "stop"

    def __post_init__(self) -> None:
        """Refuse a criterion that asks nothing, or two things."""
        bounds = [b for b in (self.above, self.below) if b is not None]
        if len(bounds) != 1 or not math.isfinite(bounds[0]):
            raise InputError(
                f"curriculum criterion on {self.metric}: give one number, above or below, got above={self.above} "
                f"and below={self.below}"
            )

    def passes(self, value: float) -> bool:
        """Whether a value of the metric lets the run go on."""
        if self.above is not None:
            return value > self.above
        return self.below is not None and value < self.below

    def condition(self) -> str:
        """The criterion in words: ``val/rank_ic > 0.01``."""
        return (
            f"{self.metric} > {self.above:g}" if self.above is not None else f"{self.metric} < {self.below:g}"
        )


@dataclass(frozen=True)
class Phase:
    """A part of the training, some epochs long. What is left out is as in the model's own configuration.

    Args:
        name: shown in the table, the log and the receipt.
        epochs: length, at least 1.
        parts: switches of parts that differ from model.network: variable_selection, fan, encoder, graph.
        train: parameter groups that train, of the parts, input and heads; the others rest, with their moments
            kept. Null trains all that are on.
        lr_factor: multiple of the schedule's learning rate, for all groups or by group; 1 for one not named.
        terms: weights of terms that differ from model.objective.terms.
        horizon_weights: as model.objective.horizon_weights.
        criterion: what it takes to go on.
    """

    name: str
    epochs: int
    parts: dict[str, bool] = field(default_factory=dict)
    train: list[str] | None = None
    lr_factor: float | dict[str, float] = 1.0
    terms: dict[str, float] = field(default_factory=dict)
    horizon_weights: dict[int, float] | list[float] | None = None
    criterion: Criterion | None = None

    def __post_init__(self) -> None:
        """Refuse what no model could make sense of."""
        if not self.name.strip():
            raise InputError("curriculum.phases: a phase needs a name")
        if self.epochs < 1:
            raise InputError(f"{self.place}: epochs must be at least 1, got {self.epochs}")
        factors = self.lr_factor if isinstance(self.lr_factor, dict) else {}
        for kind, given, known in (
            ("part", self.parts, PARTS),
            ("parameter group", self.train or [], PARAMETER_GROUPS),
            ("parameter group", factors, PARAMETER_GROUPS),
            ("term", self.terms, TERMS),
        ):
            for name in given:
                if name not in known:
                    raise InputError(f"{self.place}: no {kind} {name!r}{nearest(name, known)}")
        numbers = factors.values() if isinstance(self.lr_factor, dict) else [self.lr_factor]
        for factor in numbers:
            if not (math.isfinite(factor) and factor > 0):
                raise InputError(
                    f"{self.place}: lr_factor must be above 0, got {factor}; leave a group out of train to rest it"
                )
        if self.train == []:
            raise InputError(f"{self.place}: train names no group; null trains all that are on")
        if self.criterion is not None and not 1 <= (self.criterion.at_epoch or 1) <= self.epochs:
            raise InputError(
                f"{self.place}: criterion.at_epoch must be 1 to {self.epochs}, got {self.criterion.at_epoch}"
            )

    @property
    def place(self) -> str:
        """Where the phase stands in the configuration, for a message."""
        return f"curriculum.phases {self.name!r}"
