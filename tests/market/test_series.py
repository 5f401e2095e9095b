"""Persistent series are stationary and their futures are known; past returns look back only, labels ahead."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from atft.market.series import (
    CYCLES,
    MONTH_DAYS,
    accumulate,
    cycles,
    echo,
    expected_memory,
    fading_memory,
    forward_return,
    month_mean_std,
    past_return,
    persistent,
    persistent_sum,
)
from tests.support.fourier import without_dominant


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


def test_the_memory_does_not_contain_today() -> None:
    flow = np.random.default_rng(0).standard_normal((30, 5_000))
    memory = fading_memory(flow, 0.5)
    assert abs(np.corrcoef(memory[20], flow[20])[0, 1]) < 0.05
    changed = flow.copy()
    changed[20:] = 1e9
    np.testing.assert_array_equal(fading_memory(changed, 0.5)[:21], memory[:21])


def test_the_memory_is_a_fading_sum_of_unit_variance() -> None:
    flow = np.random.default_rng(1).standard_normal((30, 5_000))
    memory = fading_memory(flow, 0.5)
    long_way = np.sqrt(0.75) * sum(0.5 ** (lag - 1) * flow[25 - lag] for lag in range(1, 25))
    np.testing.assert_allclose(memory[25], long_way, atol=1e-6)
    assert abs(memory[25].std() - 1) < 0.04


def test_the_expected_sum_is_the_regression_of_the_coming_days_on_all_that_is_known() -> None:
    flow = np.random.default_rng(2).standard_normal((30, 50_000))
    memory = fading_memory(flow, 0.5)
    coming = memory[20:25].sum(0)
    known = np.stack([memory[20], flow[20]], 1)
    weights = np.linalg.lstsq(known, coming, rcond=None)[0]
    fitted = np.linalg.lstsq(known, expected_memory(flow, memory, 0.5, 5)[20], rcond=None)[0]
    np.testing.assert_allclose(weights, fitted, atol=0.03)
    np.testing.assert_allclose(expected_memory(flow, memory, 0.5, 1), memory)


def test_cycles_close_within_the_window_and_two_components_hold_them() -> None:
    waves = cycles(np.random.default_rng(0), 45, 100, 20, 4.0)
    np.testing.assert_allclose(waves[20:], waves[:-20], atol=1e-9)
    windows = sliding_window_view(waves, 20, axis=0)
    assert np.abs(without_dominant(windows, CYCLES)).max() < 1e-9
    assert np.abs(without_dominant(windows, CYCLES - 1)).max() > 1


def test_cycles_use_the_whole_spectrum_but_level_and_alternation() -> None:
    waves = cycles(np.random.default_rng(1), 20, 500, 20, 1.0)
    power = np.abs(np.fft.rfft(waves, axis=0)) > 1e-6
    assert power.sum(0).tolist() == [2] * 500
    assert power.any(1).tolist() == [False, *[True] * 9, False]
    assert abs(waves.std() - 1) < 0.05


def test_a_later_first_day_moves_along_the_same_cycles() -> None:
    early = cycles(np.random.default_rng(2), 30, 10, 20, 4.0, first_day=-10)
    late = cycles(np.random.default_rng(2), 20, 10, 20, 4.0)
    np.testing.assert_allclose(early[10:], late, atol=1e-9)


def test_taking_components_out_keeps_the_level_and_needs_no_day_after_the_window() -> None:
    window = np.random.default_rng(3).standard_normal((7, 20)) + 5
    left = without_dominant(window, 2)
    np.testing.assert_allclose(left.mean(-1), window.mean(-1))
    np.testing.assert_allclose(without_dominant(window, 0), window, atol=1e-12)
    assert (left.var(-1) < window.var(-1)).all()


@pytest.mark.parametrize("lookback", [8, 20, 21, 60])
def test_any_lookback_has_bins_for_the_cycles(lookback: int) -> None:
    waves = cycles(np.random.default_rng(4), lookback, 50, lookback, 3.0)
    assert np.abs(without_dominant(waves.T, CYCLES)).max() < 1e-9


def prices(days: int = 60, stocks: int = 4) -> np.ndarray:
    return np.exp(np.cumsum(0.02 * np.random.default_rng(0).standard_normal((days, stocks)), axis=0))


def test_a_past_return_is_the_ratio_of_two_closes() -> None:
    close, everywhere = prices(), np.ones((60, 4), bool)
    result = past_return(close, everywhere, 5)
    assert np.isnan(result[:5]).all()
    np.testing.assert_array_equal(result[5:], close[5:] / close[:-5] - 1)


def test_a_forward_return_is_the_ratio_ahead_with_and_without_lag() -> None:
    close, everywhere = prices(), np.ones((60, 4), bool)
    np.testing.assert_array_equal(forward_return(close, everywhere, 5)[:-5], close[5:] / close[:-5] - 1)
    assert np.isnan(forward_return(close, everywhere, 5)[-5:]).all()
    delayed = forward_return(close, everywhere, 5, lag=1)
    np.testing.assert_array_equal(delayed[:-6], close[6:] / close[1:-5] - 1)
    assert np.isnan(delayed[-6:]).all()
    assert np.isnan(forward_return(close, everywhere, 60)).all()


def test_a_missing_close_is_never_filled() -> None:
    close, observed = prices(), np.ones((60, 4), bool)
    observed[30, 2] = False
    unknown = np.isnan(past_return(close, observed, 1)[1:])
    assert np.argwhere(unknown).tolist() == [[29, 2], [30, 2]]
    unknown = np.isnan(forward_return(close, observed, 5)[:-5])
    assert np.argwhere(unknown).tolist() == [[25, 2], [30, 2]]


def test_a_month_is_known_once_it_is_full_and_half_of_it_has_values() -> None:
    values = prices()
    np.testing.assert_allclose(month_mean_std(values)[0][30], values[11:31].mean(0))
    np.testing.assert_allclose(month_mean_std(values)[1][30], values[11:31].std(0))
    assert np.isnan(month_mean_std(values)[0][: MONTH_DAYS - 1]).all()
    values[21:32, 0] = np.nan
    assert np.isnan(month_mean_std(values)[0][31, 0])
    np.testing.assert_allclose(month_mean_std(values)[0][30, 0], np.nanmean(values[11:31, 0]))
    assert np.isnan(month_mean_std(values[:5])[1]).all()


def test_what_comes_later_changes_nothing_before() -> None:
    close, observed = prices(), np.ones((60, 4), bool)
    later = close.copy()
    later[40:] *= 1e9
    for function in (
        lambda c: past_return(c, observed, 5),
        *(lambda c, i=i: month_mean_std(c)[i] for i in (0, 1)),
    ):
        np.testing.assert_array_equal(function(close)[:40], function(later)[:40])
