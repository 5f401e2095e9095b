"""Score single days with the trees of a run: the features of the day itself, as the cache has them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from atft.baselines.lightgbm import Trees
from atft.baselines.tree_files import FOLDER, RECORD, TreesRecord, read_trees
from atft.daily.scorer import DayScores, RankMean, Scorer, check_universe, feature_indices, sector_names
from atft.data.cache import DayCache
from atft.data.day_features import day_features
from atft.errors import InputError

READER = "run's LightGBM"


class TreeScorer(NamedTuple):
    """Boosted trees of one seed."""

    file: Path
    """Their record."""
    record: TreesRecord
    trees: Trees
    config: Mapping[str, Any]
    """Of the run."""

    @property
    def name(self) -> str:
        return "lightgbm"

    @property
    def files(self) -> Sequence[Path]:
        return [self.file]

    @property
    def horizons(self) -> Sequence[int]:
        return self.record.horizons

    @property
    def quantiles(self) -> Sequence[float]:
        return ()

    @property
    def features(self) -> tuple[str, ...]:
        return self.record.inputs.features

    @property
    def regimes(self) -> tuple[str, ...]:
        return self.record.inputs.regimes

    @property
    def learned(self) -> Mapping[str, Any]:
        return self.record.learned

    def score(self, cache: DayCache, day: int, lookback: int) -> DayScores:
        """Score the universe of one day; its history is not read. See `atft.daily.scorer.Scorer`."""
        manifest = cache.manifest
        check_universe(cache, day)
        columns = (*manifest.features, *(manifest.regimes if self.regimes else ()))
        order = feature_indices((*self.features, *self.regimes), columns, READER)
        scaling = dict(zip(manifest.features, manifest.scaling, strict=True))
        for name, stored in zip(self.features, self.record.inputs.scaling, strict=True):
            if scaling[name] != stored:
                raise InputError(
                    f"the {READER} reads {name} as {stored}, the cache has it as {scaling[name]}; fit again"
                )
        view = cache.day(day)
        features = day_features(cache, day, view.ranked, market_columns=bool(self.regimes))
        if order:
            features = np.ascontiguousarray(features[:, order])
        return DayScores(
            codes=[cache.codes[stock] for stock in view.ranked.tolist()],
            sectors=sector_names(manifest, view.sector[view.universe].tolist()),
            score=self.trees.score(features),
            quantiles=None,
        )


def load_trees(directory: Path, config: Mapping[str, Any]) -> Scorer:
    """Read the trees of a run; several seeds score by their mean rank.

    Raises:
        InputError: LightGBM is not installed, or the run has no trees that can be read.
    """
    record, fits = read_trees(directory)
    path = directory / FOLDER / RECORD
    scorers = [TreeScorer(path, record, trees, config) for trees in fits.values()]
    return scorers[0] if len(scorers) == 1 else RankMean(f"lightgbm ({len(scorers)} seeds)", scorers)
