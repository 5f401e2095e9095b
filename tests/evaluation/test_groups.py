"""RankIC within groups equals a loop over groups."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from atft.evaluation.groups import day_terciles, grouped_rank_ics, regime_of_days, tercile_labels


@pytest.mark.parametrize("ties", [False, True])
def test_rank_ics_of_groups_equal_those_of_a_loop(ties: bool) -> None:
    rng = np.random.default_rng(0)
    score, target = rng.standard_normal((2, 40, 90))
    if ties:
        score, target = np.round(score, 1), np.round(target, 1)
    target[rng.random(target.shape) < 0.1] = np.nan
    counts = rng.random(score.shape) < 0.9
    label = rng.integers(-1, 5, score.shape)
    label[:, :3] = 5  # fewer than five stocks
    found, stocks = grouped_rank_ics(score, target, counts, label, 6)
    for day in range(0, 40, 7):
        for group in range(6):
            use = counts[day] & np.isfinite(target[day]) & (label[day] == group)
            assert stocks[day, group] == use.sum()
            if group == 5:
                assert np.isnan(found[day, group])
            else:
                expected = spearmanr(score[day, use], target[day, use]).statistic
                assert found[day, group] == pytest.approx(expected, abs=1e-9)


def test_thirds_of_a_day_have_as_many_stocks_each() -> None:
    values = np.random.default_rng(0).standard_normal((3, 30))
    values[1, :3] = np.nan
    label = tercile_labels(values, np.ones(values.shape, bool))
    assert [(label == third).sum(axis=1).tolist() for third in (-1, 0, 1, 2)] == [
        [0, 3, 0],
        [10, 9, 10],
        [10, 9, 10],
        [10, 9, 10],
    ]
    for day in range(3):
        highest = [np.max(values[day, label[day] == third]) for third in (0, 1, 2)]
        assert highest == sorted(highest)


def test_few_and_equal_values_are_in_thirds_too() -> None:
    for stocks, thirds in ((1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (4, [0, 0, 1, 2])):
        assert tercile_labels(np.arange(float(stocks))[None], np.ones((1, stocks), bool)).tolist() == [thirds]
    assert tercile_labels(np.ones((1, 6)), np.ones((1, 6), bool)).tolist() == [[1] * 6]


def test_a_regime_has_one_value_a_day_and_thirds_of_the_days() -> None:
    values = np.array([[np.nan, 3, 3], [1, 1, 1], [np.nan] * 3, [2, np.nan, 2]])
    days = regime_of_days(values, np.ones(values.shape, bool))
    np.testing.assert_array_equal(days, [3, 1, np.nan, 2])
    assert day_terciles(days).tolist() == [2, 0, -1, 1]
    absent = np.array([[True] * 3, [False] * 3, [True] * 3, [False, True, True]])
    np.testing.assert_array_equal(regime_of_days(values, absent), [3, np.nan, np.nan, 2])
