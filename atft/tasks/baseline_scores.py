"""Scores of the baselines on the days and stocks of a predictions file, in its ``[days, stocks]`` layout.

Ridge is fitted on the network's training days, from the cache; reversal is computed from the file. Every scorer is
measured on the same rows.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atft.baselines.ridge import Ridge, fit_ridge
from atft.data.cache import DayCache
from atft.data.purge import valid_labels
from atft.evaluation.predictions import HorizonScores
from atft.progress import track
from atft.tasks.day_data import DayData


def fit_baseline(data: DayData) -> Ridge:
    """Fit ridge on the last day's features of the training days.

    Raises:
        InputError: no training day has two stocks with known targets.
    """
    median, iqr = (part.numpy() for part in data.scaling()[:2])
    cache = data.open_cache()

    def days() -> Iterator[tuple[Any, Any, Any]]:
        for day in track(data.split.train.tolist(), "ridge baseline"):
            view = cache.day(day)
            stocks = np.flatnonzero(view.universe)
            valid = valid_labels(cache, day, data.split.min_stocks, data.row_purge)
            yield day_features(cache, day, stocks), view.target[stocks], valid[stocks]

    return fit_ridge(days(), median, iqr)


def ridge_scores(ridge: Ridge, cache: DayCache, table: HorizonScores) -> NDArray[np.float32]:
    """Score the rows of one horizon's table, ``[days, stocks]``; NaN where the file has no row."""
    manifest = cache.manifest
    calendar = {d: i for i, d in enumerate(manifest.dates)}
    stock_of = {code: i for i, code in enumerate(manifest.codes)}
    stocks = np.array([stock_of[code] for code in table.codes])
    column = manifest.horizons.index(table.horizon)
    scores = np.full(table.present.shape, np.nan, dtype=np.float32)
    for row, day in enumerate(table.dates.tolist()):
        present = table.present[row]
        features = day_features(cache, calendar[day], stocks[present])
        scores[row, present] = ridge.score(features)[:, column]
    return scores


def baseline_scorers(
    table: HorizonScores, ridge: Ridge | None = None, cache: DayCache | None = None
) -> dict[str, NDArray[np.float32]]:
    """Every scorer of one horizon's table by its name, ``[days, stocks]`` each; ridge where it is fitted."""
    scorers = {"network": table.columns["score"]}
    if ridge is not None and cache is not None:
        scorers["ridge"] = ridge_scores(ridge, cache, table)
    if "return_1d" in table.columns:
        scorers["reversal"] = reversal_scores(table.columns["return_1d"])
    if "oracle" in table.columns:
        scorers["oracle"] = table.columns["oracle"]
    return scorers


def reversal_scores(return_1d: ArrayLike) -> NDArray[np.float32]:
    """Score each stock by minus its own return of the day: yesterday's losers win (Jegadeesh 1990).

    A stock of unknown return gets 0, neither a winner nor a loser.
    """
    return -np.nan_to_num(np.asarray(return_1d, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0)


def day_features(cache: DayCache, day: int, stocks: NDArray[Any]) -> NDArray[np.float32]:
    """Features of some stocks on one day, ``[stocks, features]``, in the manifest's order."""
    out = np.empty((len(stocks), len(cache.manifest.features)), dtype=np.float32)
    cache.read_features(day, stocks, out)
    return out
