"""Rows that a baseline is fitted on, with a planted signal, holes and unknown targets."""

import numpy as np

from atft.baselines.stock_days import StockDays


def planted_days(days: int = 30, stocks: int = 40, features: int = 5, seed: int = 0) -> StockDays:
    """Two horizons: the first follows ``x_0``, the second the product of ``x_1`` and ``x_2``."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((days, stocks, features)).astype(np.float32)
    signal = np.stack([x[..., 0], x[..., 1] * x[..., 2]], axis=-1)
    target = (0.02 * (signal + rng.standard_normal(signal.shape))).astype(np.float32)
    target[rng.random(target.shape) < 0.05] = np.nan
    x[rng.random(x.shape) < 0.05] = np.nan
    sizes = np.full(days, stocks, dtype=np.int64)
    return StockDays(sizes, target.reshape(-1, 2), lambda day: x[day])


def matrix(days: StockDays) -> np.ndarray:
    """All features as one matrix, ``[rows, features]``."""
    return np.concatenate([features for features, _ in days])
