"""Fit the baselines on the network's training days, and score the days and stocks of a predictions file.

All read the cache: the features of a stock's last day, ranked where the network gets them ranked, on the rows and
days of its split. Every scorer is measured on the same rows.
"""

from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from atft.baselines.lightgbm import fit_trees
from atft.baselines.perceptron import fit_perceptrons
from atft.baselines.ridge import fit_ridge
from atft.baselines.stock_days import Baseline, StockDays
from atft.baselines.tree_options import TreeOptions
from atft.data.cache import DayCache
from atft.data.day_features import day_features
from atft.data.purge import valid_labels
from atft.data.split import Days
from atft.errors import InputError
from atft.evaluation.predictions import HorizonScores
from atft.tasks.day_data import DayData

BaselineName = Literal["ridge", "lightgbm", "mlp"]
BASELINES: tuple[BaselineName, ...] = get_args(BaselineName)
PACKAGES = {"lightgbm": "lightgbm", "mlp": "sklearn.neural_network"}
"""Baseline -> the package that it needs."""
IN_THE_TABLE: tuple[BaselineName, ...] = ("ridge", "lightgbm")
"""Baselines beside the network where nothing else is asked for."""


def fit_baseline(
    name: BaselineName, data: DayData, seed: int = 1, options: TreeOptions | None = None
) -> Baseline:
    """Fit a baseline on the last day's features of the training days; all but ridge stop by the validation days.

    Args:
        name: ridge, lightgbm or mlp.
        data: panel, split and horizons; features come as its cache has them.
        seed: of lightgbm and mlp; ridge has nothing random.
        options: of lightgbm.

    Raises:
        InputError: a package is not installed, or a period has no known target at some horizon.
    """
    median, iqr = (part.numpy() for part in data.scaling()[:2])
    options = options or TreeOptions()
    market = name == "lightgbm" and options.market_columns
    train = stock_days(data, data.split.train, market)
    if name == "ridge":
        return fit_ridge(train, median, iqr)
    val = stock_days(data, data.split.val, market)
    if name == "mlp":
        return fit_perceptrons(train, val, median, iqr, seed)
    return fit_trees(train, val, torch.get_num_threads(), seed, options)


def stock_days(data: DayData, days: Days, market_columns: bool = False) -> StockDays:
    """The universe of some training or validation days; the targets that count are those of the network's.

    With ``market_columns`` those of the day follow each stock's features.
    """
    cache, targets, sizes = data.open_cache(), [], []
    for day in days.tolist():
        view = cache.day(day)
        valid = valid_labels(cache, day, data.split.min_stocks, data.row_purge)
        target = np.where(valid, view.target, np.nan)[view.universe]
        targets.append(target)
        sizes.append(len(target))

    def read(number: int) -> NDArray[np.float32]:
        day = int(days[number])
        return day_features(cache, day, cache.day(day).ranked, market_columns)

    counted = np.concatenate(targets).astype(np.float32)
    return StockDays(np.array(sizes, dtype=np.int64), counted, read, market_columns)


def check_scored_rows(table: HorizonScores, cache: DayCache) -> None:
    """Check that a cache has the horizon, the stocks and the days of a table whose rows baselines are to score."""
    manifest = cache.manifest
    for name, rows, known in (
        ("horizon", [table.horizon], manifest.horizons),
        ("code", table.codes, cache.codes),
        ("date", table.dates.tolist(), manifest.dates),
    ):
        unknown = set(rows) - set(known)
        if unknown:
            raise InputError(
                f"the scores have {name} {min(unknown)}, which data does not; give the data that they were "
                f"trained on, or leave data out"
            )


def fitted_scores(
    fitted: Mapping[str, Baseline], cache: DayCache, table: HorizonScores
) -> dict[str, NDArray[np.float32]]:
    """Score the rows of one horizon's table by fitted baselines, ``[days, stocks]``; NaN where it has no row."""
    manifest = cache.manifest
    calendar = {d: i for i, d in enumerate(manifest.dates)}
    stock_of = {code: i for i, code in enumerate(cache.codes)}
    stocks = np.array([stock_of[code] for code in table.codes])
    column = manifest.horizons.index(table.horizon)
    scores = {name: np.full(table.present.shape, np.nan, dtype=np.float32) for name in fitted}
    for row, day in enumerate(table.dates.tolist() if fitted else ()):
        present = table.present[row]
        features = day_features(cache, calendar[day], stocks[present], market_columns=True)
        for name, baseline in fitted.items():
            read = features if baseline.market_columns else features[:, : len(manifest.features)]
            scores[name][row, present] = baseline.score(read, slice(column, column + 1))[:, 0]
    return scores


def file_scorers(table: HorizonScores) -> dict[str, NDArray[np.float32]]:
    """Scorers that a predictions file has in itself, by name: reversal and the oracle of a simulated market."""
    scorers = {}
    if "return_1d" in table.columns:
        scorers["reversal"] = reversal_scores(table.columns["return_1d"])
    if "oracle" in table.columns:
        scorers["oracle"] = table.columns["oracle"]
    return scorers


def reversal_scores(return_1d: ArrayLike) -> NDArray[np.float32]:
    """Score each stock by minus its own return of the day: yesterday's losers win (Jegadeesh 1990).

    A stock of unknown return has no score, NaN, as among the null controls of `evaluate`.
    """
    returns = np.asarray(return_1d, dtype=np.float32)
    return np.where(np.isfinite(returns), -returns, np.float32(np.nan))
