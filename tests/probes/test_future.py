"""A column that knows returns to come is accused, one that knows past ones is not."""

from pathlib import Path

import numpy as np
import pytest

from atft.panel import PanelSchema
from atft.probes.future import (
    Futures,
    future_suspect,
    lag_profile,
    market_suspect,
    neighbour_suspect,
    trailing_return,
)
from atft.probes.panel_grid import PanelGrid, read_grid
from atft.probes.rank_correlations import scaled_ranks, shift_days


def ranks(grid: PanelGrid, values: np.ndarray) -> np.ndarray:
    return scaled_ranks(values, grid.universe)


def test_tomorrows_return_a_centred_mean_and_noise_with_a_part_of_it_are_accused(
    grid: PanelGrid, futures: Futures
) -> None:
    returns = trailing_return(grid)
    filled = np.nan_to_num(returns)
    tomorrow = future_suspect("x", ranks(grid, shift_days(returns, 1, np.nan)), futures, 20)
    assert tomorrow is not None and "target_1d" in tomorrow.evidence and "tomorrow" in tomorrow.evidence
    centred = sum(shift_days(filled, j) for j in range(-5, 6))
    window = future_suspect("x", ranks(grid, centred), futures, 20)
    assert window is not None and "a centred window of about 11 days?" in window.evidence
    noise = np.random.default_rng(0).standard_normal(returns.shape) * np.nanstd(returns)
    assert future_suspect("x", ranks(grid, noise + shift_days(filled, 1)), futures, 20) is not None


def test_past_returns_and_noise_are_not_accused(grid: PanelGrid, futures: Futures) -> None:
    returns = trailing_return(grid)
    momentum = sum(shift_days(np.nan_to_num(returns), -j) for j in range(10))
    noise = np.random.default_rng(0).standard_normal(returns.shape)
    for values in (returns, momentum, noise):
        assert future_suspect("x", ranks(grid, values), futures, 20) is None
        assert neighbour_suspect("x", ranks(grid, values), futures, 20) is None
    profile = lag_profile(ranks(grid, returns), futures)
    assert profile[0] == pytest.approx(1) and abs(profile[1]) < 0.1


def test_the_next_return_of_another_stock_and_of_the_others_of_a_sector_are_accused(
    grid: PanelGrid, futures: Futures
) -> None:
    other = np.roll(shift_days(trailing_return(grid), 1, np.nan), 1, axis=1)
    suspect = neighbour_suspect("x", ranks(grid, other), futures, 20)
    assert suspect is not None and "another stock" in suspect.evidence
    sector = neighbour_suspect("x", futures.sector_next, futures, 20)
    assert sector is not None and "sector" in sector.evidence


def test_a_market_wide_column_that_knows_the_markets_next_return_is_accused(grid: PanelGrid) -> None:
    returns = trailing_return(grid)
    market = np.nanmean(np.where(grid.universe, returns, np.nan)[1:], axis=1)
    wide = np.broadcast_to(np.append(market, 0.0)[:, None], grid.shape)
    assert market_suspect("x", wide, returns, grid.universe, 20) is not None
    assert market_suspect("x", shift_days(wide.copy(), -1), returns, grid.universe, 20) is None


def test_without_return_1d_the_return_is_that_of_the_target_of_a_day(market: Path, grid: PanelGrid) -> None:
    other = trailing_return(read_grid(market, PanelSchema(return_1d=None)))
    both = np.isfinite(other) & np.isfinite(trailing_return(grid))
    assert both.mean() > 0.9 and np.allclose(other[both], trailing_return(grid)[both], atol=1e-5)
