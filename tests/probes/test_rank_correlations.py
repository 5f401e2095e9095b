"""Daily rank correlations equal scipy's, and a mean is bounded from below at its level."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from scipy.stats import t as student

from atft.evaluation.newey_west import mean_error
from atft.probes.finding import FALSE_ALARM
from atft.probes.rank_correlations import (
    daily_correlation,
    forward_sums,
    least_mean,
    scaled_ranks,
    shift_days,
)


def test_a_day_has_spearmans_correlation_and_a_day_of_few_or_equal_values_none() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((5, 30)), rng.integers(0, 6, (5, 30)).astype(float)
    within = rng.random((5, 30)) < 0.9
    a[1], within[2, 3:] = 1.0, False
    found = daily_correlation(scaled_ranks(a, within), scaled_ranks(b, within))
    assert np.isnan(found[[1, 2]]).all()
    for day in (0, 3, 4):
        exact = spearmanr(a[day, within[day]], b[day, within[day]]).statistic
        assert found[day] == pytest.approx(exact, abs=0.02)
    ranks = scaled_ranks(a, within)[0, within[0]]
    assert ranks.mean() == pytest.approx(0) and ranks.std() == pytest.approx(1)


def test_days_shift_and_sums_reach_over_the_next_days_only() -> None:
    x = np.arange(6.0)[:, None]
    assert shift_days(x, 2, np.nan)[:, 0].tolist()[:4] == [2, 3, 4, 5] and shift_days(x, -1)[0, 0] == 0
    sums = forward_sums(np.array([[9.0], [1], [2], [np.nan], [4]]), np.ones((5, 1), bool), 2)[:, 0]
    assert sums[:3].tolist() == [3, 2, 4] and np.isnan(sums[3:]).all()


def test_noise_passes_no_bound_more_often_than_the_level_and_a_sure_mean_does() -> None:
    rng = np.random.default_rng(1)
    least = [least_mean(rng.standard_normal(300), 4, 1).least for _ in range(400)]
    assert (
        np.mean(np.array(least) > 0) < 0.02
    )  # the level is FALSE_ALARM; Newey-West errors run a little small
    sure = least_mean(0.5 + 0.1 * rng.standard_normal(300), 0, 100)
    assert 0.45 < sure.least < 0.5 < sure.mean + 0.05 and sure.share == 1 and sure.days == 300
    assert least_mean(rng.standard_normal(60) + 9, 30, 1).least == 0  # too few independent stretches
    assert FALSE_ALARM == 1e-3


def test_a_day_counts_the_cells_that_both_sides_know_and_needs_eight_of_them() -> None:
    rng = np.random.default_rng(2)
    values, other = rng.standard_normal((2, 5, 40))
    everyone = np.ones(values.shape, dtype=bool)
    # What one side lacks are the other's low values, so the mean of what both know is not 0.
    some = values > -0.5
    some[3], some[4] = False, False
    some[3, :12], some[4, :12] = True, True
    everyone[3, 8:12], everyone[4, 7:12] = False, False
    a, b = scaled_ranks(values, everyone), scaled_ranks(values + other, some)
    found = daily_correlation(a, b)
    for day in range(4):
        both = everyone[day] & some[day]
        assert found[day] == pytest.approx(np.corrcoef(a[day, both], b[day, both])[0, 1], abs=1e-12)
    assert np.isnan(found[4])
    # Values that differ, but not where both are known.
    two = scaled_ranks(np.where(some, 0.0, values), np.ones(some.shape, dtype=bool))
    assert np.isnan(daily_correlation(two, b)[:3]).all()
    assert scaled_ranks(values[:1, :8], everyone[:1, :8]).all()
    assert not scaled_ranks(values[:1, :7], everyone[:1, :7]).any()


def test_a_shift_in_either_direction_leaves_the_days_beyond_the_ends_empty() -> None:
    x = np.arange(6.0)[:, None]
    for days in range(-8, 9):
        expected = [float(t + days) if 0 <= t + days < 6 else -1.0 for t in range(6)]
        assert shift_days(x, days, -1.0)[:, 0].tolist() == expected


def test_a_bound_is_the_mean_less_students_quantile_of_its_independent_stretches() -> None:
    series = 0.2 * np.random.default_rng(3).standard_normal(110) - 0.4
    series[::19] = np.nan
    known = series[np.isfinite(series)]
    bound = least_mean(series, 4, 7)
    assert len(known) == 104
    quantile = student.ppf(1 - FALSE_ALARM / (2 * 7), 104 // 5 - 1)
    assert bound.least == pytest.approx(-known.mean() - quantile * mean_error(series, 4))
    assert bound.mean == pytest.approx(known.mean()) and bound.share == (known < 0).mean()
    # Twenty days, of which four stretches and one more are independent.
    sure = 1 + 0.01 * known
    assert least_mean(sure[:20], 3, 1).least > 0.9
    assert least_mean(sure[:19], 2, 1).least == least_mean(sure[:24], 4, 1).least == 0
