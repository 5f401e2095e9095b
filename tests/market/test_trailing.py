"""Trailing columns look back only; labels follow their definition exactly."""

import numpy as np

from atft.market.trailing import MONTH_DAYS, forward_return, month_mean_std, past_return


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
