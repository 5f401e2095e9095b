"""LightGBM on the last day's features: gradient-boosted trees, the baseline that most users would pick.

One model a horizon: regression on the target's rank of the day. Trees are added until the squared error on the
validation days has not improved for 50. It is measured natively after each tree, and is smoother than the RankIC
of the same days, whose maximum is one of a thousand noisy values. Settings are one usual set, not tuned.

Cost: features are read once and kept binned, a byte each, for all horizons. 2.6 M rows x 170 features (and 0.65 M
to stop on) take 2.5 GB, and a minute to read and bin on one thread. Trees take longer: see docs/training.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from atft.baselines.optional import load_optional
from atft.baselines.stock_days import StockDays, check_targets
from atft.progress import Progress

SETTINGS: dict[str, Any] = {
    "objective": "regression",
    "num_leaves": 63,
    "learning_rate": 0.05,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.5,
    "bagging_freq": 1,
    "verbose": -1,
    # The same bits for the same seed, whatever the number of threads.
    "deterministic": True,
    "force_row_wise": True,
}
MAX_TREES, PATIENCE = 1000, 50
MAX_LEAF_ROWS, MIN_LEAVES = 2000, 100
"""A leaf has at least 2,000 training rows, on little data a hundredth of them."""
ROWS_PER_THREAD = 100_000
"""On fewer training rows a further thread waits more than it works."""


@dataclass(frozen=True)
class Trees:
    """Fitted boosters, one a horizon."""

    boosters: Sequence[Any]
    settings: dict[str, Any] = field(default_factory=dict)
    threads: int = 1

    def score(
        self, features: Float32[np.ndarray, "stocks features"], columns: slice = slice(None)
    ) -> Float32[np.ndarray, "stocks columns"]:
        """Expected rank of the day, about -0.5 to 0.5, one column for each horizon in ``columns``."""
        scores = [b.predict(features, num_threads=self.threads) for b in self.boosters[columns]]
        return np.stack(scores, axis=1).astype(np.float32)

    def facts(self) -> dict[str, Any]:
        """Settings, and the trees of each horizon."""
        return {"settings": self.settings, "trees": [b.best_iteration for b in self.boosters]}


def fit_trees(train: StockDays, val: StockDays, threads: int = 1, seed: int = 1) -> Trees:
    """Fit LightGBM on the ranks of the training days, one model a horizon.

    Args:
        train: rows to fit on; features in any unit, as trees only read their order.
        val: rows whose squared error decides how many trees are kept.
        threads: most threads of LightGBM; the result is the same for any number.
        seed: of the rows and features that each tree draws.

    Raises:
        InputError: LightGBM is not installed, or a horizon has no known target.
    """
    lightgbm = load_optional("lightgbm")
    check_targets(train, val)
    leaf_rows = min(MAX_LEAF_ROWS, max(1, len(train.target) // MIN_LEAVES))
    settings = {**SETTINGS, "min_data_in_leaf": leaf_rows, "seed": seed}
    workers = min(threads, max(1, len(train.target) // ROWS_PER_THREAD))
    running = {**settings, "num_threads": workers}
    binned: list[tuple[Any, NDArray[np.float32]]] = []
    for days in (train, val):
        reference = binned[0][0] if binned else None
        data = lightgbm.Dataset(_sequences(days), reference=reference, params=running)
        with Progress(f"lightgbm: reading {len(days.sizes):,} days"):
            binned.append((data.construct(), days.ranks()))
    boosters = []
    for column in range(train.target.shape[1]):
        fitted, stopped = (_known_rows(data, ranks[:, column]) for data, ranks in binned)
        with Progress("lightgbm", line=lambda work: f"{work.description}: {work.done} trees") as work:
            work.description = f"lightgbm, horizon {column + 1} of {train.target.shape[1]}"
            callbacks = [
                lightgbm.early_stopping(PATIENCE, verbose=False),
                lambda _, work=work: work.advance(),
            ]
            booster = lightgbm.train(running, fitted, MAX_TREES, [stopped], callbacks=callbacks)
        boosters.append(booster)
    return Trees(boosters, settings, workers)


def _known_rows(data: Any, ranks: NDArray[np.float32]) -> Any:
    """The rows whose rank is known, with their label; they share the bins of all rows."""
    data.set_label(np.nan_to_num(ranks))
    return data.subset(np.flatnonzero(np.isfinite(ranks)).tolist())


def _sequences(days: StockDays) -> list[Any]:
    """Days as LightGBM reads them, one at a time."""
    lightgbm = load_optional("lightgbm")
    read = lru_cache(maxsize=1)(days.read)

    class Day(lightgbm.Sequence):  # type: ignore[name-defined, misc]
        """The rows of a day: single ones to find the bins, then all of them."""

        def __init__(self, place: int, size: int) -> None:
            self.place, self.size, self.batch_size = place, size, size

        def __getitem__(self, rows: Any) -> NDArray[np.float64]:
            return np.asarray(read(self.place)[rows], dtype=np.float64)

        def __len__(self) -> int:
            return self.size

    return [Day(place, size) for place, size in enumerate(days.sizes.tolist()) if size]
