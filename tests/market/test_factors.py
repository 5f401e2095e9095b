"""Persistent series are stationary from the first day and their futures are known."""

import numpy as np

from atft.market.factors import accumulate, echo, persistent, persistent_sum


def test_a_persistent_series_has_unit_variance_from_the_first_day_and_the_stated_memory() -> None:
    series = persistent(np.random.default_rng(0), 40, 20_000, 0.6)
    np.testing.assert_allclose(series.std(1), 1, atol=0.03)
    lagged = [np.corrcoef(series[10], series[10 + k])[0, 1] for k in (1, 2, 3)]
    np.testing.assert_allclose(lagged, [0.6, 0.36, 0.216], atol=0.03)


def test_the_expected_sum_is_the_regression_of_the_coming_days_on_today() -> None:
    series = persistent(np.random.default_rng(1), 12, 50_000, 0.5)
    coming = series[5:10].sum(0)
    slope = (coming * series[5]).mean() / (series[5] ** 2).mean()
    assert abs(slope - persistent_sum(0.5, 5)) < 0.04
    assert persistent_sum(0.5, 1) == 1
    assert persistent_sum(0.0, 5) == 1


def test_a_shock_fades_at_the_stated_rate_and_changes_nothing_before_it() -> None:
    shocks = np.zeros((6, 1))
    shocks[2] = 1
    np.testing.assert_allclose(
        accumulate(shocks, 0.5)[:, 0], np.sqrt(0.75) * np.array([0, 0, 1, 0.5, 0.25, 0.125])
    )


def test_an_echo_has_the_stated_correlation_and_unit_variance() -> None:
    original = persistent(np.random.default_rng(2), 50, 2_000, 0.5)
    copy = echo(np.random.default_rng(3), original, 0.5, 0.5)
    assert abs(np.corrcoef(original.ravel(), copy.ravel())[0, 1] - 0.5) < 0.02
    assert abs(copy.std() - 1) < 0.02
