"""The mean rank: against scipy day by day, blind to units, and what it does where a scorer has no score."""

import numpy as np
import pytest
from scipy.stats import rankdata

from atft.evaluation.rank_blend import mean_rank


def scorers(n: int = 3, days: int = 5, stocks: int = 12) -> tuple[list[np.ndarray], np.ndarray]:
    rng = np.random.default_rng(0)
    present = rng.random((days, stocks)) < 0.8
    return [np.where(present, rng.integers(0, 6, (days, stocks)), np.nan) for _ in range(n)], present


def test_it_is_the_mean_of_average_ranks_as_shares_of_the_days_stocks() -> None:
    scores, present = scorers()
    blend = mean_rank(scores, present)
    assert np.isnan(blend[~present]).all()
    for day, row in enumerate(present):
        shares = [(rankdata(s[day, row]) - 0.5) / row.sum() for s in scores]
        np.testing.assert_allclose(blend[day, row], np.mean(shares, axis=0), atol=1e-12)


def test_units_of_a_scorer_and_the_order_of_scorers_change_nothing() -> None:
    scores, present = scorers()
    stretched = [1e6 * scores[0] - 3, np.exp(scores[1]), scores[2]]
    np.testing.assert_array_equal(mean_rank(scores, present), mean_rank(stretched, present))
    np.testing.assert_allclose(mean_rank(scores, present), mean_rank(scores[::-1], present), atol=1e-12)


def test_equal_sums_of_ranks_are_ties_whatever_their_order() -> None:
    ranks = np.random.default_rng(0).permuted(np.arange(30.0) % 10, axis=0)
    scores = [ranks[None, :], ranks[None, ::-1].copy(), np.roll(ranks, 7)[None, :]]
    present = np.ones((1, 30), dtype=bool)
    exact = sum(2 * rankdata(s[0]) for s in scores)
    assert len(np.unique(mean_rank(scores, present))) == len(np.unique(exact))


def test_a_stock_that_some_scorers_lack_gets_the_mean_over_the_others() -> None:
    a, b = np.array([[1.0, 2, 3, 4]]), np.array([[np.nan, 5, 6, np.nan]])
    present = np.array([[True, True, True, False]])
    assert mean_rank([a, b], present)[0, :3] == pytest.approx(
        [1 / 6, (1 / 2 + 1 / 4) / 2, (5 / 6 + 3 / 4) / 2]
    )
    none = np.full((1, 4), np.nan)
    assert np.isnan(mean_rank([none, none], present)).all()
    np.testing.assert_array_equal(mean_rank([a, none], present), mean_rank([a], present))


def test_a_constant_scorer_changes_no_order_and_infinite_scores_are_no_scores() -> None:
    (a, *_), present = scorers()
    np.testing.assert_allclose(mean_rank([a, np.ones_like(a)], present), (mean_rank([a], present) + 0.5) / 2)
    assert np.isnan(mean_rank([np.array([[np.inf, 1.0]])], np.ones((1, 2), dtype=bool))[0, 0])


def test_no_scorer_and_no_day() -> None:
    with pytest.raises(ValueError, match="at least one scorer"):
        mean_rank([], np.ones((1, 2), dtype=bool))
    assert mean_rank([np.empty((0, 3))], np.empty((0, 3), dtype=bool)).shape == (0, 3)
