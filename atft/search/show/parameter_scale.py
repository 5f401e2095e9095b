"""Where a trial's value of a parameter is on an axis: a number, its logarithm, or its index among the choices."""

import math
from collections.abc import Sequence
from typing import Any

from optuna.distributions import BaseDistribution, IntDistribution
from optuna.trial import FrozenTrial

from atft.drawing.page import clipped

MAX_TICKS = 6


class ParameterScale:
    """The axis of one parameter of a study."""

    def __init__(self, key: str, kind: BaseDistribution, values: Sequence[float] = ()) -> None:
        self.key, self.log = key, bool(getattr(kind, "log", False))
        self.choices, self.whole = list(getattr(kind, "choices", ())), isinstance(kind, IntDistribution)
        self.low, self.high = (min(values), max(values)) if values else (0.0, 1.0)

    @classmethod
    def of(cls, key: str, trials: Sequence[FrozenTrial]) -> "ParameterScale":
        """The axis that has room for the values of these trials; at least one of them has the parameter."""
        kind = next(t.distributions[key] for t in trials if key in t.distributions)
        at = cls(key, kind).at
        return cls(key, kind, [at(t) for t in trials if key in t.params])

    def at(self, trial: FrozenTrial) -> float:
        """The coordinate of a trial; NaN where it has no such parameter."""
        if self.key not in trial.params:
            return math.nan
        value = trial.params[self.key]
        if self.choices:
            return float(self.choices.index(value))
        return math.log10(value) if self.log else float(value)

    def share(self, trial: FrozenTrial) -> float:
        """The coordinate from 0, the lowest of all trials, to 1; 0.5 where all have one value."""
        return (self.at(trial) - self.low) / (self.high - self.low) if self.high > self.low else 0.5

    def text(self, at: float) -> str:
        """The value of a coordinate."""
        if self.choices:
            return clipped(short_value(self.choices[round(at)]), 12)
        value = 10**at if self.log else at
        return f"{value:.0f}" if self.whole or 100 <= abs(value) < 1e6 else f"{value:.2g}"

    def label(self, axis: Any) -> None:
        """Write values at the ticks of a matplotlib axis that has coordinates."""
        from matplotlib.ticker import MaxNLocator

        if self.choices:
            positions = range(len(self.choices))
            axis.set_ticks(positions, [self.text(i) for i in positions])
        elif self.log:
            at_ticks = self._log_ticks()
            axis.set_ticks(at_ticks, [self.text(at) for at in at_ticks])
        else:
            axis.set_major_locator(MaxNLocator(MAX_TICKS - 1, integer=self.whole, min_n_ticks=1))

    def _log_ticks(self) -> list[float]:
        """Coordinates of 1, 2 and 5 in each decade; of 1 and 3, 1 only, or some decades where that is too many.

        The ends, where the values are so near each other that at most one of these is among them.
        """
        decades = range(math.floor(self.low), math.ceil(self.high) + 1)
        choices = [(1, (1, 2, 5)), (1, (1, 3)), *((step, (1,)) for step in range(1, len(decades) + 1))]
        for step, digits in choices:
            ticks = [k + math.log10(digit) for k in decades[::step] for digit in digits]
            inside = [at for at in ticks if self.low - 0.1 <= at <= self.high + 0.1]
            if len(inside) <= MAX_TICKS:
                break
        return inside if len(inside) > 1 else sorted({self.low, self.high})


def short_value(value: object) -> str:
    """A parameter's value in few characters: four digits, a class without its module."""
    if isinstance(value, float):
        return f"{value:.4g}"
    name = str(value).rpartition(".")[2]
    return name if name.isidentifier() else str(value)
