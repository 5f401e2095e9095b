"""What chance reaches on these very days: metrics of random scores, the band that a result must leave.

Monte Carlo over the real targets: each draw ranks each day's stocks at random. Cost: one permutation of the
stocks per draw and day, about 15 ns a stock.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from atft.cross_section import average_ranks
from atft.day_statistics import RANKING_METRICS
from atft.progress import track

BANDED = ("rank_ic", "ic", "sharpe", "sharpe_annual")


def random_band(
    target: Float[np.ndarray, "days stocks"],
    valid: Bool[np.ndarray, "days stocks"],
    horizon: int,
    draws: int = 200,
    level: float = 0.95,
    seed: int = 0,
    min_stocks: int = 2,
) -> dict[str, tuple[float, float]]:
    """Find the range within which random scores have a share ``level`` of so many ``draws`` of a run's metrics.

    Rows count that are ``valid`` and whose target, a raw forward return, is known; days with fewer than
    ``min_stocks`` of them are left out.

    Returns:
        ``rank_ic``, ``ic``, ``sharpe`` and ``sharpe_annual``, each with the lowest and highest value of the
        band; NaN where no day can be ranked.
    """
    known = valid & np.isfinite(target)
    returns_of = np.array(target, dtype=np.float32)
    ranks = average_ranks(torch.from_numpy(returns_of), torch.from_numpy(known)).numpy()
    rng = np.random.default_rng(seed)
    days: dict[str, list[NDArray[np.floating]]] = {"spearman": [], "pearson": [], "decile_spread": []}
    for row in track(range(len(target)), "random scores"):
        use = known[row]
        returns = returns_of[row, use]
        count = len(returns)
        if count < max(min_stocks, 2) or returns.min() == returns.max():
            continue
        side = max(1, int(0.1 * count))
        # Scores are the positions 1 .. n; which stock has which is drawn.
        order = rng.permuted(np.broadcast_to(np.arange(count), (draws, count)), axis=1)
        positions = _unit(np.arange(count, dtype=np.float32))
        days["spearman"].append(_unit(ranks[row, use])[order] @ positions)
        days["pearson"].append(_unit(returns)[order] @ positions)
        top, bottom = returns[order[:, -side:]].mean(axis=1), returns[order[:, :side]].mean(axis=1)
        days["decile_spread"].append(top - bottom)
    tables = {name: np.array(values, dtype=np.float64).reshape(-1, draws) for name, values in days.items()}
    runs = [{name: table[:, draw] for name, table in tables.items()} for draw in range(draws)]
    band = {}
    for name in BANDED:
        figures = [RANKING_METRICS[name].value(run, horizon) for run in runs]
        low, high = np.quantile(figures, [(1 - level) / 2, (1 + level) / 2])
        band[name] = (float(low), float(high))
    return band


def _unit(x: NDArray[np.floating]) -> NDArray[np.float32]:
    """Centre and divide by the norm: the dot product of two such vectors is their correlation."""
    centred = x - x.mean(dtype=np.float64)
    return np.asarray(centred / np.sqrt((centred.astype(np.float64) ** 2).sum()), dtype=np.float32)
