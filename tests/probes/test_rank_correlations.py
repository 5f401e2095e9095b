"""Daily rank correlations equal scipy's, and a mean is bounded from below at its level."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from atft.probes.finding import FALSE_ALARM
from atft.probes.rank_correlations import (
    daily_correlation,
    forward_sums,
    least_mean,
    plausible_ic,
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
    assert FALSE_ALARM == 1e-3 and plausible_ic(1) == 0.1 and plausible_ic(60) == 0.25
