"""The planted signal is as strong as stated, in four parts, each of which only its own means can find."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.stats import spearmanr

from atft.market.options import PARTS, MarketOptions, feature_columns
from atft.market.series import CYCLES
from atft.market.simulate import Market, simulate_market
from atft.market.write import mean_ic
from tests.support.fourier import without_dominant

Array = NDArray[np.float64]
SEEDS = (1, 2, 3, 4)
LOOKBACK = 20


@cache
def market(seed: int = 1, noise_only: bool = False) -> Market:
    return simulate_market(MarketOptions(seed=seed, noise_only=noise_only))


def daily_rank_ic(score: Array, target: Array, universe: NDArray[np.bool_]) -> Array:
    valid = universe & np.isfinite(target)
    days = [(s[v], t[v]) for s, t, v in zip(score, target, valid, strict=True) if v.any()]
    return np.array([spearmanr(s, t).statistic for s, t in days])


def table(simulated: Market, names: tuple[str, ...]) -> Array:
    """Standardised columns with unknowns at 0, [days, stocks, columns]."""
    columns = np.stack([np.nan_to_num(simulated.columns[n]) for n in names], axis=-1)
    return (columns - columns.mean((0, 1))) / columns.std((0, 1))


def recovered(inputs: Array, simulated: Market, part: int) -> float:
    """Correlation, on the later half, of a part with the ridge fitted to it on the earlier half.

    Regressing on the part itself, not on returns, asks what the inputs hold, however many days there are.
    """
    universe = simulated.universe[-len(inputs) :]
    wanted = simulated.parts[part][-len(inputs) :]
    half = len(inputs) // 2
    early, late = universe[:half], universe[half:]
    x, y = inputs[:half][early], wanted[:half][early]
    weights = np.linalg.solve(x.T @ x + 10 * np.eye(x.shape[1]), x.T @ y)
    return float(np.corrcoef(inputs[half:][late] @ weights, wanted[half:][late])[0, 1])


def neighbours_of_trailing_correlation(simulated: Market, k: int = 5, window: int = 60) -> Array:
    """Mean move of the k most correlated stocks, [days, stocks]; NaN before the window is full."""
    returns = np.where(simulated.observed, simulated.columns["return_1d"], np.nan)
    neutral = np.nan_to_num(returns - np.nanmean(returns, axis=1, keepdims=True))
    moves = np.nan_to_num(simulated.columns["x_move"])
    mean = np.full_like(moves, np.nan)
    for day in range(window, len(moves)):
        recent = neutral[day - window + 1 : day + 1]
        recent = recent - recent.mean(0)
        recent = recent / np.maximum(np.sqrt((recent**2).sum(0)), 1e-12)
        correlation = recent.T @ recent
        correlation[:, ~simulated.universe[day]] = -2
        np.fill_diagonal(correlation, -2)
        nearest = np.argpartition(-correlation, k, axis=1)[:, :k]
        mean[day] = moves[day][nearest].mean(1)
    return mean


def test_the_best_score_has_the_stated_ic_at_one_day_and_keeps_most_of_it_at_five() -> None:
    daily = []
    for seed in SEEDS:
        simulated = market(seed)
        daily.append(
            [
                mean_ic(simulated.oracle(h), simulated.columns[f"target_{h}d"], simulated.universe)
                for h in (1, 5)
            ]
        )
    one, five = np.mean(daily, axis=0)
    assert abs(one - 0.20) < 0.01
    assert 0.15 < five < 0.22


def test_the_rank_ic_of_the_best_score_is_near_its_ic() -> None:
    ranks = [
        daily_rank_ic(market(s).oracle(1), market(s).columns["target_1d"], market(s).universe) for s in SEEDS
    ]
    daily = np.concatenate(ranks)
    error = daily.std() / np.sqrt(len(daily))
    # Heavy tails cost Pearson's correlation more than ranks, so the two need not be equal.
    assert abs(daily.mean() - 0.20) < 3 * error + 0.01


@pytest.mark.parametrize("part", range(4), ids=PARTS)
def test_each_part_alone_has_half_of_the_ic(part: int) -> None:
    ics = [mean_ic(market(s).parts[part], market(s).columns["target_1d"], market(s).universe) for s in SEEDS]
    assert abs(np.mean(ics) - 0.10) < 0.015


def test_the_parts_are_of_one_size_and_know_nothing_of_each_other() -> None:
    for seed in SEEDS:
        parts = market(seed).parts[:, market(seed).universe]
        np.testing.assert_allclose(parts.std(1), parts.std(), rtol=0.05)
        assert np.abs(np.corrcoef(parts) - np.eye(4)).max() < 0.04


def test_today_s_row_holds_the_first_part_and_hardly_any_of_the_others() -> None:
    simulated = market()
    row = table(simulated, feature_columns(24))
    found = [recovered(row, simulated, part) for part in range(4)]
    assert found[0] > 0.97
    assert max(np.abs(found[1:3])) < 0.1
    assert found[3] < 0.3


def test_the_window_holds_the_second_part() -> None:
    simulated = market()
    flow = table(simulated, ("x_flow",))[..., 0]
    windows = sliding_window_view(flow, LOOKBACK, axis=0)
    assert recovered(windows, simulated, 1) > 0.95


def test_the_graph_of_trailing_correlations_holds_the_third_part() -> None:
    simulated = market()
    mean = neighbours_of_trailing_correlation(simulated)[60:]
    universe = simulated.universe[60:]
    assert np.corrcoef(mean[universe], simulated.parts[2][60:][universe])[0, 1] > 0.8


def test_taking_out_the_dominant_components_uncovers_the_fourth_part_and_no_fixed_filter_does() -> None:
    simulated = market()
    windows = sliding_window_view(np.nan_to_num(simulated.columns["x_cycle"]), LOOKBACK, axis=0)
    uncovered = without_dominant(windows, CYCLES)
    assert recovered(uncovered[..., -1:], simulated, 3) > 0.85
    assert recovered(windows, simulated, 3) < 0.45


def test_a_well_informed_regression_on_the_training_days_reaches_most_of_the_oracle() -> None:
    simulated = market()
    lags = table(simulated, ("x_flow",))[..., 0]
    cycle = np.nan_to_num(simulated.columns["x_cycle"])
    informed = np.concatenate(
        [
            table(simulated, feature_columns(24))[61:],
            sliding_window_view(lags, LOOKBACK, axis=0)[42:],
            neighbours_of_trailing_correlation(simulated)[61:, :, None],
            without_dominant(sliding_window_view(cycle, LOOKBACK, axis=0), CYCLES)[42:, :, -1:],
        ],
        axis=-1,
    )
    target, universe = simulated.columns["target_1d"][61:], simulated.universe[61:]
    valid = universe & np.isfinite(target)
    days = 290
    x, y = informed[:days][valid[:days]], target[:days][valid[:days]]
    weights = np.linalg.solve(x.T @ x + 100 * np.eye(x.shape[1]), x.T @ (y - y.mean()))
    reached = mean_ic(informed[days:] @ weights, target[days:], universe[days:])
    oracle = mean_ic(simulated.oracle(1)[-len(target) + days :], target[days:], universe[days:])
    assert reached > 0.8 * oracle


@pytest.mark.parametrize("horizon", [1, 5])
def test_the_noise_only_twin_has_nothing_to_find(horizon: int) -> None:
    daily = []
    for seed in SEEDS:
        twin = market(seed, noise_only=True)
        # Every h-th day: labels that do not overlap are independent.
        target = twin.columns[f"target_{horizon}d"]
        daily.append(daily_rank_ic(twin.oracle(horizon), target, twin.universe)[::horizon])
    ranks = np.concatenate(daily)
    assert abs(ranks.mean()) < 3 * ranks.std() / np.sqrt(len(ranks))


def test_the_noise_only_twin_shows_the_same_features_rows_and_parts() -> None:
    real, twin = market(), market(noise_only=True)
    np.testing.assert_array_equal(real.observed, twin.observed)
    np.testing.assert_array_equal(real.parts, twin.parts)
    made_of_closes = ("x_return", "x_volatility", "x_traded")
    for name in feature_columns(24):
        if not name.startswith(made_of_closes):
            np.testing.assert_array_equal(real.columns[name], twin.columns[name])
    assert "oracle_1d" not in twin.columns


def test_labels_are_the_ratio_of_closes_and_null_where_a_close_is_missing() -> None:
    simulated = market()
    close = np.where(simulated.observed, simulated.close, np.nan)
    for h in (1, 5):
        expected = np.full_like(close, np.nan)
        expected[:-h] = close[h:] / close[:-h] - 1
        np.testing.assert_array_equal(simulated.columns[f"target_{h}d"], expected)
        delayed = np.full_like(close, np.nan)
        delayed[: -h - 1] = close[1 + h :] / close[1:-h] - 1
        delayed[~simulated.observed] = np.nan
        np.testing.assert_array_equal(simulated.columns[f"target_{h}d_lag1"], delayed)


def test_the_same_seed_gives_the_same_market_and_another_seed_another() -> None:
    again, other = simulate_market(MarketOptions()), market(2)
    for name, column in market().columns.items():
        np.testing.assert_array_equal(column, again.columns[name])
    assert (market().columns["x_flow"] != other.columns["x_flow"]).mean() > 0.9
    assert (market().community != other.community).any()


def test_a_longer_market_begins_with_the_shorter_one() -> None:
    short = simulate_market(replace(MarketOptions(), days=200))
    for name, column in short.columns.items():
        if not name.startswith("target"):
            np.testing.assert_array_equal(column, market().columns[name][:200], err_msg=name)
    np.testing.assert_array_equal(short.universe, market().universe[:200])
    np.testing.assert_array_equal(short.columns["target_5d"][:195], market().columns["target_5d"][:195])
    assert short.dates == market().dates[:200]


def test_the_panel_has_the_holes_of_a_real_one() -> None:
    simulated = market()
    assert 0.02 < 1 - simulated.observed.mean() < 0.1
    assert not simulated.observed[0].all()
    assert not (simulated.universe & ~simulated.observed).any()
    assert 0.9 < simulated.universe.sum() / simulated.observed.sum() < 1
    holes = [np.isnan(simulated.columns[n][simulated.observed]).mean() for n in feature_columns(24)]
    assert min(holes) > 0
    assert max(holes) < 0.05
    regime = simulated.columns["regime_volatility"]
    assert (np.nanmax(regime, axis=1) == np.nanmin(regime, axis=1)).all()
    assert np.isfinite(np.nanmax(regime, axis=1)).all()
    assert all(day.weekday() < 5 for day in simulated.dates)
    assert len(set(simulated.dates)) == 500


def test_community_members_move_together_and_volatility_clusters() -> None:
    simulated = market()
    returns = np.nan_to_num(simulated.columns["return_1d"])
    neutral = returns - returns.mean(1, keepdims=True)
    correlation = np.corrcoef(neutral.T)
    together = simulated.community[:, None] == simulated.community
    np.fill_diagonal(together, False)
    apart = simulated.community[:, None] != simulated.community
    assert correlation[together].mean() > 0.45
    assert abs(correlation[apart].mean()) < 0.08
    size = np.log(neutral.std(1))
    assert np.corrcoef(size[1:], size[:-1])[0, 1] > 0.3
