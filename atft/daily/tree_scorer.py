"""Score single days with the trees of a run: the features of the day itself, as the cache has them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from atft.baselines.lightgbm import Trees
from atft.baselines.tree_files import FOLDER, RECORD, TreesRecord, read_trees
from atft.daily.scorer import (
    DayScores,
    Scorer,
    check_universe,
    feature_indices,
    rank_mean,
    sector_names,
)
from atft.data.cache import DayCache
from atft.data.day_features import day_features
from atft.errors import InputError

READER = "run's LightGBM"


def tree_scorer(file: Path, record: TreesRecord, trees: Trees, config: Mapping[str, Any]) -> Scorer:
    """Score by boosted trees of one seed, whose ``record`` is in ``file``; a day's history is not read."""
    inputs = record.inputs

    def score(cache: DayCache, day: int, _: int) -> DayScores:
        manifest = cache.manifest
        check_universe(cache, day)
        columns = (*manifest.features, *(manifest.regimes if inputs.regimes else ()))
        order = feature_indices((*inputs.features, *inputs.regimes), columns, READER)
        scaling = dict(zip(manifest.features, manifest.scaling, strict=True))
        for name, stored in zip(inputs.features, inputs.scaling, strict=True):
            if scaling[name] != stored:
                raise InputError(
                    f"the {READER} reads {name} as {stored}, the cache has it as {scaling[name]}; fit again"
                )
        view = cache.day(day)
        features = day_features(cache, day, view.ranked, market_columns=bool(inputs.regimes))
        if order:  # LightGBM reads rows that lie one after another
            features = np.ascontiguousarray(features[:, order])
        return DayScores(
            codes=[cache.codes[stock] for stock in view.ranked.tolist()],
            sectors=sector_names(manifest, view.sector[view.universe].tolist()),
            score=trees.score(features),
            quantiles=None,
        )

    return Scorer(
        "lightgbm", [file], record.horizons, inputs.features, inputs.regimes, config, record.learned, score
    )


def load_trees(directory: Path, config: Mapping[str, Any]) -> Scorer:
    """Read the trees of a run; several seeds score by their mean rank.

    Raises:
        InputError: LightGBM is not installed, or the run has no trees that can be read.
    """
    record, fits = read_trees(directory)
    path = directory / FOLDER / RECORD
    scorers = [tree_scorer(path, record, trees, config) for trees in fits.values()]
    return scorers[0] if len(scorers) == 1 else rank_mean(f"lightgbm ({len(scorers)} seeds)", scorers)
