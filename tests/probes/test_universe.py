"""A list of survivors, the list of the last day, and a list without unknown labels are accused."""

import numpy as np
import pytest
from scipy.stats import binom

from atft.probes.finding import FALSE_ALARM, Suspect
from atft.probes.universe import (
    dropped_suspect,
    is_static,
    joins_only,
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


def test_survivors_are_accused_where_their_size_makes_them_members_elsewhere() -> None:
    # Ten leave; with 32 of 60 others in the universe, chance would leave all of them out of it once in 1,200 files.
    here, unknown = HERE[:, :70].copy(), UNKNOWN[:, :70]
    here[100:, :10] = False
    for members, accused in ((31, False), (32, True)):
        universe = np.zeros(here.shape, dtype=bool)
        universe[:, 10 : 10 + members] = True
        suspect = survivor_suspect(here, universe, unknown)
        assert (suspect is not None) == accused
    assert suspect is not None and "while 5 of as many stocks" in suspect.evidence
    # A leaver is of the size that it has on a day, however few days it has.
    size = np.where(np.arange(70) < 40, 10.0, 6.6) + np.random.default_rng(7).normal(
        scale=0.01, size=here.shape
    )
    assert (
        survivor_suspect(here, np.tile((np.arange(70) >= 10) & (np.arange(70) < 40), (DAYS, 1)), size)
        is not None
    )
    nine = here[:, 1:]
    assert survivor_suspect(nine, nine & ~leavers(nine), unknown[:, 1:]) is None


def test_a_stock_has_left_after_sixty_rows_and_eleven_days_without_one() -> None:
    here = np.zeros((150, 4), dtype=bool)
    here[80:140, 0] = here[81:140, 1] = here[80:141, 2] = here[:, 3] = True
    assert leavers(here).tolist() == [True, False, False, False]


@pytest.mark.parametrize("small", [False, True])
def test_stocks_on_the_wrong_side_are_those_of_the_best_cut_in_either_direction(small: bool) -> None:
    def least_errors(values: np.ndarray, member: np.ndarray) -> int:
        cuts = [values >= cut for cut in [*values, np.inf]]
        return min(int((side != member).sum()) for cut in cuts for side in (cut, ~cut))

    # The largest, or smallest, stocks of the last day, and two others.
    order = np.argsort(SIZE[-1] if small else -SIZE[-1])
    chosen = np.isin(np.arange(STOCKS), [*order[:38], *order[60:80:10]])
    universe = np.tile(chosen, (DAYS, 1))
    noisy = SIZE + np.random.default_rng(9).normal(scale=0.3, size=SIZE.shape)
    assert last_day_suspect(HERE, universe, [("noisy", noisy)], 1) is not None
    # Sizes that are unknown at the ends, and those of days without a row, decide nothing.
    here, size = HERE.copy(), SIZE.copy()
    size[:9, ::3], size[-9:, 1::3] = np.nan, np.nan
    here[:4, 2::3], size[:4, 2::3] = False, -9.0
    ends = (
        SIZE[np.resize([9, 0, 4], STOCKS), np.arange(STOCKS)],
        SIZE[np.resize([-1, -10, -1], STOCKS), np.arange(STOCKS)],
    )
    for columns in ([("size", size), ("noisy", noisy)], [("noisy", noisy), ("size", size)]):
        suspect = last_day_suspect(here, universe & here, columns, 1)
        first, last = (least_errors(values, chosen) for values in ends)
        assert suspect is not None
        assert f"size of the last day separates members from others ({last} of 80" in suspect.evidence
        assert f"better than that of the first ({first}):" in suspect.evidence
    # As one of a million columns it may be so by chance.
    assert last_day_suspect(HERE, universe, [("size", SIZE)], 10**6) is None
    assert last_day_suspect(HERE[:, :19], universe[:, :19], [("size", SIZE[:, :19])], 1) is None


def test_a_list_is_static_with_ten_stocks_on_either_side_whatever_young_stocks_do() -> None:
    member = np.zeros((DAYS, 21), dtype=bool)
    member[:, :10] = True
    here = np.ones(member.shape, dtype=bool)
    here[:91, 20] = False
    member[::2, 20] = here[::2, 20]
    assert is_static(here, member)
    here[90, 20] = True
    member[90, 20] = True
    assert not is_static(here, member), "a stock of sixty rows that joins and leaves"
    for stocks in (slice(1, 20), slice(0, 19)):
        assert not is_static(here[:, stocks], member[:, stocks])


def test_drops_on_days_of_unknown_labels_are_accused_beyond_chance() -> None:
    def suspect(drops: int, hits: int, unknown: float = 0.0, last: int = 0) -> Suspect | None:
        member, chance = HERE.copy(), np.random.default_rng(6).random(SIZE.shape)
        target = np.where(chance < unknown, np.nan, SIZE)
        days, stocks = np.arange(20, 20 + drops), np.arange(drops)
        member[days, stocks] = False
        target[days, stocks] = np.where(np.arange(drops) < hits, np.nan, 1.0)
        # The file's last days, on which every label is unknown, and a stock that has no row.
        target[-5:], member[-5:, :last], here = np.nan, False, HERE.copy()
        here[30, 79] = member[30, 79] = False
        target[40, 70:73] = np.nan
        return dropped_suspect(here, member, target, 5)

    for hits in range(41):
        chance = binom.sf(hits - 1, 40, 0.25)
        assert (suspect(40, hits) is not None) == (chance <= FALSE_ALARM), hits
    found = suspect(40, 30, last=60)
    assert (
        found is not None and "on 30 of 40 days" in found.evidence and "inside 3 labels are" in found.evidence
    )
    assert suspect(40, 26, unknown=0.5) is None, "half of all labels are unknown"
    assert suspect(19, 19) is None and suspect(20, 20) is not None


def test_a_list_that_stocks_join_at_different_ages_and_never_leave_may_be_a_later_one() -> None:
    day = np.arange(DAYS)[:, None]
    added = np.where(np.arange(STOCKS) < 20, np.linspace(20, 120, STOCKS).astype(int), 0)
    assert joins_only(HERE, HERE & (day >= added)) and not joins_only(HERE, HERE)
    # As many rows as are asked for, and a list that one stock leaves.
    assert not joins_only(HERE, HERE & (day >= 30))
    one_leaves = HERE & (day >= added)
    one_leaves[130:, 3] = False
    assert not joins_only(HERE, one_leaves)
