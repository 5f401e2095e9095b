"""A multi-layer perceptron on the last day's features: what a network without history or graph sees.

scikit-learn's ``MLPRegressor``, one a horizon, on the target's rank of the day. Trained epoch by epoch until the
RankIC of the validation days has not improved for 5 epochs; the best epoch's weights are kept. Two narrow layers,
Adam at its usual rate, and a penalty as strong as the ridge's: with scikit-learn's default of 0.0001 it overfits in
its first epochs, since a row has so little signal.

Cost: one thread; on 2.6 M rows x 170 features 20 s an epoch and horizon, in 0.8 GB.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float32
from numpy.typing import ArrayLike, NDArray

from atft.baselines.ridge import scale_features
from atft.baselines.stock_days import StockDays, check_targets
from atft.process.optional import load_optional
from atft.process.progress import Progress

SETTINGS: dict[str, Any] = {
    "hidden_layer_sizes": (64, 32),
    "alpha": 1.0,  # over the rows of a step: 0.002 a row, as strong as ridge's
    "learning_rate_init": 1e-3,
    "shuffle": False,  # rows are drawn here, over many days at once
}
BATCH_ROWS, CHUNK_ROWS = 512, 100_000
"""Rows of a step of Adam, and rows in memory, of days drawn at random."""
MAX_EPOCHS, PATIENCE = 100, 5
RANK_WIDTH = math.sqrt(12)
"""Labels are ranks from -0.5 to 0.5 times this: a standard deviation of 1."""


@dataclass(frozen=True)
class Perceptrons:
    """Fitted networks, one a horizon."""

    market_columns: ClassVar[bool] = False

    networks: Sequence[Any]
    median: NDArray[np.float32]
    """``[features]``; subtracted first."""
    iqr: NDArray[np.float32]
    """``[features]``; divided by then."""
    epochs: list[int] = field(default_factory=list)
    """Epoch whose weights are kept, from 1, of each horizon."""
    seed: int = 1

    def score(
        self, features: Float32[np.ndarray, "stocks features"], columns: slice = slice(None)
    ) -> Float32[np.ndarray, "stocks columns"]:
        """Expected rank of the day in standard deviations, one column for each horizon in ``columns``."""
        scaled = scale_features(features, self.median, self.iqr)
        return np.stack([n.predict(scaled) for n in self.networks[columns]], axis=1).astype(np.float32)

    def facts(self) -> dict[str, Any]:
        """Settings, and the epochs of each horizon."""
        settings = {**SETTINGS, "batch_size": BATCH_ROWS, "seed": self.seed}
        return {"settings": settings, "epochs": self.epochs}


def fit_perceptrons(
    train: StockDays, val: StockDays, median: ArrayLike, iqr: ArrayLike, seed: int = 1
) -> Perceptrons:
    """Fit a perceptron on the ranks of the training days, one a horizon.

    Args:
        val: rows whose RankIC decides which epoch is kept.
        median: ``[features]`` of the training days; 0 for features scaled before.

    Raises:
        InputError: scikit-learn is not installed, or a horizon has no known target.
    """
    neural_network = load_optional("sklearn.neural_network", "baselines")
    limit_threads = load_optional("threadpoolctl", "baselines").threadpool_limits
    check_targets(train, val)
    horizons = train.target.shape[1]
    middle, width = np.asarray(median, np.float32), np.asarray(iqr, np.float32)
    networks = [neural_network.MLPRegressor(**SETTINGS, random_state=seed) for _ in range(horizons)]
    fitted = Perceptrons(networks, middle, width, [0] * horizons, seed)
    best = np.full(horizons, -np.inf)
    weights: list[Any] = [None] * horizons
    labels, rng = RANK_WIDTH * train.ranks(), np.random.default_rng(seed)
    # One thread: the products are small, and their bits are then those of any machine size.
    with limit_threads(1), Progress("mlp", line=lambda work: f"mlp: {work.done} epochs") as work:
        for epoch in range(1, MAX_EPOCHS + 1):
            # A network that has not improved for long is left as it is.
            running = [h for h in range(horizons) if epoch - fitted.epochs[h] <= PATIENCE]
            if not running:
                break
            for features, label in _chunks(train, labels, rng):
                scaled = scale_features(features, middle, width)
                for h in running:
                    known = np.isfinite(label[:, h])
                    if known.any():
                        networks[h].set_params(batch_size=min(BATCH_ROWS, int(known.sum())))
                        networks[h].partial_fit(scaled[known], label[known, h])
            rank_ic = val.rank_ic(np.concatenate([fitted.score(features) for features, _ in val]))
            for h in running:
                if rank_ic[h] > best[h] or weights[h] is None:
                    best[h], fitted.epochs[h] = np.nan_to_num(rank_ic[h], nan=-np.inf), epoch
                    weights[h] = _weights(networks[h])
            work.advance()
    for network, (coefficients, intercepts) in zip(networks, weights, strict=True):
        network.coefs_, network.intercepts_ = coefficients, intercepts
    return fitted


def _weights(network: Any) -> Any:
    return [c.copy() for c in network.coefs_], [i.copy() for i in network.intercepts_]


def _chunks(
    days: StockDays, labels: NDArray[np.float32], rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """All rows once, in random order among the days of a chunk, which are drawn too."""
    order = rng.permutation(len(days.sizes))
    chunk = np.cumsum(days.sizes[order]) // CHUNK_ROWS
    for number in np.unique(chunk):
        some = order[chunk == number]
        features = np.concatenate([days.read(day) for day in some.tolist()])
        label = np.concatenate([labels[days.rows(day)] for day in some.tolist()])
        rows = rng.permutation(len(features))
        yield features[rows], label[rows]
