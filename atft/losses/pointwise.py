"""Terms that compare each stock's score with its own target: they teach the size, not the order.

The only terms that pin the scores' scale and level; without one, a correlation loss leaves both adrift.
"""

from jaxtyping import Bool, Float
from torch import Tensor, where


def huber(
    score: Float[Tensor, "*batch stocks"],
    target: Float[Tensor, "*batch stocks"],
    valid: Bool[Tensor, "*batch stocks"],
    delta: float = 1.0,
) -> Float[Tensor, "*batch"]:
    r"""Average the Huber distance between score and target over a day's stocks.

    :math:`e^2 / 2` for :math:`|e| \le \delta`, then :math:`\delta (|e| - \delta / 2)`, with
    :math:`e = score - target`: 0 is a perfect forecast; no single stock pulls harder than ``delta``.

    Args:
        score: network output, in the unit of ``target``.
        target: transformed target (about 1 standard deviation across the day).
        valid: stocks to count; the others may hold anything, NaN included.
        delta: error from which the distance grows linearly, in the unit of ``target``.

    Returns:
        Mean distance of each day. A day without valid stocks is 0 and carries no gradient.

    Paper: Huber (1964), Robust Estimation of a Location Parameter.
    """
    error = where(valid, where(valid, score, 0) - where(valid, target, 0), 0).abs()
    capped = error.clamp_max(delta)
    return (capped * (error - capped / 2)).sum(-1) / valid.sum(-1).clamp_min(1)
