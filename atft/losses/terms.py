"""The table of terms: the name in the YAML and the function; all else is read off the function's signature.

Adding a term is one pure function ``[*batch, stocks] -> [*batch]`` and one row here. Its positional arguments are
the tensors that it reads, by their names in ``READABLE``; its keyword arguments are its options, set beside its
weight: ``terms: {ic: 0.3, ndcg: {weight: 0.1, temperature: 0.2}}``. A name with a dot is a function of the user's
own, of the same form: ``terms: {mypkg.loss.tail: 0.2}``.

EXPERIMENTS.md has what most of them are worth on a real market; the others say "unmeasured": tests show what they
compute, not that they help.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from inspect import signature

from torch import Tensor

from atft.errors import InputError, nearest
from atft.losses.correlation import ic_loss, rank_ic_loss
from atft.losses.pointwise import huber, mse, pinball
from atft.losses.portfolio import sharpe_loss, turnover
from atft.losses.ranking import listnet, ndcg, ranknet
from atft.losses.risk import exposure_share
from atft.losses.scale_floor import scale_floor
from atft.own_functions import check_name, find_function, tensor_names

READABLE = {
    "score": "network output, [days, horizons, stocks]",
    "target": "transformed forward return, [days, horizons, stocks]",
    "realised": "raw forward return, a fraction, [days, horizons, stocks]",
    "valid": "stocks to count, [days, horizons, stocks]; the others may hold anything, NaN included",
    "return_mean": "running mean of the score's book return, [1, horizons]",
    "return_square": "running mean of its square, [1, horizons]",
    "quantiles": "network output at each level, [days, horizons, levels, stocks]",
    "previous": "score of the day before in the block, without a gradient, [days, horizons, stocks]",
    "previous_valid": "stocks that counted the day before, none on a block's first, [days, horizons, stocks]",
    "exposure": "risk exposures known that day, NaN where unknown, [days, horizons, exposures, stocks]",
    "sector": "index of each stock's sector, -1 for none, [days, horizons, stocks]",
    "levels": "share of targets meant to be below each quantile, [levels]",
}
"""The tensors that a term may read, as the objective provides them; those that no term reads are not made."""
BY_HORIZON = tuple(name for name in READABLE if name != "levels")
"""Those whose second axis is the horizons."""
BOUNDS = {"anchors": (2, math.inf), "top": (0, 1)}
"""Least and largest value of an option; one that is not named must be above 0."""


@dataclass(frozen=True)
class Term:
    """One row of the table."""

    function: Callable[..., Tensor]
    """Pure; from the tensors that it reads to a value ``[days, horizons]``."""
    state_options: Mapping[str, float] = field(default_factory=dict)
    """Options of the state that the objective has between blocks for the term, with their defaults."""
    hinge: bool = False
    """The term is 0, without a gradient, as long as the scores are in bounds: it is never dead."""
    imported: bool = False
    """The user's own; its options may be any numbers."""

    @cached_property
    def reads(self) -> tuple[str, ...]:
        """Keys of ``READABLE``, in the order of the function's arguments."""
        return tensor_names(self.function)

    @cached_property
    def arguments(self) -> dict[str, float]:
        """The function's options with their defaults; a default of int takes whole numbers."""
        options = {n: p for n, p in signature(self.function).parameters.items() if n not in self.reads}
        floats = (float, "float")  # the word, where annotations are not evaluated
        return {n: float(p.default) if p.annotation in floats else p.default for n, p in options.items()}


TERMS: dict[str, Term] = {
    "mse": Term(mse),
    "huber": Term(huber),
    "pinball": Term(pinball),
    "ic": Term(ic_loss),
    "rank_ic": Term(rank_ic_loss),
    "spearman": Term(rank_ic_loss),  # another name, kept for older configurations
    "ranknet": Term(ranknet),
    "listnet": Term(listnet),
    "ndcg": Term(ndcg),
    "sharpe": Term(sharpe_loss, state_options={"half_life_days": 250.0}),
    "turnover": Term(turnover),
    "exposure": Term(exposure_share),
    "scale_floor": Term(scale_floor, hinge=True),
}


def find_term(name: str) -> Term:
    """Find a term by its name in the YAML; one with a dot is imported.

    A function of the user's own is a hinge where it has an attribute ``hinge`` that is True.

    Raises:
        InputError: there is none of that name (the message names the nearest, or some that there are), or the
            user's function is none that `find_function` accepts.
    """
    if "." in name:
        function = find_function("model.objective.terms", name, READABLE)
        return Term(function, hinge=getattr(function, "hinge", False) is True, imported=True)
    if name not in TERMS:
        raise InputError(f"model.objective.terms has no term {name!r:.60}{nearest(name, TERMS)}")
    return TERMS[name]


def options_of(name: str, setting: float | Mapping[str, float]) -> dict[str, float]:
    """All options of a term, defaults filled in; ``setting`` is its weight, or its weight and options by name.

    Raises:
        InputError: the term is unknown or no name, its weight is missing, or an option is unknown or out of range.
    """
    check_name("model.objective.terms", name)
    if name not in TERMS and "." not in name and isinstance(setting, Mapping) and "weight" not in setting:
        raise InputError(
            f"model.objective.terms has no term {name!r:.60}; write the whole mapping, with dotted names: "
            "--model.objective.terms '{ic: 0.5, mypkg.loss.tail: {weight: 0.2, level: 0.5}}'"
        )
    term = find_term(name)
    options = {**term.arguments, **term.state_options}
    changes = dict(setting) if isinstance(setting, Mapping) else {"weight": setting}
    if changes.pop("weight", None) is None:
        raise InputError(
            f"model.objective.terms.{name} needs a weight beside {', '.join(changes) or 'nothing'}"
        )
    for option, value in changes.items():
        key = f"model.objective.terms.{name}.{option}"
        if option not in options:
            raise InputError(f"{key}: the term has no such option{nearest(option, ['weight', *options])}")
        whole = isinstance(options[option], int)  # YAML and sweeps may write 200.0
        if whole and value % 1:
            raise InputError(f"{key} must be a whole number, got {value}")
        needed = _needed(option, value, term.imported)
        if needed:
            raise InputError(f"{key} must be {needed}, got {value}")
        options[option] = int(value) if whole else float(value)
    return options


def _needed(option: str, value: float, imported: bool) -> str:
    """What an option's value must be, in words; empty where it is. Of a user's own term any number is."""
    if imported:
        return "" if math.isfinite(value) else "a finite number"
    least, most = BOUNDS.get(option, (0, math.inf))
    if math.isfinite(value) and value > 0 and least <= value <= most:
        return ""
    limits = f"at least {least}" if least else "above 0"
    return f"{limits} and at most {most}" if most < math.inf else limits
