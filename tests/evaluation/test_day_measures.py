"""Measures of a day's ranking: against the functions that training uses, and the field's libraries."""

import numpy as np
import pytest

from atft.evaluation.day_measures import ALL, measure_scores, measure_table, without_thin_days


def tables(ties: bool = False, days: int = 40, stocks: int = 90) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, targets and the universe; day 3 has a constant target, day 5 a constant score."""
    rng = np.random.default_rng(0)
    score = rng.standard_normal((days, stocks))
    target = 0.02 * rng.standard_normal(score.shape) + 0.004 * score
    if ties:
        score, target = np.round(score, 1), np.round(target, 2)
    target[rng.random(target.shape) < 0.1] = np.nan
    target[3], score[5] = 0.01, 2
    return score.astype(np.float32), target.astype(np.float32), rng.random(score.shape) < 0.9


@pytest.mark.parametrize("stocks", [90, 21, 12])
@pytest.mark.parametrize("ties", [False, True])
def test_they_equal_the_functions_that_training_uses(ties: bool, stocks: int) -> None:
    import torch

    from atft.day_statistics import day_statistics, measure_days

    score, target, present = tables(ties, stocks=stocks)
    valid = torch.from_numpy(present & np.isfinite(target))
    expected = measure_days(torch.from_numpy(score), torch.from_numpy(target), valid, day_statistics())
    measured = measure_table(score, target, present)
    np.testing.assert_array_equal(measured.rankable, expected.rankable.numpy())
    np.testing.assert_array_equal(measured.lost, expected.lost.numpy())
    assert not measured.rankable[3] and measured.lost[5]
    names = {"rank_ic": "spearman", "ic": "pearson", "spread": "decile_spread", "hit_rate": "hit_rate"}
    for name, other in names.items():
        reference = expected.statistics[other].double().numpy()
        reference[measured.lost] = np.nan
        np.testing.assert_allclose(measured.series[name], reference, rtol=0, atol=1e-6)


@pytest.mark.parametrize("ties", [False, True])
def test_correlations_equal_those_of_scipy(ties: bool) -> None:
    from scipy.stats import pearsonr, spearmanr

    score, target, present = tables(ties)
    series = measure_table(score, target, present).series
    for day in set(range(len(score))) - {3, 5}:
        use = present[day] & np.isfinite(target[day])
        pair = score[day, use].astype(np.float64), target[day, use].astype(np.float64)
        assert series["rank_ic"][day] == pytest.approx(spearmanr(*pair).statistic, abs=1e-9)
        assert series["ic"][day] == pytest.approx(pearsonr(*pair).statistic, abs=1e-9)


@pytest.mark.parametrize("ties", [False, True])
def test_ndcg_equals_that_of_scikit_learn_on_rank_shares(ties: bool) -> None:
    from scipy.stats import rankdata
    from sklearn.metrics import ndcg_score

    score, target, present = tables(ties)
    ndcg = measure_table(score, target, present, k=7).series["ndcg"]
    for day in set(range(len(score))) - {3, 5}:
        use = present[day] & np.isfinite(target[day])
        gain = (rankdata(target[day, use]) - 1) / (use.sum() - 1)
        assert ndcg[day] == pytest.approx(ndcg_score([gain], [score[day, use]], k=7), abs=1e-9)


def test_precision_is_the_share_of_rising_stocks_among_the_highest_scores() -> None:
    score = np.array([[5.0, 4, 3, 2, 1], [5, 4, 4, 2, 1], [1, 1, 1, 1, 2]])
    target = np.array([[0.1, -0.1, 0.2, 0, 0], [0.1, -0.1, 0.2, 0, 0], [0.1, -0.1, 0.2, 0, -1]])
    measured = measure_table(score, target, np.ones(score.shape, bool), k=2).series
    # Where two stocks tie for the second place, each counts half; where four do, each a quarter.
    np.testing.assert_allclose(measured["precision"], [0.5, 0.75, 0.25])
    np.testing.assert_allclose(measured["precision_chance"], [0.4, 0.4, 0.4])
    every = measure_table(score, target, np.ones(score.shape, bool), k=5).series
    np.testing.assert_allclose(every["precision"], every["precision_chance"])
    assert np.isfinite(every["ndcg"]).all()
    for k in (6, 2**63 - 1):
        more = measure_table(score, target, np.ones(score.shape, bool), k=k).series
        assert all(np.isnan(more[name]).all() for name in ("precision", "precision_chance", "ndcg"))


def test_deciles_are_those_of_pandas_qcut_in_excess_of_the_day() -> None:
    import pandas as pd

    score, target, present = tables(stocks=93)
    measured = measure_table(score, target, present)
    for day in (0, 7, 20):
        use = present[day] & np.isfinite(target[day])
        frame = pd.DataFrame({"decile": pd.qcut(score[day, use], 10, labels=False), "r": target[day, use]})
        excess = frame.r.astype(float) - frame.r.astype(float).mean()
        np.testing.assert_allclose(measured.deciles[day], excess.groupby(frame.decile).mean(), atol=1e-7)


def test_the_competition_s_spread_weighs_the_ends_from_two_to_one() -> None:
    rng = np.random.default_rng(0)
    score, target = rng.standard_normal((2, 3, 450))
    valid = np.ones(score.shape, bool)
    weights = np.linspace(2, 1, 200)
    for day, spread in enumerate(measure_table(score, target, valid).series["competition_spread"]):
        ordered = target[day, np.argsort(-score[day])]
        expected = (ordered[:200] - ordered[::-1][:200]) @ weights / weights.sum()
        assert spread == pytest.approx(expected, abs=1e-7)
    few = measure_table(score[:, :5], target[:, :5], valid[:, :5]).series["competition_spread"]
    best = target[0, :5][np.argsort(-score[0, :5])]
    assert few[0] == pytest.approx((2 * best[0] + best[1] - 2 * best[-1] - best[-2]) / 3, abs=1e-7)


def test_a_perfect_score_is_best_and_a_reversed_one_worst() -> None:
    target = np.random.default_rng(0).standard_normal((5, 60))
    valid = np.ones(target.shape, bool)
    best, worst = (measure_table(sign * target, target, valid).series for sign in (1, -1))
    for name, high, low in (("rank_ic", 1, -1), ("ic", 1, -1), ("hit_rate", 1, 0), ("precision", 1, 0)):
        np.testing.assert_allclose((best[name], worst[name]), [[high] * 5, [low] * 5], atol=1e-12)
    np.testing.assert_allclose(best["ndcg"], 1)
    np.testing.assert_allclose(best["spread"], -worst["spread"], atol=1e-7)


def test_an_unknown_score_loses_its_own_day_alone_and_one_that_does_not_count_none() -> None:
    score, target, present = tables()
    before = measure_table(score, target, present)
    stock = np.flatnonzero(present[7] & np.isfinite(target[7]))[0]
    score[7, stock] = np.nan
    score[9, ~present[9]] = np.nan
    after = measure_table(score, target, present)
    assert np.flatnonzero(after.lost).tolist() == [5, 7]
    kept = np.arange(len(score)) != 7
    for name, series in after.series.items():
        assert np.isnan(series[7])
        np.testing.assert_array_equal(series[kept], before.series[name][kept])


def test_a_day_of_as_many_stocks_as_asked_for_counts_and_one_of_fewer_does_not() -> None:
    known = np.array([[True, True, True, False], [True, True, False, False], [True] * 4])
    np.testing.assert_array_equal(without_thin_days(known, 3), known & [[True], [False], [True]])


def test_only_the_measures_asked_for_are_taken() -> None:
    score, target, present = tables()
    every = measure_table(score, target, present)
    assert set(every.series) == set(ALL) - {"deciles"}
    few = measure_table(score, target, present, names=("rank_ic",))
    assert list(few.series) == ["rank_ic"] and np.isnan(few.deciles).all()
    np.testing.assert_array_equal(few.series["rank_ic"], every.series["rank_ic"])


def test_several_scores_are_measured_as_one_by_one_whatever_each_of_them_knows() -> None:
    rng = np.random.default_rng(0)
    target = rng.normal(size=(40, 30)).astype(np.float32)
    target[rng.random(target.shape) < 0.1] = np.nan
    whole, part = rng.normal(size=(2, 40, 30)).astype(np.float32)
    part[rng.random(part.shape) < 0.2] = np.nan
    valid = rng.random(target.shape) < 0.9
    names = ("rank_ic", "ic", "spread")
    together = measure_scores({"whole": whole, "part": part}, target, valid, names, 2)
    for name, score in (("whole", whole), ("part", part)):
        alone = measure_table(score, target, valid & np.isfinite(score), names=names).series
        assert all(np.array_equal(together[name].series[of], alone[of], equal_nan=True) for of in names)
        assert np.isfinite(together[name].series["rank_ic"]).all()
