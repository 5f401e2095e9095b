"""Terms that read scores as a book of positions and judge its return and its trading.

The score becomes dollar-neutral weights of one unit gross. The Sharpe ratio of many days has no per-day value, so
each day is credited with its first-order effect on the running Sharpe ratio.
"""

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from atft.cross_section import PerDay, PerStock, StockMask, center, is_constant


def dollar_neutral(score: PerStock, valid: StockMask) -> PerStock:
    """Turn a day's scores into positions: centred, the absolute values summing to 1.

    All 0, without a gradient, where the scores are constant; 0 where invalid.
    """
    flat = is_constant(score, valid).unsqueeze(-1)
    centred = center(score, valid)
    # Divided by 1 where flat: a quotient that is not taken must not send NaN back.
    gross = torch.where(flat, 1, centred.abs().sum(-1, keepdim=True))
    return torch.where(flat, 0, centred / gross)


def book_return(score: PerStock, realised: PerStock, valid: StockMask) -> PerDay:
    """Return of the day's dollar-neutral book per unit of gross exposure, a fraction; 0 on a degenerate day."""
    return (dollar_neutral(score, valid) * torch.where(valid, realised, 0)).sum(-1)


def sharpe_loss(
    score: PerStock,
    realised: PerStock,
    valid: StockMask,
    return_mean: Float[Tensor, "#*batch"],
    return_square: Float[Tensor, "#*batch"],
) -> PerDay:
    r"""Minus the differential Sharpe ratio per root of breadth: the day's effect on the running Sharpe ratio.

    With the running mean :math:`A` and mean square :math:`B` of earlier days' book returns and the day's own
    :math:`r`, :math:`D = \frac{B (r - A) - A (r^2 - B) / 2}{(B - A^2)^{3/2}}`, and the loss is
    :math:`-D / \sqrt{n}` for :math:`n` valid stocks. A Sharpe ratio is about IC times :math:`\sqrt{n}`
    (the fundamental law), so this puts the term on the scale of an IC: its weight then means the same beside
    ``ic``, and for 200 stocks as for 4,000. Lower is better; 0 is a day that changes nothing.

    Args:
        realised: raw forward return, a fraction (0.01 is one per cent).
        return_mean: running mean of the book's return, without a gradient.
        return_square: running mean of its square; not positive before the first day.

    Returns:
        Loss of each day; 0, without a gradient, where the scores are constant (no book) or nothing is known of the
        running moments yet.

    Papers: Moody and Saffell (2001), Learning to Trade via Direct Reinforcement, section II-C; Grinold (1989),
    The Fundamental Law of Active Management.
    """
    earned = book_return(score, realised, valid)
    known = return_square > 0
    # A Sharpe ratio above ten a day is never real: the floor keeps lucky first days from dividing by nearly 0.
    variance = torch.maximum(return_square - return_mean**2, 0.01 * return_square)
    std = torch.where(known, variance, 1).sqrt()
    gain = return_square * (earned - return_mean) - return_mean * (earned**2 - return_square) / 2
    # Divided one factor at a time: the cube of a small standard deviation leaves float32.
    loss = -gain / std / std / std
    breadth = valid.sum(-1).clamp_min(1).to(score.dtype)
    return torch.where(known & ~is_constant(score, valid), loss / breadth.sqrt(), 0)


def turnover(score: PerStock, valid: StockMask, previous: PerStock, previous_valid: StockMask) -> PerDay:
    r"""Share of the book that trades since the day before: half the distance of the two books. Unmeasured.

    :math:`\frac{1}{2} \sum_i |w_i - w_i^{before}|` with both days' dollar-neutral weights over the stocks that
    count on both: 0 holds, 1 reverses every position; two unrelated scores trade about 0.7. Pair it with a term
    that teaches an order: a score that never moves trades nothing.

    Args:
        previous: scores of the day before.
        previous_valid: stocks that counted then; all False where the day before is not known.

    Returns:
        Loss of each day, in [0, 1]; 0, without a gradient, on a day without a day before, or where either book
        cannot be made (constant scores, fewer than two stocks in common).
    """
    # Over common stocks only: no score could have kept a position in the others.
    both = valid & previous_valid
    traded = (dollar_neutral(score, both) - dollar_neutral(previous, both)).abs().sum(-1) / 2
    return torch.where(is_constant(score, both) | is_constant(previous, both), 0, traded)


def day_before(x: Shaped[Tensor, "days *rest"]) -> Shaped[Tensor, "days *rest"]:
    """Each day's predecessor in its block; 0 (or False) for the first."""
    return torch.cat((torch.zeros_like(x[:1]), x[:-1]))
