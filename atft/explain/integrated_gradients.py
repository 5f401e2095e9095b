"""Integrated gradients: what each cell of the input adds to a score, against a baseline.

The gradient's mean along the straight path from the baseline to the input, times their difference: the parts sum to
the difference of the two scores (completeness). Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep
Networks", ICML 2017, section 3; computed by captum. A cell that is unknown, or that is its baseline, is so on the
whole path and adds nothing, whatever its gradient.

Points are doubled until the parts sum to the difference: gradients of ReLU and of bins change at corners, and the
error falls with the number of points. A score that jumps on the path, as where a network chooses the largest of
some numbers, has no gradient that knows of the jump: what it adds stays unattributed, and is part of the result.
"""

from collections.abc import Callable
from math import isfinite
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from atft.errors import InputError
from atft.process.optional import load_optional

MIN_STEPS, MAX_STEPS = 32, 1024
MAX_GAP, MAX_GAP_OF_PARTS = 0.01, 0.0001
"""Gap that is small: of the difference, or of the sum of the parts' absolute values."""


class Attribution(NamedTuple):
    """Parts of the difference between two scores."""

    parts: Float[Tensor, "..."]
    """Of each cell, in the unit of the score; 0 where the input is not known or is its baseline."""
    score: float
    baseline_score: float
    steps: int
    """Points of the path."""

    @property
    def gap(self) -> float:
        """The score minus that of the baseline, minus the sum of the parts: 0 but for the path's finite steps."""
        return self.score - self.baseline_score - float(self.parts.double().sum())

    @property
    def is_complete(self) -> bool:
        """Whether the gap is small: 1 % of the difference, or 0.01 % of the parts' absolute values."""
        difference, size = abs(self.score - self.baseline_score), float(self.parts.double().abs().sum())
        return abs(self.gap) <= max(MAX_GAP * difference, MAX_GAP_OF_PARTS * size)


def attribute(
    score: Callable[[Tensor], Tensor],
    inputs: Float[Tensor, "..."],
    baseline: Float[Tensor, "..."],
    steps: tuple[int, int] = (MIN_STEPS, MAX_STEPS),
    at_once: int = 1,
) -> Attribution:
    """Attribute the difference of ``score`` between the baseline and the inputs to the inputs' cells.

    Args:
        score: a number for each of several points, [points] from cells [points, ...] whose further axes are those
            of ``inputs``; differentiable almost everywhere.
        inputs: NaN or infinite where unknown.
        baseline: finite wherever the inputs are; elsewhere it is not read.
        steps: points of the path, at first and at most.
        at_once: points that ``score`` takes at most.

    Raises:
        InputError: captum is not installed, the score has no gradient, or one of the two is not finite.
    """
    # Of the others the gradient need not be finite, as that of a root at 0.
    known = inputs.isfinite() & (inputs != baseline)

    def score_of_known(cells: Float[Tensor, "points known"]) -> Float[Tensor, " points"]:
        whole, filled = (x.expand(len(cells), *inputs.shape) for x in (inputs, known))
        scores = score(whole.masked_scatter(filled, cells))
        if torch.is_grad_enabled() and not scores.requires_grad:
            raise InputError(
                "explain: the network's scores have no gradient; take detach, no_grad or a ranking out of forward, "
                "or return members in its Forecast"
            )
        return scores

    with torch.no_grad():
        ends = [float(score_of_known(cells[known][None])) for cells in (inputs, baseline)]
    if not known.any():
        return Attribution(torch.zeros_like(inputs), ends[0], ends[1], 0)
    method: Any = load_optional("captum.attr", "explain").IntegratedGradients(score_of_known)
    count, most = steps
    # More points until the parts sum to the difference: what is left is the path's finite steps.
    while True:
        path = {"n_steps": count, "internal_batch_size": min(at_once, count), "method": "gausslegendre"}
        parts = torch.zeros_like(inputs)
        parts[known] = method.attribute(inputs[known][None], baselines=baseline[known][None], **path)[0]
        attribution = Attribution(parts, ends[0], ends[1], count)
        if not isfinite(attribution.gap):
            raise InputError(
                "explain: on the way from the median stock the network's score or its gradient is not finite; "
                "keep 0 out of the divisions, roots and logarithms of forward"
            )
        if attribution.is_complete or 2 * count > most:
            return attribution
        count *= 2
