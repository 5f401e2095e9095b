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


def mse(
    score: Float[Tensor, "*batch stocks"],
    target: Float[Tensor, "*batch stocks"],
    valid: Bool[Tensor, "*batch stocks"],
) -> Float[Tensor, "*batch"]:
    """Average the squared distance between score and target over a day's stocks.

    0 is a perfect forecast; with a target of unit variance, 1 is a forecast of 0 for every stock. One far
    stock pulls in proportion to its distance: with raw returns prefer :func:`huber`.

    Args:
        score: network output, in the unit of ``target``.
        target: transformed target (about 1 standard deviation across the day).
        valid: stocks to count; the others may hold anything, NaN included.

    Returns:
        Mean squared distance of each day. A day without valid stocks is 0 and carries no gradient.
    """
    error = where(valid, where(valid, score, 0) - where(valid, target, 0), 0)
    return (error * error).sum(-1) / valid.sum(-1).clamp_min(1)


def pinball(
    quantiles: Float[Tensor, "*batch levels stocks"],
    levels: Float[Tensor, " levels"],
    target: Float[Tensor, "*batch stocks"],
    valid: Bool[Tensor, "*batch stocks"],
) -> Float[Tensor, "*batch"]:
    r"""Average the pinball distance between quantiles and target over levels and a day's stocks.

    :math:`\max(\alpha e, (\alpha - 1) e)` with :math:`e = target - quantile`: lowest on average where a share
    :math:`\alpha` of the targets lies below the quantile. Trains the quantile heads and what they share with
    the score's, not the score itself; the heads are ordered by construction, so quantiles never cross.

    Args:
        quantiles: network output at each level, in the unit of ``target``.
        levels: ``alpha`` of each, in (0, 1).
        target: transformed target.
        valid: stocks to count; the others may hold anything, NaN included.

    Returns:
        Mean distance of each day. A day without valid stocks is 0 and carries no gradient.

    Paper: Koenker and Bassett (1978), Regression Quantiles.
    """
    count = valid.unsqueeze(-2)
    error = where(count, where(valid, target, 0).unsqueeze(-2) - where(count, quantiles, 0), 0)
    alpha = levels[:, None]
    distance = (alpha * error).maximum((alpha - 1) * error)
    return distance.mean(-2).sum(-1) / valid.sum(-1).clamp_min(1)


def crossing_share(
    quantiles: Float[Tensor, "days stocks horizons levels"], counted: Bool[Tensor, "days stocks"]
) -> Float[Tensor, ""]:
    """Share of neighbouring quantiles that stand in the wrong order: 0 all ascend, 1 all descend.

    Heads that are ordered by construction give 0; anything else says that the construction broke.

    Args:
        quantiles: network output, levels ascending.
        counted: stocks to look at; without any, or with one level only, the share is 0.
    """
    wrong = (quantiles.diff(dim=-1) < 0)[counted].float()
    return wrong.mean() if wrong.numel() else quantiles.new_zeros(())
