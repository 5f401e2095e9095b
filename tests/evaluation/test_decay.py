"""Later targets, and how much of a ranking changes overnight."""

import numpy as np
from scipy.stats import rankdata, spearmanr

from atft.evaluation.decay import LAGS, decayed_rank_ics, lagged_targets, new_names, rank_autocorrelation
from small_scores import table_of


def test_a_score_meets_the_target_of_a_later_day() -> None:
    rng = np.random.default_rng(0)
    table = table_of(1, rng.standard_normal((9, 30)))
    score = rng.standard_normal((9, 30)).astype(np.float32)
    table.columns["score"] = score
    found = decayed_rank_ics(table, table.present, 2)
    assert list(found) == [lag for lag in LAGS if lag < 9]
    for lag, series in found.items():
        for day in range(9 - lag):
            expected = spearmanr(score[day], table.columns["target"][day + lag]).statistic
            assert abs(series[day] - expected) < 1e-9
        assert np.isnan(series[9 - lag :]).all()


def test_rows_that_do_not_count_change_nothing_and_lags_that_are_measured_already_stay() -> None:
    rng = np.random.default_rng(1)
    table = table_of(1, rng.standard_normal((6, 30)))
    table.columns["score"] = rng.standard_normal((6, 30)).astype(np.float32)
    counts = rng.random((6, 30)) < 0.7
    found = decayed_rank_ics(table, counts, 2)
    other = table_of(1, table.columns["target"])
    other.columns["score"] = np.where(
        counts, table.columns["score"], 9 * rng.standard_normal((6, 30))
    ).astype(np.float32)
    for lag, series in decayed_rank_ics(other, counts, 2).items():
        np.testing.assert_array_equal(series, found[lag])
    known = np.zeros(6)
    again = decayed_rank_ics(table, counts, 2, {1: known})
    assert again[1] is known and list(again) == list(found) == [1, 2, 3, 5]
    np.testing.assert_array_equal(again[2], found[2])


def test_the_delayed_target_of_the_file_is_lag_1() -> None:
    rng = np.random.default_rng(0)
    delayed = rng.standard_normal((5, 30)).astype(np.float32)
    table = table_of(1, rng.standard_normal((5, 30)), delayed=delayed)
    np.testing.assert_array_equal(lagged_targets(table, 1), delayed)
    np.testing.assert_array_equal(lagged_targets(table, 2)[:3], table.columns["target"][2:])


def test_rank_autocorrelation_is_that_of_all_ranks_over_common_stocks() -> None:
    rng = np.random.default_rng(0)
    score = rng.standard_normal((5, 30)).astype(np.float32)
    present = rng.random(score.shape) < 0.8
    series = rank_autocorrelation(score, present)
    ranks = np.full(score.shape, np.nan)
    for day in range(5):
        ranks[day, present[day]] = rankdata(score[day, present[day]])
    for day in range(1, 5):
        both = present[day] & present[day - 1]
        expected = np.corrcoef(ranks[day, both], ranks[day - 1, both])[0, 1]
        assert abs(series[day] - expected) < 1e-6
    assert np.isnan(series[0])
    same = np.tile(score[:1], (3, 1))
    np.testing.assert_allclose(rank_autocorrelation(same, np.ones(same.shape, bool))[1:], 1)


def test_new_names_are_the_share_that_was_not_there_before() -> None:
    score = np.tile(np.arange(20.0), (4, 1))
    score[2, 19] = -1
    present = np.ones(score.shape, bool)
    shares = new_names(score, present)
    # Two stocks a tenth: on day 2 the highest becomes the lowest, on day 3 it returns.
    np.testing.assert_allclose(shares["top"][1:], [0, 0.5, 0.5])
    np.testing.assert_allclose(shares["bottom"][1:], [0, 0.5, 0.5])
    assert np.isnan(shares["top"][0])
    # One stock a tenth.
    one = new_names(score[:, 10:], present[:, 10:])
    np.testing.assert_allclose((one["top"][1:], one["bottom"][1:]), [[0, 1, 1]] * 2)


def test_new_names_of_the_day_after_one_without_a_highest_tenth_are_unknown() -> None:
    score = np.tile(np.arange(20.0), (4, 1))
    score[1] = np.minimum(score[1], 9)
    shares = new_names(score, np.ones(score.shape, bool))
    np.testing.assert_array_equal(shares["top"], [np.nan, np.nan, np.nan, 0])
    absent = np.ones(score.shape, bool)
    absent[1] = False
    np.testing.assert_array_equal(new_names(score, absent)["bottom"], [np.nan, np.nan, np.nan, 0])


def test_new_names_of_a_day_without_a_highest_tenth_are_unknown_whatever_days_stand_beside_it() -> None:
    score = np.tile(np.arange(20.0), (3, 1))
    tied = np.minimum(
        score, 9
    )  # half of the stocks share the highest score: they are in the tenth of the lowest
    for days in (tied, np.concatenate([score, tied])):
        top = new_names(days, np.ones(days.shape, bool))["top"]
        assert np.isnan(top[-2:]).all()
