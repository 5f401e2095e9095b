"""Means and ratios of series of days."""

import math

import numpy as np
import pytest

from atft.day_series import mean, mean_over_std


def test_means_and_ratios_leave_out_unknown_days_and_need_enough_of_them() -> None:
    series = np.array([np.nan, 1.0, 2.0, np.nan, 4.0])
    assert mean(series) == pytest.approx(7 / 3)
    assert mean_over_std(series) == pytest.approx(7 / 3 / np.std([1, 2, 4], ddof=1))
    assert math.isnan(mean(np.array([np.nan])))
    for few in (np.array([]), np.array([np.nan]), np.array([1.0, np.nan]), np.ones(5), np.full(30, 0.1)):
        assert math.isnan(mean_over_std(few))
    assert mean_over_std(np.array([1.0, np.nan, 2.0])) == pytest.approx(1.5 / np.std([1, 2], ddof=1))
