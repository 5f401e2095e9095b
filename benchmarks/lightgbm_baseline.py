"""LightGBM on the features, rows and days of a config, beside ridge and yesterday's reversal, in one table.

    pip install 'atft[baselines]'
    python benchmarks/lightgbm_baseline.py                                        configs/nasdaq.yaml
    python benchmarks/lightgbm_baseline.py --config mine.yaml --model.horizons '[5]'

Reads what the network reads on the last day: the cache of the config, its features ranked per day where the
config ranks them. One model a horizon: regression on the target's rank of the day, 63 leaves, rate 0.05, at least
2,000 rows a leaf, half of features and rows a tree, trees until the validation days have not improved for 50. Not
tuned.

On configs/nasdaq.yaml: 2.6 M training rows x 170 features; one to two minutes a horizon on 2 quiet cores.
"""

import argparse
import time
from typing import Any

import lightgbm
import numpy as np

from atft.commands.train import build
from atft.data.cache import DayCache
from atft.evaluation.comparison_table import comparison_table, table_text
from atft.evaluation.predictions import HorizonScores
from atft.evaluation.random_scores import random_band
from atft.evaluation.summary import summarise_scorers
from atft.tasks.baseline_scores import day_features, fit_baseline, reversal_scores

SETTINGS = {
    "objective": "regression",
    "num_leaves": 63,
    "learning_rate": 0.05,
    "min_data_in_leaf": 2000,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.5,
    "bagging_freq": 1,
    "seed": 1,
    "verbose": -1,
}
MAX_TREES, PATIENCE = 1000, 50


def rows_of(cache: DayCache, days: Any) -> tuple[Any, Any]:
    """Features ``[rows, features]`` and returns ``[rows, horizons]`` of the universe, day after day."""
    stocks = [np.flatnonzero(cache.day(day).universe) for day in days]
    features = np.empty((sum(map(len, stocks)), len(cache.manifest.features)), dtype=np.float32)
    stop = 0
    for day, some in zip(days, stocks, strict=True):
        start, stop = stop, stop + len(some)
        cache.read_features(day, some, features[start:stop])
    return features, np.concatenate([cache.day(d).target[s] for d, s in zip(days, stocks, strict=True)])


def day_ranks(target: Any, sizes: list[int]) -> Any:
    """Rank of each return among the known ones of its day, from -0.5 to 0.5; NaN where unknown."""
    ranks = np.full(len(target), np.nan, dtype=np.float32)
    for part in np.split(np.arange(len(target)), np.cumsum(sizes)[:-1]):
        known = part[np.isfinite(target[part])]
        order = target[known].argsort(kind="stable").argsort(kind="stable")
        ranks[known] = (order + 0.5) / max(len(known), 1) - 0.5
    return ranks


def table_of(cache: DayCache, days: Any, column: int) -> HorizonScores:
    """The universe's rows of some days, with the returns of one horizon, as evaluation reads them."""
    views = [cache.day(day) for day in days]
    present = np.stack([view.universe for view in views])
    columns = {"target": np.stack([view.target[:, column] for view in views])}
    if cache.manifest.delayed:
        columns["target_lag1"] = np.stack([view.delayed_target[:, column] for view in views])
    dates = np.array([cache.manifest.dates[day] for day in days], dtype="datetime64[D]")
    return HorizonScores(cache.manifest.horizons[column], dates, list(cache.manifest.codes), present, columns)


def main() -> None:
    """Train a model a horizon and print the table of the test days."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--config", default="nasdaq", help="a config, or the name of a shipped one")
    options, keys = parser.parse_known_args()
    data = build("fit", ["--config", options.config, *keys], quiet=True).datamodule
    cache, split = data.open_cache(), data.split
    ridge = fit_baseline(data)
    features = {name: rows_of(cache, getattr(split, name)) for name in ("train", "val")}
    sizes = {name: [int(cache.day(d).universe.sum()) for d in getattr(split, name)] for name in features}
    rows, bands = [], {}
    for column, horizon in enumerate(cache.manifest.horizons):
        start, sets = time.perf_counter(), {}
        for name, (values, targets) in features.items():
            label = day_ranks(targets[:, column], sizes[name])
            known = np.isfinite(label)
            sets[name] = lightgbm.Dataset(values[known], label[known], reference=sets.get("train"))
        stop = lightgbm.early_stopping(PATIENCE, verbose=False)
        model = lightgbm.train(SETTINGS, sets["train"], MAX_TREES, [sets["val"]], callbacks=[stop])
        print(f"{horizon}d: {model.best_iteration} trees in {time.perf_counter() - start:.0f} s", flush=True)
        # The test days are scored once, after everything is chosen.
        table = table_of(cache, split.test, column)
        scores = {name: np.full(table.present.shape, np.nan, np.float32) for name in ("lightgbm", "ridge")}
        for i, day in enumerate(split.test):
            stocks = np.flatnonzero(table.present[i])
            today = day_features(cache, day, stocks)
            scores["lightgbm"][i, stocks] = model.predict(today)
            scores["ridge"][i, stocks] = ridge.score(today)[:, column]
        returns = np.stack([cache.day(day).return_1d for day in split.test])
        scores["reversal"] = reversal_scores(returns)
        rows += summarise_scorers(scores, table, split.min_stocks)
        target = table.columns["target"]
        bands[horizon] = random_band(target, table.present, horizon, min_stocks=split.min_stocks)
    first, last = data.split_options.test
    title = f"\ntest days {first} to {last}, mean ± standard error"
    print(table_text(comparison_table(rows, bands, title, split.min_stocks)))


if __name__ == "__main__":
    main()
