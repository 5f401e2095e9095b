"""Labels are close[t + h + lag] / close[t + lag] - 1, on the panel's calendar."""

import numpy as np
import pytest

from atft.features import row_checks
from atft.features.options import FeatureOptions
from atft.features.panel_columns import forward_returns
from atft.features.row_checks import check_rows
from small_prices import grid_of


def labels(close: np.ndarray, horizon: int, lag: int, inserted: tuple[int, ...] = ()) -> np.ndarray:
    grid = grid_of(close)
    grid.inserted = inserted
    return forward_returns(check_rows(grid, FeatureOptions()), horizon, lag, 0, len(close))


@pytest.mark.parametrize("horizon", [1, 5, 10, 20])
@pytest.mark.parametrize("lag", [0, 1, 2])
def test_a_target_is_the_ratio_of_two_closes(horizon: int, lag: int) -> None:
    rng = np.random.default_rng(0)
    close = 50 * np.exp(np.cumsum(0.02 * rng.standard_normal((60, 4)), axis=0)).astype(np.float32)
    close[rng.random(close.shape) < 0.05] = np.nan
    target = labels(close, horizon, lag)
    for day, stock in np.ndindex(close.shape):
        sell = day + lag + horizon
        if sell < len(close) and not np.isnan(close[[day + lag, sell], stock]).any():
            ratio = float(close[sell, stock]) / float(close[day + lag, stock]) - 1
            np.testing.assert_allclose(target[day, stock], ratio, rtol=1e-6, atol=1e-9)
        else:
            assert np.isnan(target[day, stock])


def test_a_block_of_days_has_the_same_labels_as_the_whole() -> None:
    close = np.linspace(10, 12, 30, dtype=np.float32)[:, None]
    prices = check_rows(grid_of(close), FeatureOptions())
    whole = forward_returns(prices, 5, 1, 0, 30)
    parts = [forward_returns(prices, 5, 1, a, min(a + 7, 30)) for a in range(0, 30, 7)]
    assert np.array_equal(whole, np.concatenate(parts), equal_nan=True)


def test_a_day_without_a_row_h_days_on_has_no_label_though_a_later_row_exists() -> None:
    close = np.array([10, 11, np.nan, 12, 13.0])[:, None]
    target = labels(close, 2, 0)
    assert np.isnan(target[0, 0])
    np.testing.assert_allclose(target[1, 0], 12 / 11 - 1, rtol=1e-6)


def test_a_label_over_an_excluded_jump_is_unknown() -> None:
    close = np.array([10, 11, 1.1, 1.2, 1.3, 1.4])[:, None]
    assert np.isnan(labels(close, 3, 0)[:2]).all()
    np.testing.assert_allclose(labels(close, 2, 0)[3, 0], 1.4 / 1.2 - 1, rtol=1e-6)


def test_a_frozen_close_is_no_end_of_a_label(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_checks, "FROZEN_ROWS", 2)
    close = np.array([10, 11, 11, 11, 11, 12, 13])[:, None]
    target = labels(close, 3, 0)
    assert np.isnan(target[0, 0])
    assert np.isnan(target[1, 0])
    np.testing.assert_allclose(target[2, 0], 12 / 11 - 1, rtol=1e-6)


@pytest.mark.parametrize("lag", [0, 1, 2])
@pytest.mark.parametrize("horizon", [1, 5, 20])
def test_a_label_over_a_gap_is_unknown_also_where_both_closes_are_known(horizon: int, lag: int) -> None:
    close = 50 * np.exp(np.cumsum(0.02 * np.random.default_rng(0).standard_normal((60, 4)), axis=0))
    close[30:33] = np.nan
    got, plain = labels(close, horizon, lag, inserted=(30, 31, 32)), labels(close, horizon, lag)
    day = np.arange(60)
    over = (day < 32) & (day + lag + horizon >= 30)
    assert np.isnan(got[over]).all()
    np.testing.assert_array_equal(got[~over], plain[~over])
