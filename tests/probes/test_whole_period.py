"""Scaling with statistics of all days leaves a trace; scaling with past days, or within each day, leaves none."""

import numpy as np
import pytest

from atft.probes.whole_period import are_ranks, has_unit_range, range_suspect, scaling_suspect

DAYS, STOCKS = 200, 30
WALK = 100 * np.exp(np.cumsum(0.02 * np.random.default_rng(0).standard_normal((DAYS, STOCKS)), axis=0))
HERE = np.ones((DAYS, STOCKS), dtype=bool)
ORDER = np.argsort(np.argsort(WALK.ravel())).reshape(WALK.shape)
SCALED = {
    "the maximum": WALK / WALK.max(axis=0),
    "the maximum and the minimum": (WALK - WALK.min(axis=0)) / np.ptp(WALK, axis=0),
    "the mean and the standard deviation": (WALK - WALK.mean(axis=0)) / WALK.std(axis=0, ddof=1),
    "the mean over": WALK / WALK.mean(axis=0),
    "over the whole file": (WALK - WALK.mean()) / WALK.std(),
    "ranks over all dates": (ORDER + 1) / ORDER.size,
    "the stock's days": np.argsort(np.argsort(WALK, axis=0), axis=0) + 0.0,
}


@pytest.mark.parametrize("text", SCALED)
def test_whole_period_scaling_is_accused_with_its_statistic(text: str) -> None:
    suspect = scaling_suspect("x", SCALED[text].astype(np.float32), HERE, 100)
    assert suspect is not None
    assert text in suspect.evidence or text == "the stock's days"


def test_honest_columns_are_not_accused() -> None:
    rng = np.random.default_rng(1)
    high = np.maximum.accumulate(WALK, axis=0)
    by_day = (WALK - WALK.mean(axis=1, keepdims=True)) / WALK.std(axis=1, keepdims=True)
    place = np.argsort(np.argsort(WALK, axis=1), axis=1) / STOCKS
    age = np.arange(DAYS)[:, None] + 7.0 * np.arange(STOCKS)
    wave = np.sin(2 * np.pi * (np.arange(DAYS)[:, None] / 20 + rng.random(STOCKS))) + rng.normal(
        size=WALK.shape
    )
    honest = [
        WALK,
        WALK / high,
        by_day,
        place,
        age,
        wave,
        rng.random(WALK.shape),
        rng.normal(size=WALK.shape),
    ]
    honest += [
        np.sign(wave),
        np.diff(wave, axis=0, prepend=0),
        rng.integers(0, 5, WALK.shape),
        np.zeros(WALK.shape),
    ]
    for number, values in enumerate(honest):
        assert scaling_suspect("x", values.astype(np.float32), HERE, 100) is None, number


def test_ranks_and_their_normal_quantiles_are_known_from_uniform_noise() -> None:
    from scipy.special import ndtri

    ranks = (np.random.default_rng(0).permutation(5000) + 0.5) / 5000
    assert are_ranks(ranks) == "ranks" and are_ranks(ndtri(ranks)) == "normal quantiles of ranks"
    assert are_ranks(np.random.default_rng(0).random(5000)) == ""


def test_a_unit_range_in_one_column_proves_nothing_and_in_many_does() -> None:
    unit = (WALK - WALK.min()) / np.ptp(WALK)
    assert has_unit_range(unit) and not has_unit_range(WALK) and not has_unit_range(np.clip(2 * unit, 0, 1))
    assert range_suspect(["a"], 10) is None
    suspect = range_suspect(list("abcdef"), 20)
    assert suspect is not None and suspect.name == "a and 5 more columns"
