"""The band of random scores: the width that theory gives, seeded, on the real targets."""

import numpy as np
import pytest

from atft.baselines.random_scores import random_band


def targets(days: int = 60, stocks: int = 50) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    valid = rng.random((days, stocks)) < 0.9
    return np.where(valid, 0.02 * rng.standard_t(4, (days, stocks)), np.nan), valid


def test_the_band_has_the_width_of_random_permutations() -> None:
    target, valid = targets()
    band = random_band(target, valid, 5, draws=2000)
    # The correlation of a random order has variance 1 / (n - 1), whatever the target's distribution.
    error = np.sqrt((1 / (valid.sum(axis=1) - 1)).sum()) / len(target)
    for name in ("rank_ic", "ic"):
        assert band[name] == pytest.approx((-1.96 * error, 1.96 * error), rel=0.1)
    assert band["sharpe"] == pytest.approx((-1.96 / np.sqrt(60), 1.96 / np.sqrt(60)), rel=0.15)
    assert band["sharpe_annual"] == pytest.approx(np.sqrt(252 / 5) * np.array(band["sharpe"]))


def test_the_same_seed_gives_the_same_band_and_a_lower_level_a_narrower_one() -> None:
    target, valid = targets(days=10)
    assert random_band(target, valid, 5, seed=3) == random_band(target, valid, 5, seed=3)
    assert random_band(target, valid, 5, seed=3) != random_band(target, valid, 5, seed=4)
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
