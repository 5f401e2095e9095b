"""Several scorers count as one by the mean of their ranks; a score that is no number is not hidden by it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from atft.daily.scorer import DayScores, Scorer, check_universe, feature_indices, rank_mean
from atft.data.cache import DayCache
from atft.errors import InputError
from atft.evaluation.rank_blend import mean_rank

CACHE = DayCache("of no day")


def scorer_of(name: str, score: list[list[float]], quantiles: tuple[float, ...] = (), **more: Any) -> Scorer:
    """A scorer of two horizons that gives these scores to every day."""
    values = np.array(score, dtype=np.float32)
    levels = np.stack([values] * len(quantiles), axis=-1) if quantiles else None
    codes = [f"S{i}" for i in range(len(values))]
    made = {"features": ("x",), "regimes": (), "config": {"of": name}, "learned": {"of": name}, **more}
    return Scorer(
        name=name,
        files=[Path(name)],
        horizons=[1, 5],
        quantiles=quantiles,
        score=lambda cache, day, lookback: DayScores(codes, [None] * len(codes), values, levels),
        **made,
    )


FIRST = scorer_of("first", [[0.1, 3.0], [0.5, 2.0], [0.3, 1.0]], (0.1, 0.5, 0.9))
SECOND = scorer_of("second", [[10.0, 1.0], [5.0, 2.0], [7.0, 2.0]], features=("x", "y"), regimes=("r",))


def test_scores_are_the_mean_ranks_of_each_horizon() -> None:
    blend = rank_mean("blend", [FIRST, SECOND])
    scores = blend.score(CACHE, 0, 1)
    for place in range(2):
        parts = [part.score(CACHE, 0, 1).score[:, place][None] for part in (FIRST, SECOND)]
        expected = mean_rank(parts, np.ones((1, 3), dtype=bool))[0].astype(np.float32)
        assert scores.score[:, place].tobytes() == expected.tobytes()
    assert scores.codes == ["S0", "S1", "S2"]
    assert blend.features == ("x", "y") and blend.regimes == ("r",)
    assert blend.name == "blend" and blend.config == blend.learned == {"of": "first"}
    assert blend.files == [Path("first"), Path("second")]
    assert rank_mean("seeds", [SECOND, SECOND]).files == [Path("second")]


def test_quantiles_are_those_of_the_only_part_that_has_them() -> None:
    one = rank_mean("blend", [FIRST, SECOND])
    assert one.quantiles == (0.1, 0.5, 0.9)
    levels = one.score(CACHE, 0, 1).quantiles
    assert levels is not None and levels.shape == (3, 2, 3)
    both = rank_mean("seeds", [FIRST, FIRST])
    assert both.quantiles == () and both.score(CACHE, 0, 1).quantiles is None


def test_intervals_are_those_of_the_only_part_that_has_them_for_the_day_that_is_asked_for() -> None:
    width = np.ones((3, 2, 1, 2), dtype=np.float32)
    asked = []

    def calibrated(*day: Any) -> DayScores:
        asked.append(day)
        return FIRST.score(*day)._replace(intervals=width)

    network = FIRST._replace(score=calibrated)
    assert rank_mean("blend", [network, SECOND]).score(CACHE, 7, 20).intervals is width
    assert rank_mean("blend", [SECOND, network]).score(CACHE, 7, 20).intervals is width
    assert rank_mean("seeds", [network, network]).score(CACHE, 7, 20).intervals is None
    assert asked == [(CACHE, 7, 20)] * 4


def test_a_score_that_is_no_number_in_one_part_is_none_in_the_mean() -> None:
    broken = scorer_of("broken", [[np.nan, 1.0], [1.0, 2.0], [2.0, 3.0]])
    scores = rank_mean("blend", [FIRST, broken]).score(CACHE, 0, 1)
    assert np.isnan(scores.score).tolist() == [[True, False], [False, False], [False, False]]


def test_columns_are_found_by_their_names() -> None:
    assert feature_indices(("a", "b"), ("a", "b"), "checkpoint") == []
    assert feature_indices(("c", "a"), ("a", "b", "c"), "checkpoint") == [2, 0]
    with pytest.raises(InputError, match="lacks 1 of the 2 features that the trees reads: d; make it"):
        feature_indices(("a", "d"), ("a", "b"), "trees")


def test_a_day_without_a_stock_to_rank_is_one_line(types_unchecked: None) -> None:
    cache: Any = SimpleNamespace(
        manifest=SimpleNamespace(universe_rows=[3, 0], dates=["2015-01-05", "2015-01-06"])
    )
    check_universe(cache, 0)
    with pytest.raises(
        InputError, match="no stock is in the universe on 2015-01-06; name another day with --on"
    ):
        check_universe(cache, 1)
