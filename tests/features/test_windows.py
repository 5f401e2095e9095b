"""Windows built by doubling against windows looked at one by one."""

import numpy as np
import pytest
from scipy import stats

from atft.features.windows import (
    needed,
    shift,
    window_high_age,
    window_highs,
    window_lines,
    window_lows,
    window_means,
    window_moments,
    window_skew_kurtosis,
    window_sums,
)

SPANS = (1, 2, 3, 5, 7, 16, 20, 33)


@pytest.fixture
def holed() -> np.ndarray:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 3))
    x[rng.random(x.shape) < 0.15] = np.nan
    x[10:20, 1] = np.nan
    return x


def each_window(x: np.ndarray, span: int, of: object, least: int = 1) -> np.ndarray:
    out = np.full_like(x, np.nan)
    for day in range(len(x)):
        for stock in range(x.shape[1]):
            window = x[max(0, day - span + 1) : day + 1, stock]
            known = window[~np.isnan(window)]
            if len(known) >= max(needed(span), least):
                out[day, stock] = of(known)
    return out


def test_a_window_needs_three_quarters_of_its_days() -> None:
    assert [needed(s) for s in (1, 2, 3, 4, 5, 20, 250)] == [1, 2, 3, 3, 4, 15, 188]


def test_shift_looks_back_and_never_ahead() -> None:
    x = np.arange(6.0)[:, None]
    assert np.array_equal(shift(x, 2)[:, 0], [np.nan, np.nan, 0, 1, 2, 3], equal_nan=True)
    assert np.isnan(shift(x, 6)).all()
    assert np.isnan(shift(x, 9)).all()


def test_sums_equal_the_plain_sums() -> None:
    x = np.random.default_rng(1).standard_normal((50, 2))
    for span, total in window_sums(x, *SPANS).items():
        plain = [x[max(0, d - span + 1) : d + 1].sum(axis=0) for d in range(len(x))]
        np.testing.assert_allclose(total, plain, atol=1e-12)


def test_a_sum_has_the_same_bits_wherever_the_data_start() -> None:
    x = np.random.default_rng(2).standard_normal((200, 3))
    whole, late = window_sums(x, 20, 33), window_sums(x[100:], 20, 33)
    for span in (20, 33):
        assert np.array_equal(whole[span][132:], late[span][32:])


def test_a_huge_value_leaves_no_rounding_behind_when_it_leaves_the_window() -> None:
    x = np.random.default_rng(3).standard_normal((60, 1))
    spiked = x.copy()
    spiked[5] = 1e18
    assert np.array_equal(window_sums(x, 20)[20][25:], window_sums(spiked, 20)[20][25:])


def test_means_and_extremes_equal_the_plain_ones(holed: np.ndarray) -> None:
    for fast, plain in ((window_means, np.mean), (window_highs, np.max), (window_lows, np.min)):
        for span, values in fast(holed, *SPANS).items():
            np.testing.assert_allclose(values, each_window(holed, span, plain), atol=1e-12)


def test_moments_equal_the_sample_moments(holed: np.ndarray) -> None:
    for span, (mean, std) in window_moments(holed, *SPANS[1:]).items():
        np.testing.assert_allclose(mean, each_window(holed, span, np.mean), atol=1e-12)
        np.testing.assert_allclose(std, each_window(holed, span, lambda w: np.std(w, ddof=1)), atol=1e-7)


def test_windows_longer_than_the_data_are_unknown_and_no_error() -> None:
    x = np.arange(20.0)[:, None]
    for span in (27, 40, 250):
        assert np.isnan(window_means(x, span)[span]).all()
        assert np.isnan(window_highs(x, span)[span]).all()
        assert np.isnan(window_high_age(x, span)).all()
        assert np.array_equal(window_sums(x, span)[span], np.cumsum(x, axis=0))


def test_a_flat_window_has_no_deviation_at_all() -> None:
    x = np.full((40, 1), 1 / 3)
    assert (window_moments(x, 20)[20].std[20:] == 0).all()
    assert np.isnan(window_skew_kurtosis(x, 20)[20][0]).all()
    line = window_lines(np.arange(40.0)[:, None], x, 20)[20]
    assert np.isnan(line.correlation[20:]).all()
    np.testing.assert_allclose(line.slope[20:], 0, atol=1e-12)


def test_skew_and_kurtosis_equal_scipy(holed: np.ndarray) -> None:
    for span, (skew, kurtosis) in window_skew_kurtosis(holed, 7, 20).items():
        np.testing.assert_allclose(skew, each_window(holed, span, stats.skew), atol=1e-9)
        np.testing.assert_allclose(kurtosis, each_window(holed, span, stats.kurtosis), atol=1e-9)


def test_the_age_of_a_high_counts_days_back_to_the_youngest_of_equals(holed: np.ndarray) -> None:
    x = np.round(holed)
    for span in SPANS[1:]:
        age = window_high_age(x, span)
        for day in range(len(x)):
            for stock in range(x.shape[1]):
                window = x[max(0, day - span + 1) : day + 1, stock][::-1]
                if (~np.isnan(window)).sum() >= needed(span):
                    assert age[day, stock] == np.nanargmax(window)
                else:
                    assert np.isnan(age[day, stock])


def test_lines_equal_scipy_over_the_days_on_which_both_are_known(holed: np.ndarray) -> None:
    x = np.random.default_rng(4).standard_normal((60, 1))
    x[3] = np.nan
    for span, line in window_lines(x, holed, 5, 20).items():
        for day in (4, 19, 25, 59):
            for stock in range(3):
                a = x[max(0, day - span + 1) : day + 1, 0]
                b = holed[max(0, day - span + 1) : day + 1, stock]
                both = ~(np.isnan(a) | np.isnan(b))
                if both.sum() < needed(span):
                    assert np.isnan(line.slope[day, stock])
                    continue
                fit = stats.linregress(a[both], b[both])
                left = b[both] - fit.intercept - fit.slope * a[both]
                np.testing.assert_allclose(line.slope[day, stock], fit.slope, atol=1e-9)
                np.testing.assert_allclose(line.correlation[day, stock], fit.rvalue, atol=1e-9)
                np.testing.assert_allclose(line.residual_std[day, stock], left.std(), atol=1e-7)
                here = np.full((60, 3), 0.5)
                np.testing.assert_allclose(
                    line.at(here)[day, stock], fit.intercept + fit.slope * 0.5, atol=1e-9
                )
