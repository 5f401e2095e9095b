"""A list of survivors, the list of the last day, and a list without unknown labels are accused."""

import numpy as np

from atft.probes.universe import (
    dropped_suspect,
    is_static,
    last_day_suspect,
    leavers,
    survivor_suspect,
)

DAYS, STOCKS = 150, 80
RNG = np.random.default_rng(0)
SIZE = np.cumsum(RNG.normal(scale=0.1, size=(DAYS, STOCKS)), axis=0) + RNG.normal(size=STOCKS)
HERE = np.ones((DAYS, STOCKS), dtype=bool)
GONE = HERE.copy()
GONE[100:, ::4] = False
UNKNOWN = np.full(SIZE.shape, np.nan)


def test_survivors_only_are_accused_and_members_that_leave_are_not() -> None:
    assert leavers(GONE).tolist() == (np.arange(STOCKS) % 4 == 0).tolist() and not leavers(HERE).any()
    member = np.tile(RNG.random(STOCKS) < 0.7, (DAYS, 1))
    for size in (SIZE, UNKNOWN):
        suspect = survivor_suspect(GONE, member & ~leavers(GONE) & GONE, size)
        assert suspect is not None and "none of the 20 stocks that leave" in suspect.evidence
        assert survivor_suspect(GONE, member & GONE, size) is None
    # Small stocks that are no members whether they leave or not.
    small = np.where(leavers(GONE), -9.0, SIZE)
    small[:, 1:40:4] = -9.0
    large = GONE & (small > -9)
    assert survivor_suspect(GONE, large, small) is None


def test_the_list_of_the_last_day_is_accused_and_that_of_the_first_is_not() -> None:
    def list_of(day: int) -> np.ndarray:
        return np.tile(SIZE[day] > np.median(SIZE[day]), (DAYS, 1))

    assert is_static(HERE, list_of(-1)) and not is_static(HERE, SIZE > 0) and not is_static(HERE, HERE)
    suspect = last_day_suspect(
        HERE, list_of(-1), [("noise", RNG.normal(size=SIZE.shape)), ("size", SIZE)], 10
    )
    assert suspect is not None and "size of the last day" in suspect.evidence
    assert last_day_suspect(HERE, list_of(0), [("size", SIZE)], 10) is None
    assert last_day_suspect(HERE, list_of(0), [("size", UNKNOWN)], 10) is None


def test_a_universe_without_unknown_labels_is_accused() -> None:
    target = np.where(RNG.random(SIZE.shape) < 0.02, np.nan, SIZE)
    target[-1] = np.nan
    suspect = dropped_suspect(HERE, np.isfinite(target), target, 1)
    assert suspect is not None and "chosen by their label" in suspect.evidence
    assert dropped_suspect(HERE, RNG.random(SIZE.shape) < 0.95, target, 1) is None
    assert (
        dropped_suspect(HERE, HERE, target, 1) is None
        and dropped_suspect(HERE[:2], HERE[:2], target[:2], 5) is None
    )
