"""What chance reaches on these very days: metrics of random scores, the band that a result must leave.

Monte Carlo over the real targets: each draw ranks each day's stocks at random. Cost: one permutation of the
stocks per draw and day, about 15 ns a stock.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from atft.cross_section import average_ranks
from atft.progress import track


def random_band(
    target: NDArray[np.floating],
    valid: NDArray[np.bool_],
    draws: int = 200,
    level: float = 0.95,
    seed: int = 0,
    min_stocks: int = 2,
) -> dict[str, tuple[float, float]]:
    """Find the central range of a run's metrics under random scores.

    Args:
        target: ``[days, stocks]``; raw forward returns of one horizon.
        valid: ``[days, stocks]``; rows to count.
        draws: random runs.
        level: share of the runs within the band.
        seed: of the draws; the same seed gives the same band.
        min_stocks: days with fewer known targets are left out.

    Returns:
        ``rank_ic``, ``ic`` (means over days) and ``sharpe`` (of the daily decile spread), each with the
        lowest and highest value of the band; NaN without a day of two stocks and unequal targets.
    """
    known = valid & np.isfinite(target)
    returns_of = np.array(target, dtype=np.float32)
    ranks = average_ranks(torch.from_numpy(returns_of), torch.from_numpy(known)).numpy()
    rng = np.random.default_rng(seed)
    rank_ic, ic = np.zeros(draws), np.zeros(draws)
    spread, square = np.zeros(draws), np.zeros(draws)
    days = 0
    for row in track(range(len(target)), "random scores"):
        use = known[row]
        returns = returns_of[row, use]
        count = len(returns)
        if count < max(min_stocks, 2) or returns.min() == returns.max():
            continue
        days += 1
        side = max(1, int(0.1 * count))
        # Scores are the places 1 .. n; whose place is whose is drawn.
        dealt = rng.permuted(np.broadcast_to(np.arange(count), (draws, count)), axis=1)
        places = _unit(np.arange(count, dtype=np.float32))
        rank_ic += _unit(ranks[row, use])[dealt] @ places
        ic += _unit(returns)[dealt] @ places
        earned = returns[dealt[:, -side:]].mean(axis=1) - returns[dealt[:, :side]].mean(axis=1)
        spread += earned
        square += earned.astype(np.float64) ** 2
    if days == 0:
        return dict.fromkeys(("rank_ic", "ic", "sharpe"), (float("nan"), float("nan")))
    mean = spread / days
    variance = (square / days - mean**2) * days / max(days - 1, 1)
    runs = {"rank_ic": rank_ic / days, "ic": ic / days, "sharpe": mean / np.sqrt(np.maximum(variance, 1e-30))}
    tails = ((1 - level) / 2, (1 + level) / 2)
    return {n: (float(np.quantile(v, tails[0])), float(np.quantile(v, tails[1]))) for n, v in runs.items()}


def _unit(x: NDArray[np.floating]) -> NDArray[np.float32]:
    """Centre and divide by the norm: the dot product of two such vectors is their correlation."""
    centred = x - x.mean(dtype=np.float64)
    return np.asarray(centred / np.sqrt((centred.astype(np.float64) ** 2).sum()), dtype=np.float32)
