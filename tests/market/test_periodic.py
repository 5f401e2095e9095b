"""Cycles fall on the window's Fourier bins, and taking two components out uncovers what they hide."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from atft.market.periodic import CYCLES, cycles, without_dominant


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
