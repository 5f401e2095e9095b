"""The band of random scores: what many random orders reach, on the real targets."""

import math
from itertools import permutations

import numpy as np
import pytest
from scipy.stats import t

from atft.day_series import mean_over_std
from atft.evaluation.random_scores import random_band


def targets(days: int = 60, stocks: int = 50) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    valid = rng.random((days, stocks)) < 0.9
    return np.where(valid, 0.02 * rng.standard_t(4, (days, stocks)), np.nan), valid


def test_the_band_holds_what_random_permutations_reach() -> None:
    target, valid = targets()
    band, rng = random_band(target, valid, 5), np.random.default_rng(1)
    figures: dict[str, list[float]] = {"ic": [], "spread": [], "icir": [], "sharpe": []}
    for _ in range(1000):
        ics, spreads = [], []
        for day, row in zip(target, valid, strict=True):
            returns = rng.permutation(day[row])
            side = int(0.1 * len(returns))
            centred = np.arange(len(returns)) - (len(returns) - 1) / 2
            ics.append(centred @ returns / np.sqrt((centred @ centred) * len(returns)) / returns.std())
            spreads.append(returns[-side:].mean() - returns[:side].mean())
        figures["ic"].append(float(np.mean(ics)))
        figures["icir"].append(mean_over_std(np.array(ics)))
        figures["spread"].append(float(np.mean(spreads)))
        figures["sharpe"].append(mean_over_std(np.array(spreads)))
    for name, values in figures.items():
        low, high = np.quantile(values, [0.025, 0.975])
        assert band[name] == pytest.approx((low, high), rel=0.12), name
    assert band["rank_ic"] == band["ic"] and band["rank_icir"] == band["icir"] == band["sharpe"]
    assert band["sharpe_annual"] == pytest.approx(np.sqrt(252 / 5) * np.array(band["sharpe"]))


def test_the_variance_of_one_days_correlation_is_exact_over_all_permutations() -> None:
    returns = np.array([0.1, -0.3, 0.02, 0.5, 0.02])
    positions = np.arange(5.0)
    orders = [returns[list(order)] for order in permutations(range(5))]
    assert np.var([np.corrcoef(positions, order)[0, 1] for order in orders]) == pytest.approx(1 / 4)
    top_minus_bottom = [order[-1] - order[0] for order in orders]
    band = random_band(returns[None], np.ones((1, 5), dtype=bool), 1)
    assert band["ic"][1] == pytest.approx(1.959964 * 0.5)
    assert band["spread"][1] == pytest.approx(1.959964 * np.std(top_minus_bottom))
    assert math.isnan(band["sharpe"][0])


def test_ratios_of_few_days_are_wide_as_student_s_t_is() -> None:
    target, valid = targets(days=4)
    for days in (2, 3, 4):
        band = random_band(target[:days], valid[:days], 5)
        assert band["icir"][1] == pytest.approx(t.ppf(0.975, days - 1) / math.sqrt(days))


def test_rows_that_are_not_valid_and_days_of_too_few_change_nothing() -> None:
    target, valid = targets(days=10)
    band = random_band(target, valid, 5)
    assert random_band(np.where(valid, target, 0.5), valid, 5) == band
    least = int(valid.sum(axis=1).min())
    assert random_band(target, valid, 5, min_stocks=least) == band
    thick = valid.sum(axis=1) > least
    assert random_band(target, valid, 5, min_stocks=least + 1) == random_band(target[thick], valid[thick], 5)


def test_a_lower_level_gives_a_narrower_band() -> None:
    target, valid = targets(days=10)
    narrow, wide = random_band(target, valid, 5, level=0.5), random_band(target, valid, 5)
    assert wide["rank_ic"][0] < narrow["rank_ic"][0] < narrow["rank_ic"][1] < wide["rank_ic"][1]


def test_days_that_cannot_be_ranked_are_not_counted() -> None:
    target, valid = targets(days=10)
    more = np.concatenate([target, np.full((5, 50), np.nan), np.ones((5, 50))])
    flags = np.concatenate([valid, np.ones((10, 50), dtype=bool)])
    assert random_band(more, flags, 5) == random_band(target, valid, 5)
    thin = np.where(np.arange(50) < 3, target, np.nan)
    assert random_band(
        np.concatenate([target, thin]), np.concatenate([valid, valid]), 5, min_stocks=20
    ) == random_band(target, valid, 5)
    assert all(np.isnan(v).all() for v in random_band(more[10:], flags[10:], 5).values())
