"""A column that knows returns to come is accused, one that knows past ones is not."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm, spearmanr

from atft.evaluation.plausible_ic import plausible_ic
from atft.panel import PanelSchema
from atft.probes.future import (
    Futures,
    future_suspect,
    futures_of,
    lag_profile,
    market_suspect,
    neighbour_suspect,
    trailing_return,
    unknown_suspect,
)
from atft.probes.panel_grid import PanelGrid, read_grid
from atft.probes.rank_correlations import (
    daily_correlation,
    least_mean,
    scaled_ranks,
    shift_days,
)


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


def test_gaps_that_know_what_follows_are_accused_and_gaps_by_chance_by_age_or_of_the_past_are_not(
    grid: PanelGrid, futures: Futures
) -> None:
    returns = np.nan_to_num(trailing_return(grid))
    rng = np.random.default_rng(0)
    lost = rng.random(returns.shape) < 0.3
    falls = (shift_days(returns, 1) < 0) & lost
    suspect = unknown_suspect("x", ~falls, futures, 20)
    assert suspect is not None
    assert (
        suspect.evidence.startswith("whether its value is known has RankIC +")
        and "target_1d" in suspect.evidence
    )
    winners = sum(shift_days(returns, j) for j in range(1, 21)) > 0.02
    assert unknown_suspect("x", winners, futures, 20) is not None
    young = np.arange(len(returns))[:, None] < 10 * np.arange(returns.shape[1])
    for gaps in (lost, young, returns < 0, np.zeros_like(lost), np.ones_like(lost)):
        assert unknown_suspect("x", ~gaps, futures, 20) is None


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


def of_spans(returns: np.ndarray, present: np.ndarray, span: int) -> np.ndarray:
    """Sum of the next days' returns, of stocks with a row at both ends, one by one."""
    out = np.full(returns.shape, np.nan)
    for day in range(len(returns) - span):
        ends = present[day] & present[day + span]
        out[day, ends] = np.nansum(returns[day + 1 : day + span + 1][:, ends], axis=0)
    return out


def test_a_column_is_compared_with_every_target_and_with_the_next_1_5_20_and_60_days(
    grid: PanelGrid, futures: Futures, market_rows: pl.DataFrame, planted: Any
) -> None:
    assert [(label.text, label.days, label.span) for label in futures.labels] == [
        *[(f"target_{h}d", h, h) for h in (1, 5)],
        *[(f"target_{h}d_lag1", h + 1, h) for h in (1, 5)],
        ("the return of the next day", 1, 1),
        *[(f"the return of the next {h} days", h, h) for h in (5, 20, 60)],
    ]
    returns = trailing_return(grid)
    for label in futures.spans:
        exact = ranks(grid, of_spans(returns, grid.present, label.span))
        np.testing.assert_allclose(label.ranks, exact, atol=1e-6)
    five = future_suspect("x", ranks(grid, of_spans(returns, grid.present, 5)), futures, 20)
    assert five is not None and five.evidence.endswith("; it reads the returns of 5 days ahead")
    days = market_rows["date"].unique().sort()
    short = read_grid(planted(market_rows.filter(pl.col("date") <= days[59])), PanelSchema())
    assert [label.span for label in futures_of(short, trailing_return(short)).spans] == [1, 5, 20]


def test_the_return_of_the_rest_of_the_sector_is_its_mean_without_the_stock(
    grid: PanelGrid, futures: Futures
) -> None:
    following = shift_days(trailing_return(grid), 1, np.nan)
    usable = grid.universe & np.isfinite(following) & (grid.sector >= 0)
    exact = np.full(grid.shape, np.nan)
    for day, stock in np.argwhere(grid.universe & (grid.sector >= 0)):
        others = usable[day] & (grid.sector[day] == grid.sector[day, stock])
        others[stock] = False
        if others.any():
            exact[day, stock] = following[day, others].mean()
    assert (grid.sector[grid.universe] < 0).any() and not futures.sector_next[grid.sector < 0].any()
    # Stocks of one sector differ by their own return alone: equal means tie to the last bits.
    np.testing.assert_allclose(futures.sector_next, ranks(grid, exact.round(12)), atol=0.2)
    assert np.corrcoef(futures.sector_next[grid.universe], ranks(grid, exact)[grid.universe])[0, 1] > 0.9999


def independent(days: int, stocks: int) -> Futures:
    """A market of independent returns without labels or sectors."""
    returns = np.random.default_rng(1).standard_normal((days, stocks))
    everyone = np.ones(returns.shape, dtype=bool)
    following = scaled_ranks(shift_days(returns, 1, np.nan), everyone)
    unused = np.zeros(returns.shape)
    return Futures(everyone, (), (), following, scaled_ranks(returns, everyone), unused, unused)


@pytest.mark.parametrize(("stocks", "least"), [(60, 3), (100, 5)])
def test_three_stocks_and_one_of_twenty_must_know_another_ones_return(stocks: int, least: int) -> None:
    futures = independent(160, stocks)
    noise = np.random.default_rng(2).standard_normal((160, stocks))
    assert neighbour_suspect("x", futures.next_return, futures, 20) is None, "its own next return"
    for leading, sign in ((least - 1, 1), (least, 1), (least, -1)):
        values = noise.copy()
        values[:, :leading] = sign * futures.next_return[:, 30 : 30 + leading]
        suspect = neighbour_suspect("x", values, futures, 20)
        assert (suspect is not None) == (leading == least)
        assert suspect is None or f"{least} of {stocks} stocks know the next return" in suspect.evidence
    # A correlation of .65: beyond chance in one column, and not in one of very many.
    values = noise.copy()
    values[:, :least] += 0.85 * futures.next_return[:, 30 : 30 + least]
    assert neighbour_suspect("x", values, futures, 1) is not None
    assert neighbour_suspect("x", values, futures, 10**9) is None


@pytest.mark.parametrize("sign", [1, -1])
def test_a_market_wide_column_is_accused_where_its_correlation_is_a_quarter_for_certain(sign: int) -> None:
    rng = np.random.default_rng(3)
    returns = 0.01 * rng.standard_normal((200, 30))
    member = rng.random(returns.shape) < 0.5
    returns[~member] = 9.0 * rng.standard_normal((~member).sum())
    returns[rng.random(returns.shape) < 0.1] = np.nan
    market = np.array([np.nanmean(np.where(m, r, np.nan)) for r, m in zip(returns, member, strict=True)])
    for noise in (0.0, 0.8, 1.2, 1.6, 2.0):
        for columns in (1, 1000):
            value = sign * np.append(market[1:], 0.0) / market.std() + noise * rng.standard_normal(200)
            wide = np.broadcast_to(value[:, None], returns.shape).copy()
            wide[::10], wide[:, :7] = np.nan, np.nan
            known = np.isfinite(wide[:-1]).any(axis=1)
            correlation = abs(spearmanr(value[:-1][known], market[1:][known]).statistic)
            z = np.arctanh(min(correlation, 1 - 1e-9)) - norm.isf(5e-4 / columns) / (known.sum() - 3) ** 0.5
            suspect = market_suspect("x", wide, returns, member, columns)
            assert (suspect is not None) == (np.tanh(z) > 0.25), (noise, columns)
    for days, accused in ((40, False), (41, True)):
        value = np.broadcast_to(np.append(market[1:days], 0.0)[:, None], (days, 30))
        assert (market_suspect("x", value, returns[:days], member[:days], 1) is not None) == accused
    assert market_suspect("x", np.ones(returns.shape), returns, member, 1) is None


def test_the_level_is_divided_by_columns_and_labels(grid: PanelGrid, futures: Futures) -> None:
    noise = np.random.default_rng(4).standard_normal(grid.shape)
    values = ranks(grid, noise + 0.19 * ranks(grid, shift_days(trailing_return(grid), 1, np.nan)))
    found = []
    for columns in (1, 10, 10**3, 10**6, 10**9):
        bounds = [
            least_mean(daily_correlation(values, label.ranks), label.days, 8 * columns).least
            / plausible_ic(label.span)
            for label in futures.labels
        ]
        found.append(max(bounds) > 1)
        assert (future_suspect("x", values, futures, columns) is not None) == found[-1]
    assert found[0] and not found[-1]


def test_without_return_1d_the_lag_of_the_target_counts(market: Path, grid: PanelGrid) -> None:
    schema = PanelSchema(return_1d=None, targets="target_{h}d_lag1", delayed_targets=None, lag=1)
    later = trailing_return(read_grid(market, schema))
    both = np.isfinite(later) & np.isfinite(trailing_return(grid))
    assert both.mean() > 0.9 and np.allclose(later[both], trailing_return(grid)[both], atol=1e-5)
    blind = PanelSchema(return_1d=None, targets="target_{h}d")
    assert np.isnan(trailing_return(read_grid(market, blind, [5]))).all()
