"""Ridge regression on the last day's features: what a linear model of today sees, and the network must beat.

Streams over days, keeps only the normal equations, solves them in closed form. Features and targets are
centred within each day, as only the order within a day counts. Cost: one ``features x features`` product per
day and set of valid stocks; 8.9 M rows x 112 are about 0.2 TFLOP.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from atft.baselines.stock_days import StockDays
from atft.cross_section import rank_normal
from atft.errors import InputError
from atft.process.progress import track

CLIP = 5.0
"""Scaled features are clipped here: least squares would follow the few that reach a thousand."""


@dataclass(frozen=True)
class Ridge:
    """A fitted baseline: one linear score per horizon."""

    market_columns: ClassVar[bool] = False
    """The same for all stocks of a day, they would change no rank."""

    coefficients: NDArray[np.float64]
    """``[features, horizons]``, on scaled features."""
    median: NDArray[np.float32]
    """``[features]``; subtracted first."""
    iqr: NDArray[np.float32]
    """``[features]``; divided by then."""
    penalty: float
    """Per row: 1 halves the coefficient of a feature of unit variance."""

    def score(self, features: ArrayLike, columns: slice = slice(None)) -> NDArray[np.float32]:
        """Score stocks from one day's raw features, ``[*, features]``, one column for each horizon."""
        scaled = scale_features(features, self.median, self.iqr)
        return (scaled @ self.coefficients.astype(np.float32)).astype(np.float32)[..., columns]

    def facts(self) -> dict[str, Any]:
        """The penalty."""
        return {"settings": {"penalty": self.penalty, "clip": CLIP}}


def scale_features(
    features: ArrayLike, median: NDArray[np.float32], iqr: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Scale robustly, clip at 5 interquartile ranges, and let an unknown value be the median: 0."""
    scaled = (np.asarray(features, dtype=np.float32) - median) / np.where(iqr > 0, iqr, 1)
    return np.clip(np.nan_to_num(scaled, nan=0.0), -CLIP, CLIP).astype(np.float32)


def fit_ridge(train: StockDays, median: ArrayLike, iqr: ArrayLike, penalty: float = 1e-3) -> Ridge:
    r"""Fit one ridge regression per horizon on the day's rank-normal targets.

    :math:`\beta = (X^\top X + \lambda n I)^{-1} X^\top y` over rows of known target, X and y centred per day.

    Args:
        train: rows to fit on, with raw features.
        median: ``[features]`` of the training days; 0 for features scaled before.
        penalty: ``lambda``, per row: 1 halves the coefficient of a feature of unit variance.

    Raises:
        InputError: no day has two known targets at some horizon.
    """
    middle, width = np.asarray(median, np.float32), np.asarray(iqr, np.float32)
    n_features, n_horizons = len(middle), train.target.shape[1]
    # The normal equations are all that is kept of a day.
    gram, moment = np.zeros((n_horizons, n_features, n_features)), np.zeros((n_horizons, n_features))
    rows = np.zeros(n_horizons)
    for features, target in track(train, "ridge baseline", len(train.sizes)):
        scaled, label = scale_features(features, middle, width), _rank_normal(target)
        known = np.isfinite(target)
        used_before: NDArray[np.bool_] | None = None
        for h in range(n_horizons):
            use = known[:, h]
            if use.sum() < 2:
                continue
            # Known targets seldom differ between horizons: the product is kept while they do not.
            if used_before is None or not np.array_equal(use, used_before):
                used_before = use
                x = scaled[use] - scaled[use].mean(axis=0)
                product = x.T @ x
            gram[h] += product
            moment[h] += x.T @ label[use, h]
            rows[h] += use.sum()
    if not rows.all():
        raise InputError("ridge baseline: no training day has two stocks with known targets at every horizon")
    solved = [
        np.linalg.solve(gram[h] + penalty * rows[h] * np.eye(n_features), moment[h])
        for h in range(n_horizons)
    ]
    return Ridge(np.stack(solved, axis=1), middle, width, penalty)


def _rank_normal(target: NDArray[np.float32]) -> NDArray[np.float32]:
    """Per-day rank-normal targets ``[stocks, horizons]``; 0 where unknown."""
    by_horizon = torch.from_numpy(target.T.copy())
    return np.ascontiguousarray(rank_normal(by_horizon, by_horizon.isfinite()).numpy().T)
