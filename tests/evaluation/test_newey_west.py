"""Newey-West errors: against a hand-written loop, the textbook case, and the truth of a simulation."""

import math
import statistics

import numpy as np
import pytest

from atft.day_series import mean_over_std
from atft.evaluation.newey_west import mean_error, ratio_error


def slow_error(series: list[float], lags: int) -> float:
    """The formula, one term at a time."""
    n, mean = len(series), sum(series) / len(series)
    total = 0.0
    for t in range(n):
        for s in range(n):
            weight = 1 - abs(t - s) / (lags + 1)
            if weight > 0:
                total += weight * (series[t] - mean) * (series[s] - mean)
    return math.sqrt(total / n / (n - 1))


@pytest.mark.parametrize("lags", [0, 1, 4, 19])
def test_the_error_equals_the_formula_written_out(lags: int) -> None:
    series = np.random.default_rng(0).standard_normal(60).cumsum()
    assert mean_error(series, lags) == pytest.approx(slow_error(series.tolist(), lags), rel=1e-10)


def test_without_lags_it_is_the_textbook_error() -> None:
    series = np.random.default_rng(0).standard_normal(100)
    assert mean_error(series, 0) == pytest.approx(series.std(ddof=1) / 10)


def test_shifting_leaves_the_error_and_stretching_stretches_it() -> None:
    series = np.random.default_rng(0).standard_normal(100)
    assert mean_error(5 - 3 * series, 4) == pytest.approx(3 * mean_error(series, 4))


def test_overlapping_days_get_the_error_that_repetition_shows() -> None:
    rng = np.random.default_rng(0)
    overlap = np.lib.stride_tricks.sliding_window_view(rng.standard_normal((400, 404)), 5, axis=1).mean(-1)
    true_error = overlap.mean(axis=1).std()
    estimates = np.array([mean_error(x, 4) for x in overlap])
    assert 0.8 < estimates.mean() / true_error < 1.0, "Bartlett weights understate a little"
    assert mean_error(overlap[0], 0) < 0.6 * true_error, "no lags understate a lot"


def test_days_that_are_nan_are_left_out() -> None:
    series = np.random.default_rng(0).standard_normal(50)
    holes = np.insert(series, 20, np.nan)
    assert mean_error(holes, 3) == mean_error(series, 3) and mean_over_std(holes) == mean_over_std(series)
    assert ratio_error(holes, 3) == ratio_error(series, 3)


def test_fewer_than_two_days_have_no_error() -> None:
    for series in (np.array([]), np.array([1.0]), np.array([np.nan, 2.0])):
        assert np.isnan([mean_error(series, 0), mean_over_std(series), ratio_error(series, 0)]).all()
    assert np.isnan(mean_over_std(np.ones(5))) and np.isnan(ratio_error(np.ones(5), 0))


def test_days_that_overlap_fewer_than_three_spans_have_no_error() -> None:
    series = np.random.default_rng(0).standard_normal(60)
    assert np.isfinite([mean_error(series, 19), ratio_error(series, 19)]).all()
    assert np.isnan([mean_error(series[1:], 19), ratio_error(series[1:], 19)]).all()
    assert np.isnan(mean_error(np.insert(series[1:], 20, np.nan), 19)), "a NaN is no day"


def test_the_error_of_a_ratio_is_los_for_independent_normal_days() -> None:
    series = 0.2 + np.random.default_rng(1).standard_normal(20_000)
    theta = mean_over_std(series)
    assert theta == pytest.approx(series.mean() / series.std(ddof=1))
    assert ratio_error(series, 0) == pytest.approx(math.sqrt((1 + theta**2 / 2) / len(series)), rel=0.02)


def test_the_error_of_a_ratio_is_what_repetition_shows_for_skewed_days() -> None:
    draws = np.random.default_rng(2).exponential(size=(500, 300)) - 0.7
    true_error = np.std([mean_over_std(x) for x in draws])
    assert np.mean([ratio_error(x, 0) for x in draws]) == pytest.approx(true_error, rel=0.1)


@pytest.mark.parametrize("lags", [0, 4])
def test_the_error_of_a_ratio_equals_the_delta_method_written_out_in_any_unit(lags: int) -> None:
    series = 0.5 + np.random.default_rng(3).exponential(size=40).cumsum() / 20
    mean, deviation = statistics.mean(series.tolist()), statistics.stdev(series.tolist())
    influence = [
        (x - mean) / deviation - mean / deviation / 2 * ((x - mean) ** 2 / deviation**2 - 1) for x in series
    ]
    for unit in (1, 100):
        assert ratio_error(unit * series, lags) == pytest.approx(slow_error(influence, lags), rel=1e-10)


def test_a_constant_series_has_an_error_of_exactly_0_whatever_its_length() -> None:
    for days in range(2, 80):
        assert mean_error(np.full(days, 0.1), 0) == 0
        assert days < 15 or mean_error(np.full(days, 0.1), 4) == 0


def test_two_days_without_overlap_have_an_error() -> None:
    assert mean_error(np.array([1.0, 2.0]), 0) == pytest.approx(0.5)


def test_negative_lags_raise() -> None:
    with pytest.raises(ValueError, match="lags must be at least 0, got -1"):
        mean_error(np.arange(5.0), -1)
