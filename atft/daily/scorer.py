"""What scores a day: a network, the trees of LightGBM, or several of them by the mean of their ranks.

Seeds of a network, or a network and trees, err differently: the mean of their ranks errs less than most of them.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32

from atft.data.cache import DayCache
from atft.data.manifest import Manifest
from atft.errors import InputError
from atft.evaluation.rank_blend import mean_rank


class DayScores(NamedTuple):
    """A day's scores, of its universe in the order of the codes."""

    codes: list[str]
    sectors: list[str | None]
    score: Float32[np.ndarray, "stocks horizons"]
    """Higher is better."""
    quantiles: Float32[np.ndarray, "stocks horizons levels"] | None
    """None without quantile heads."""
    intervals: Float32[np.ndarray, "stocks horizons intervals 2"] | None = None
    """Calibrated ends, the widest interval first, NaN where too few days were validated; None without any."""


class Scorer(NamedTuple):
    """Scores single days of a cache."""

    name: str
    """What it is, in words."""
    files: Sequence[Path]
    """What it was read from."""
    horizons: Sequence[int]
    """Trading days ahead, a score each."""
    features: tuple[str, ...]
    """Columns of a stock that it reads."""
    regimes: tuple[str, ...]
    """Market-wide columns that it reads."""
    config: Mapping[str, Any]
    """The configuration that says where its days come from."""
    learned: Mapping[str, Any]
    """The days that it learned from, and the ranges of its inputs; see `atft.tasks.learned`."""
    score: Callable[[DayCache, int, int], DayScores]
    """Of the universe of a day, by its index on the cache's calendar and the days of history that a network reads,
    itself included. InputError: the cache lacks a feature, or the day has no universe or too little history."""
    quantiles: Sequence[float] = ()
    """Levels of its quantiles."""


def rank_mean(name: str, parts: Sequence[Scorer]) -> Scorer:
    """Score by the mean rank of the day over several scorers of the same horizons, each counting alike."""

    def score(cache: DayCache, day: int, lookback: int) -> DayScores:
        scores = [part.score(cache, day, lookback) for part in parts]
        # Each horizon is ranked as a day is.
        by_horizon = [of.score.T for of in scores]
        # A score that is no number stays one: the mean over the others would hide it.
        known = np.asarray(np.isfinite(by_horizon).all(axis=0))
        return scores[0]._replace(
            score=mean_rank(by_horizon, known).T.astype(np.float32),
            # Quantiles are of one network.
            quantiles=_of_the_only([of.quantiles for of in scores]),
            intervals=_of_the_only([of.intervals for of in scores]),
        )

    return parts[0]._replace(  # all have trained on the days of one configuration
        name=name,
        files=list(dict.fromkeys(file for part in parts for file in part.files)),
        features=tuple(dict.fromkeys(name for part in parts for name in part.features)),
        regimes=tuple(dict.fromkeys(name for part in parts for name in part.regimes)),
        score=score,
        quantiles=_of_the_only([part.quantiles for part in parts]) or (),
    )


def _of_the_only(values: Sequence[Any]) -> Any:
    """The only value that is there; None where none or several are."""
    there = [value for value in values if value is not None and len(value)]
    return there[0] if len(there) == 1 else None


def check_universe(cache: DayCache, day: int) -> None:
    """Check that a day has stocks to rank; raises InputError."""
    if not cache.manifest.universe_rows[day]:
        raise InputError(
            f"no stock is in the universe on {cache.manifest.dates[day]}; name another day with --on"
        )


def feature_indices(read: tuple[str, ...], names: tuple[str, ...], reader: str) -> list[int]:
    """Indices of the columns that are read among the cache's; empty where they are the same, in the same order.

    Raises:
        InputError: the cache lacks some of what the ``reader``, for the message, reads.
    """
    missing = [name for name in read if name not in names]
    if missing:
        raise InputError(
            f"the panel lacks {len(missing)} of the {len(read)} features that the {reader} reads: "
            f"{', '.join(missing[:3])}; make it with the options of the training panel"
        )
    return [] if read == names else [names.index(name) for name in read]


def sector_names(manifest: Manifest, sectors: Sequence[int]) -> list[str | None]:
    """Names of sectors by their numbers; None where there is none, -1."""
    return [manifest.sectors[sector] if sector >= 0 else None for sector in sectors]
