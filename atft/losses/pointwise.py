"""Terms that compare each stock's score with its own target: they teach the size, not the order.

The only terms that fix the scores' scale and level; a correlation leaves both free. Scores, quantiles and targets
are in one unit, the transformed target's (about 1 standard deviation across the day). A day without valid stocks
is 0 and has no gradient.
"""

from jaxtyping import Float
from torch import Tensor, where

from atft.cross_section import PerDay, PerStock, StockMask


def huber(score: PerStock, target: PerStock, valid: StockMask, delta: float = 1.0) -> PerDay:
    r"""Average the Huber distance between score and target over a day's stocks.

    :math:`e^2 / 2` for :math:`|e| \le \delta`, then :math:`\delta (|e| - \delta / 2)`, with
    :math:`e = score - target`: 0 is a perfect forecast; no stock's gradient exceeds ``delta``.

    Args:
        delta: error from which the distance grows linearly, in the unit of ``target``.

    Paper: Huber (1964), Robust Estimation of a Location Parameter.
    """
    error = _error(score, target, valid).abs()
    # c (e - c / 2) with c = min(e, delta) is both branches in one expression.
    capped = error.clamp_max(delta)
    return (capped * (error - capped / 2)).sum(-1) / valid.sum(-1).clamp_min(1)


def mse(score: PerStock, target: PerStock, valid: StockMask) -> PerDay:
    """Average the squared distance between score and target over a day's stocks. Unmeasured.

    0 is a perfect forecast; with a target of unit variance, 1 is a forecast of 0 for every stock. A stock's
    gradient grows with its distance: with raw returns prefer :func:`huber`.
    """
    error = _error(score, target, valid)
    return (error * error).sum(-1) / valid.sum(-1).clamp_min(1)


def _error(score: PerStock, target: PerStock, valid: StockMask) -> PerStock:
    # Masked before the difference too: NaN times a zero gradient would still be NaN.
    return where(valid, where(valid, score, 0) - where(valid, target, 0), 0)


def pinball(
    quantiles: Float[Tensor, "*batch levels stocks"],
    levels: Float[Tensor, " levels"],
    target: PerStock,
    valid: StockMask,
) -> PerDay:
    r"""Average the pinball distance between quantiles and target over levels and a day's stocks. Unmeasured.

    :math:`\max(\alpha e, (\alpha - 1) e)` with :math:`e = target - quantile`: lowest on average where a share
    :math:`\alpha` of the targets is below the quantile. Trains the quantile heads and what they share with
    the score's, not the score itself; the heads are ordered by construction, so quantiles never cross.

    Args:
        quantiles: network output at each level.
        levels: ``alpha`` of each, in (0, 1).

    Paper: Koenker and Bassett (1978), Regression Quantiles.
    """
    count = valid.unsqueeze(-2)
    error = where(count, where(valid, target, 0).unsqueeze(-2) - where(count, quantiles, 0), 0)
    alpha = levels[:, None]
    distance = (alpha * error).maximum((alpha - 1) * error)
    return distance.mean(-2).sum(-1) / valid.sum(-1).clamp_min(1)
