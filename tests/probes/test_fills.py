"""Gaps that were filled backwards are accused, gaps filled forwards and ties of the column itself are not."""

import numpy as np
import polars as pl
import pytest

from atft.probes.fills import fill_suspect
from atft.probes.rank_correlations import scaled_ranks, shift_days

DAYS, STOCKS = 200, 40
RNG = np.random.default_rng(0)
RETURNS = RNG.standard_normal((DAYS, STOCKS))
WALK = np.cumsum(RETURNS, axis=0)
HERE = np.ones((DAYS, STOCKS), dtype=bool)
NEXT = scaled_ranks(shift_days(RETURNS, 1, np.nan), HERE)
HOLES = RNG.random((DAYS, STOCKS)) < 0.15
HOLES[0] = False


def filled(values: np.ndarray, forward: bool) -> np.ndarray:
    frame = pl.DataFrame(np.where(HOLES, np.nan, values)).fill_nan(None)
    return frame.select(pl.all().forward_fill() if forward else pl.all().backward_fill()).to_numpy()


@pytest.mark.parametrize(
    ("values", "text"), [(WALK, "runs of equal values"), (RETURNS, "equal the next day's")]
)
def test_a_back_filled_column_is_accused_and_a_forward_filled_one_is_not(
    values: np.ndarray, text: str
) -> None:
    suspect = fill_suspect("x", filled(values, forward=False), NEXT, HERE, 100)
    assert suspect is not None and text in suspect.evidence
    assert fill_suspect("x", filled(values, forward=True), NEXT, HERE, 100) is None
    assert fill_suspect("x", values, NEXT, HERE, 100) is None


def test_a_warm_up_filled_backwards_is_accused_and_one_filled_with_zero_is_not() -> None:
    mean = np.array([WALK[max(0, t - 19) : t + 1].mean(axis=0) for t in range(DAYS)])
    back, zero = mean.copy(), mean.copy()
    back[:19], zero[:19] = mean[19], 0
    suspect = fill_suspect("x", back, NEXT, HERE, 100)
    assert suspect is not None and "begin with 20 equal values" in suspect.evidence
    assert fill_suspect("x", zero, NEXT, HERE, 100) is None


def test_ties_of_bounded_columns_and_constants_of_short_lives_are_not_accused() -> None:
    up = np.array([(RETURNS[max(0, t - 4) : t + 1] > 0).mean(axis=0) for t in range(DAYS)])
    high = np.array([WALK[t] - WALK[max(0, t - 19) : t + 1].max(axis=0) for t in range(DAYS)])
    constant, short = np.broadcast_to(RNG.random(STOCKS), WALK.shape), HERE.copy()
    short[80:, :20] = False
    for values in (up, high, np.clip(RETURNS, -1, 1)):
        assert fill_suspect("x", values, NEXT, HERE, 100) is None
    assert fill_suspect("x", np.where(short, constant, np.nan), NEXT, short, 100) is None
