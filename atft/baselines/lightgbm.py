"""LightGBM on the last day's features: gradient-boosted trees, the baseline that most users would pick.

One model a horizon: by default regression on the target's rank of the day. Trees are added until the objective's
own error on the validation days has not improved for 50, or up to a fixed number. The error is measured natively
after each tree, and is smoother than the RankIC of the same days, whose maximum is one of a thousand noisy values.
`atft.baselines.tree_options` has the settings.

Cost: features are read once and kept binned, a byte each, for all horizons. 2.6 M rows x 170 features (and 0.65 M
to stop on) take 2.5 GB, and a minute to read and bin on one thread. Trees take longer: see docs/training.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from atft.baselines.stock_days import StockDays, check_targets
from atft.baselines.tree_options import TreeOptions
from atft.process.optional import load_optional
from atft.process.progress import Progress

FIXED: dict[str, Any] = {
    "verbose": -1,
    # The same bits for the same seed, whatever the number of threads.
    "deterministic": True,
    "force_row_wise": True,
}
MAX_TREES, PATIENCE, USUAL_RATE = 1000, 50, 0.05
"""Trees, and trees without an improvement, at the usual rate; at half of it twice as many."""
MIN_LEAVES = 100
"""A leaf has at least ``min_data_in_leaf`` training rows, on little data a hundredth of them."""
ROWS_PER_THREAD = 100_000
"""On fewer training rows a further thread waits more than it works."""


@dataclass(frozen=True)
class Trees:
    """Fitted boosters, one a horizon."""

    boosters: Sequence[Any]
    settings: dict[str, Any] = field(default_factory=dict)
    threads: int = 1
    market_columns: bool = False

    def score(
        self, features: Float32[np.ndarray, "stocks features"], columns: slice = slice(None)
    ) -> Float32[np.ndarray, "stocks columns"]:
        """Expected label, by default the day's rank, -0.5 to 0.5; one column for each horizon in ``columns``."""
        scores = [b.predict(features, num_threads=self.threads) for b in self.boosters[columns]]
        return np.stack(scores, axis=1).astype(np.float32)

    @property
    def stopped_early(self) -> bool:
        """Whether the error on the validation days has decided how many trees there are."""
        return any(booster.best_iteration > 0 for booster in self.boosters)

    def facts(self) -> dict[str, Any]:
        """Settings, and the trees of each horizon."""
        # Where nothing has stopped it there is no best iteration.
        trees = [b.best_iteration if b.best_iteration > 0 else b.current_iteration() for b in self.boosters]
        return {"settings": self.settings, "trees": trees}


@dataclass(frozen=True)
class BinnedDays:
    """Training and validation rows with their features in bins, a byte each; read once for any number of fits."""

    train: StockDays
    val: StockDays
    datasets: tuple[Any, Any]


def fit_trees(
    train: StockDays, val: StockDays, threads: int = 1, seed: int = 1, options: TreeOptions | None = None
) -> Trees:
    """Fit LightGBM on the ranks of the training days, one model a horizon.

    Args:
        train: rows to fit on; features in any unit, as trees only read their order.
        val: rows whose error decides how many trees are kept.
        threads: most threads of LightGBM; the result is the same for any number.
        seed: of the rows and features that each tree draws.
        options: settings; by default those of `TreeOptions`.

    Raises:
        InputError: LightGBM is not installed, or a horizon has no known target.
    """
    options = options or TreeOptions()
    settings = tree_settings(options, len(train.target), seed)
    return fit_binned(bin_days(train, val, settings, threads), options, threads, seed)


def tree_settings(options: TreeOptions, rows: int, seed: int) -> dict[str, Any]:
    """What LightGBM is called with, but the threads, on this number of training rows."""
    settings = {**options.parameters(), **FIXED, "seed": seed}
    settings["min_data_in_leaf"] = min(options.min_data_in_leaf, max(1, rows // MIN_LEAVES))
    return settings


def bin_days(train: StockDays, val: StockDays, settings: Mapping[str, Any], threads: int = 1) -> BinnedDays:
    """Read all features and put each into at most 255 bins, those of the training days.

    Args:
        settings: of `tree_settings`; with ``feature_pre_filter`` False, leaves of any size can be fitted.
    """
    lightgbm = load_optional("lightgbm", "baselines")
    check_targets(train, val)
    parameters = {**settings, "num_threads": _thread_count(train, threads)}
    binned: list[Any] = []
    for days in (train, val):
        data = lightgbm.Dataset(
            _sequences(days), reference=binned[0] if binned else None, params=dict(parameters)
        )
        with Progress(f"lightgbm: reading {len(days.sizes):,} days"):
            binned.append(data.construct())
    return BinnedDays(train, val, (binned[0], binned[1]))


def fit_binned(binned: BinnedDays, options: TreeOptions, threads: int = 1, seed: int = 1) -> Trees:
    """Fit one model a horizon on binned rows; arguments are those of `fit_trees`."""
    lightgbm = load_optional("lightgbm", "baselines")
    horizons = binned.train.target.shape[1]
    settings = tree_settings(options, len(binned.train.target), seed)
    parameters = {**settings, "num_threads": _thread_count(binned.train, threads)}
    slower = USUAL_RATE / options.learning_rate
    both = list(zip(binned.datasets, (binned.train, binned.val), strict=True))
    labels = [options.labels(days.ranks()) for days in (binned.train, binned.val)]
    boosters = []
    for column in range(horizons):
        train_rows, val_rows = (
            _known_rows(data, label[:, column], days if options.ranks_days else None)
            for (data, days), label in zip(both, labels, strict=True)
        )
        with Progress("lightgbm", line=lambda work: f"{work.description}: {work.done} trees") as work:
            work.description = f"lightgbm, horizon {column + 1} of {horizons}"
            callbacks: list[Any] = [lambda _, work=work: work.advance()]
            if options.trees is None:
                callbacks.append(lightgbm.early_stopping(max(1, round(PATIENCE * slower)), verbose=False))
            trees = options.trees or max(1, round(MAX_TREES * slower))
            measured = [val_rows] if options.trees is None else []
            booster = lightgbm.train(dict(parameters), train_rows, trees, measured, callbacks=callbacks)
        boosters.append(booster)
    return Trees(boosters, settings, parameters["num_threads"], binned.train.market_columns)


def _thread_count(train: StockDays, threads: int) -> int:
    return min(threads, max(1, len(train.target) // ROWS_PER_THREAD))


def _known_rows(data: Any, labels: NDArray[np.float32], days: StockDays | None) -> Any:
    """The rows whose label is known; they share the bins of all rows. With ``days``, each day is a query."""
    known = np.isfinite(labels)
    data.set_label(np.nan_to_num(labels))
    rows = data.subset(np.flatnonzero(known).tolist())
    if days is not None:
        sizes = np.diff(np.concatenate([[0], np.cumsum(known)])[days.bounds])
        rows.construct().set_group(sizes[sizes > 0])
    return rows


def _sequences(days: StockDays) -> list[Any]:
    """Days as LightGBM reads them, one at a time."""
    lightgbm = load_optional("lightgbm", "baselines")
    read = lru_cache(maxsize=1)(days.read)

    class Day(lightgbm.Sequence):  # type: ignore[name-defined, misc]
        """The rows of a day: single ones to find the bins, then all of them."""

        def __init__(self, index: int, size: int) -> None:
            self.index, self.size, self.batch_size = index, size, size

        def __getitem__(self, rows: Any) -> NDArray[np.float64]:
            return np.asarray(read(self.index)[rows], dtype=np.float64)

        def __len__(self) -> int:
            return self.size

    return [Day(index, size) for index, size in enumerate(days.sizes.tolist()) if size]
